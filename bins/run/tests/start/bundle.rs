//! The same container by our launcher, as a bundle that runc and crun start, and handed over to them.

use std::path::PathBuf;
use std::process::Stdio;

use crate::image::{Place, ended, on_version_one};

// Of what lies in /dev, `core` is the one thing that not all make.
const PROBE: &str = "id; env | grep -v ^HOSTNAME | sort; pwd; hostname; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; ulimit -n; \
                     stat -c '%a %F' /tmp /dev/shm /bound; ls /dev | grep -vx core | sort; exit 7";

/// Ours, and the other runtime's from a bundle and by `--runtime`: what is seen inside, and the status.
fn check(runtime: &str) {
    let Some(place) = Place::new() else { return };
    if !testkit::engine::is_here(runtime) {
        return;
    }
    let bind = format!("{}:/bound:ro", place.host().display());
    let words = "--net none -h web -e A=b\u{a0}c -w /tmp -m 64m --ulimit nofile=100:200 --tmpfs /tmp -v";
    let words: Vec<&str> = words.split(' ').chain([bind.as_str()]).collect();
    let image = ["img", "sh", "-c", PROBE];
    let ours = place.run_on_version_one(&[&["--ephemeral"], &words[..], &image].concat());
    assert_eq!(ours.status, 7, "{}", ours.stderr);
    let handed = place.run_on_version_one(&[&["--runtime", runtime], &words[..], &image].concat());
    let folder = place.host().parent().unwrap().join("bundle");
    let written = place.run(&[&["--bundle", folder.to_str().unwrap()], &words[..], &image].concat());
    assert_eq!((written.status, written.stderr.as_str()), (0, ""));
    let name = format!("test-{}", std::process::id());
    let mut theirs = on_version_one(&[runtime, "run", "--bundle", folder.to_str().unwrap(), &name]);
    let theirs = ended(theirs.stdin(Stdio::null()).output().unwrap());
    for other in [&handed, &theirs] {
        assert_eq!((other.status, &other.stdout), (7, &ours.stdout), "{runtime}: {}", other.stderr);
    }
    let whole = std::fs::canonicalize(which(runtime)).unwrap();
    for (program, status) in [("nosuch", 127), ("/etc", 126)] {
        for named in [runtime, whole.to_str().unwrap()] {
            let ended = place.run_on_version_one(&["--runtime", named, "--net", "none", "img", program]);
            assert_eq!(ended.status, status, "{named} {program}: {}", ended.stderr);
        }
    }
}

fn which(program: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file()).expect("it is here")
}

#[test]
fn runc_shows_what_we_show() {
    check("runc");
}

#[test]
fn crun_shows_what_we_show() {
    check("crun");
}

#[test]
fn a_runtime_that_is_not_there_is_125() {
    let Some(place) = Place::new() else { return };
    let ended = place.run(&["--runtime", "/no/such/runtime", "--net", "none", "img"]);
    assert_eq!(ended.status, 125);
    assert!(ended.stderr.contains("unknown or invalid runtime name: /no/such/runtime"), "{}", ended.stderr);
}

#[test]
fn what_is_written_under_another_runtime_stays_where_it_was_asked_for() {
    let Some(place) = Place::new() else { return };
    if !testkit::engine::is_here("runc") {
        return;
    }
    let rw = place.host().join("rw");
    let words = ["--runtime", "runc", "--rw", rw.to_str().unwrap(), "--net", "none", "img"];
    let ended = place.run(&[&words[..], &["sh", "-c", "echo kept > /new"]].concat());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(rw.join("diff/new")).unwrap(), "kept\n");
    let names: Vec<_> = std::fs::read_dir(rw.join("diff")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name == "bin"), "the image's files were removed: {names:?}");
}
