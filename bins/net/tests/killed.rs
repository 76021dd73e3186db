//! `net up` and `net down` killed at each of their calls to the kernel that changes something: `net down` restores what was.
//! Needs root, strace, unshare, ip, nft and iptables.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod lab;

use std::fs;

use serde_json::json;
use testkit::engine::is_here;

use lab::{Kept, Lab, ask_soon, container, network, run, snapshot, unchanged};

/// Brings up and down again and again, each time killed some calls later, until nothing is killed any more.
fn check(call: &str, step: usize) {
    if !is_here("strace") {
        return;
    }
    let lab = Lab::new();
    // Where forwarded packets are dropped, the iptables program is needed too; forwarding is on for one interface.
    run("iptables -P FORWARD DROP");
    fs::write("/proc/sys/net/ipv4/conf/up0/forwarding", "1").unwrap();
    let (web, db) = (Kept::new(), Kept::new());
    web.serve(80);
    let objects = json!([
        network("one", "10.1.0.0/24", false),
        container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] })),
        container("db", db.0.id(), "bridge", json!({ "5432/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "5432" }] })),
    ])
    .to_string();
    let input = lab.state.path().join("objects.json");
    fs::write(&input, &objects).unwrap();
    let up = ["up", "-q", input.to_str().unwrap()];
    let before = snapshot();
    let mut nth = 1;
    while lab.killed(&up, call, nth) {
        if nth % 3 == 0 && nth > 1 {
            lab.up(&objects);
            assert!(ask_soon("127.0.0.1:8080").is_some(), "up after one that was killed at {call} {nth}");
        }
        lab.down();
        unchanged(&before, &format!("up was killed at {call} {nth}"));
        nth += step;
    }
    assert!(nth > 1, "{call} was never killed");
    let mut nth = 1;
    while lab.killed(&["down"], call, nth) {
        lab.down();
        unchanged(&before, &format!("down was killed at {call} {nth}"));
        lab.up(&objects);
        nth += step;
    }
    unchanged(&before, "in the end");
    assert!(nth > 1, "{call} was never killed in down");
}

#[test]
fn at_each_message_to_the_kernel() {
    check("sendto", 1);
}

#[test]
fn at_files_that_are_opened() {
    check("openat", 5);
}

#[test]
fn at_each_write() {
    check("write", 1);
}
