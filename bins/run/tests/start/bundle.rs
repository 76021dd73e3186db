//! The same container by our launcher, as a bundle that runc starts, and handed over to it.

use std::process::Command;

use crate::image::{Place, ended};

const PROBE: &str = "id; env | grep -v ^HOSTNAME | sort; pwd; hostname; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; ulimit -n; \
                     stat -c '%a %F' /tmp /dev/shm /bound; ls /dev | sort; exit 7";

#[test]
fn runc_shows_what_we_show() {
    let Some(place) = Place::new() else { return };
    if !testkit::engine::is_here("runc") {
        return;
    }
    let bind = format!("{}:/bound:ro", place.host().display());
    let words = [
        "--net",
        "none",
        "-h",
        "web",
        "-e",
        "A=b c",
        "-w",
        "/tmp",
        "-m",
        "64m",
        "--ulimit",
        "nofile=100:200",
        "--tmpfs",
        "/tmp",
        "-v",
        &bind,
    ];
    let image = ["img", "sh", "-c", PROBE];
    let ours = place.run(&[&["--ephemeral"], &words[..], &image].concat());
    let handed = place.run(&[&["--runtime", "runc"], &words[..], &image].concat());
    let folder = place.host().parent().unwrap().join("bundle");
    let written = place.run(&[&["--bundle", folder.to_str().unwrap()], &words[..], &image].concat());
    assert_eq!((written.status, written.stderr.as_str()), (0, ""));
    let name = format!("test-{}", std::process::id());
    let theirs = ended(Command::new("runc").args(["run", "--bundle"]).arg(&folder).arg(name).output().unwrap());
    assert_eq!(ours.status, 7, "{}", ours.stderr);
    for other in [&handed, &theirs] {
        assert_eq!((other.status, &other.stdout), (7, &ours.stdout), "{}", other.stderr);
    }
}

#[test]
fn statuses_of_a_program_that_cannot_run_come_through() {
    let Some(place) = Place::new() else { return };
    if !testkit::engine::is_here("runc") {
        return;
    }
    for (program, status) in [("nosuch", 127), ("/etc", 126)] {
        assert_eq!(place.run(&["--runtime", "runc", "--net", "none", "img", program]).status, status);
    }
    assert_eq!(place.run(&["--runtime", "/no/such/runtime", "--net", "none", "img"]).status, 125);
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
