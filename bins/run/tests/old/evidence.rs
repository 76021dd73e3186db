//! Binds of an old container are looked for in the evidence, and nothing there is ever written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::roots;

/// With a bind of `/srv/host-files/bind`, read-only, and two volumes.
const ROOT: &str = "docker-20.10.24-overlay2";

fn web() -> String {
    let all = roots::containers(ROOT);
    let (container, _) =
        all.iter().find(|(container, _)| container.names.contains(&"web".to_string())).expect("it is there");
    container.id.as_str().to_string()
}

/// The old host's own `/`, with `make` done to the folder of its binds.
fn old_host(make: impl FnOnce(&Path)) -> tempfile::TempDir {
    let top = tempfile::tempdir().expect("a folder is made");
    fs::create_dir_all(top.path().join("srv/host-files")).expect("a folder is made");
    make(&top.path().join("srv/host-files/bind"));
    top
}

fn bind(folder: &Path) {
    fs::create_dir(folder).expect("a folder is made");
    fs::write(folder.join("file"), "evidence\n").expect("it is written");
}

/// The mount on `/srv/bind` in the plan, and what is said of it.
fn planned(top: &Path) -> (Value, String) {
    let ended =
        roots::run(ROOT, &["--ephemeral", "--plan=json", "--host-root", top.to_str().unwrap(), "--container", &web()]);
    let plan: Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
    let mount = plan["mounts"].as_array().unwrap().iter().find(|mount| mount["destination"] == "/srv/bind");
    (mount.cloned().unwrap_or_default(), plan["notDone"].to_string())
}

#[test]
fn a_bind_is_taken_from_the_old_hosts_own_files() {
    if roots::all().is_none() {
        return;
    }
    let top = old_host(bind);
    let (mount, notes) = planned(top.path());
    assert_eq!((&mount["missing"], notes.contains("/srv/bind")), (&Value::Null, false), "{mount} {notes}");
    let before = roots::state(top.path());
    let script = "cat /srv/bind/file; echo more > /srv/bind/new; echo other > /srv/vol/new; ls /srv/vol/new";
    let words = ["--ephemeral", "--net", "none", "--host-root", top.path().to_str().unwrap(), "-u", "0"];
    let root = roots::all().unwrap().path().join(ROOT);
    let old = roots::state(&root);
    let ended = roots::run(ROOT, &[&words[..], &["--container", &web(), "/bin/sh", "-c", script]].concat());
    assert_eq!(ended.stdout, "evidence\n/srv/vol/new\n", "{}", ended.stderr);
    assert!(ended.stderr.contains("/srv/bind/new: Read-only file system"), "{}", ended.stderr);
    assert_eq!(roots::state(top.path()), before);
    assert_eq!(roots::state(&root), old);
}

#[test]
fn what_is_not_there_is_named_before_the_start_and_in_the_plan() {
    if roots::all().is_none() {
        return;
    }
    let top = old_host(|_| ());
    let (mount, notes) = planned(top.path());
    assert_eq!(mount["missing"], true, "{mount}");
    assert_eq!(mount["source"]["bind-overlay"]["path"], "/srv/host-files/bind");
    assert!(notes.contains("'/srv/host-files/bind' of the old host is not here"), "{notes}");
    let words = ["--ephemeral", "--net", "none", "--container", &web(), "/bin/sh", "-c", "ls -d /srv/bind; echo up"];
    let ended = roots::run(ROOT, &words);
    assert!(ended.stdout.ends_with("up\n"), "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with("WARNING: nothing is mounted on '/srv/bind': '/srv/host-files/bind'"),
        "{}",
        ended.stderr
    );
}

#[test]
fn no_link_in_the_evidence_leads_to_this_machine() {
    if roots::all().is_none() {
        return;
    }
    // On this machine: what no container may see.
    let own = tempfile::tempdir().expect("a folder is made");
    fs::write(own.path().join("file"), "ours\n").expect("it is written");
    let below = own.path().strip_prefix("/").unwrap();
    let links = [own.path().to_path_buf(), Path::new("../../../../../../../..").join(below)];
    for link in links {
        let top = old_host(|folder| symlink(&link, folder).expect("a link is made"));
        assert_eq!(planned(top.path()).0["missing"], true, "{}", link.display());
        // The same path on the old host is what the link means.
        let meant = top.path().join(below);
        fs::create_dir_all(&meant).expect("a folder is made");
        let (mount, _) = planned(top.path());
        let path = mount["source"]["bind-overlay"]["path"].as_str().unwrap_or_default();
        assert_eq!(Path::new(path), meant.canonicalize().unwrap(), "{}", link.display());
    }
}
