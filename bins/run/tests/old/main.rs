//! Old containers again, from every kind of data root, which stay as they were.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use host::Host;
use serde_json::Value;

fn run(root: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_run"), "--root"]).arg(root).args(words);
    let out = command.stdin(Stdio::null()).output().expect("it starts");
    let text = |raw: Vec<u8>| String::from_utf8_lossy(&raw).into_owned();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

/// Names, kinds, sizes, owners, modes and times of a tree; find itself moves the access times of folders.
fn state(root: &Path) -> String {
    let out = Command::new("find")
        .arg(root)
        .args([
            "-type",
            "f",
            "-printf",
            "%P %y %s %U %G %m %A@ %C@ %T@\\n",
            "-o",
            "-printf",
            "%P %y %s %U %G %m %l %C@ %T@\\n",
        ])
        .output();
    String::from_utf8_lossy(&out.expect("find starts").stdout).into_owned()
}

/// Plans every container of a host and starts one. Returns how many there are, and whether one could be started.
fn check(hosts: &Path, name: &str) -> (usize, bool) {
    let root = hosts.join(name);
    let before = state(&root);
    let (containers, _) = Host::open(&root).expect("it is a data root").containers();
    for container in &containers {
        let (status, stdout, stderr) =
            run(&root, &["--ephemeral", "--plan=json", "--container", container.id.as_str()]);
        let why = format!("{name} {}: {} {}", container.id, status.unwrap_or(-1), stderr);
        assert!(matches!(status, Some(0 | 3)) || stderr.contains("no command specified"), "{why}");
        if !stdout.is_empty() {
            let plan: Value = serde_json::from_str(&stdout).expect("one JSON document");
            assert!(plan["process"]["args"].as_array().is_some_and(|args| !args.is_empty()), "{why}");
        }
    }
    // One of each is started.
    let started = containers.iter().find(|container| {
        let words = ["--ephemeral", "--net", "none", "--container", container.id.as_str(), "/bin/sh", "-c", "echo up"];
        run(&root, &words).1 == "up\n"
    });
    assert_eq!(state(&root), before, "{name}");
    (containers.len(), started.is_some())
}

#[test]
fn each_container_of_each_kind_of_root_can_be_planned_and_none_is_touched() {
    if !testkit::engine::is_here("unshare") {
        return;
    }
    let hosts = testkit::hosts::Hosts::unpack();
    let names = hosts.names();
    let planned: BTreeMap<&String, (usize, bool)> = std::thread::scope(|scope| {
        let parts = names.chunks(names.len().div_ceil(4));
        let work = |part: &'_ [String]| part.iter().map(|name| check(hosts.path(), name)).collect::<Vec<_>>();
        let all: Vec<_> = parts.map(|part| (part, scope.spawn(move || work(part)))).collect();
        let ended = |(part, thread): (_, std::thread::ScopedJoinHandle<_>)| {
            std::iter::zip(part, thread.join().expect("a host failed"))
        };
        all.into_iter().flat_map(ended).collect()
    });
    let none: Vec<_> = planned.iter().filter(|(_, (all, started))| *all > 0 && !started).collect();
    assert!(none.iter().all(|(name, _)| name.starts_with("seed-")), "nothing could be started of {none:?}");
}
