//! Our messages against the kernel and nft, in a network namespace of the test's own. Needs root.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::process::Command;

use wire::netlink::Socket;
use wire::{Daemon, Dialect, Family, Selection};

/// Leaves this thread in a new network namespace.
fn alone() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("these tests need root");
}

fn nft(args: &[&str]) -> String {
    let output = Command::new("nft").args(args).output().expect("these tests need nft");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The listing of a table without comments, counters and blank lines.
fn listing(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split(" comment ").next().unwrap().trim().to_owned());
    let mut lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.sort();
    lines
}

#[test]
fn rules_over_netlink_are_those_of_the_text() {
    alone();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/net/docker-20.10");
    for case in ["9-intc", "n-icc-link", "r-many", "t-ipv6"] {
        let json = std::fs::read(format!("{dir}/{case}/inspect.json")).unwrap();
        let (configs, _) = wire::inspect::parse(&json).unwrap();
        let (plan, _) = wire::plan(&configs, &Daemon::default(), Dialect::Own, &Selection::Live);
        let socket = Socket::netfilter().unwrap();
        socket.replace_rules(&plan.rules).unwrap();
        let ours = nft(&["list", "ruleset"]);
        assert_eq!(socket.own_rules().unwrap(), wire::netlink::nft::expected(&plan.rules), "{case}");
        nft(&["flush", "ruleset"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), wire::render::nft::text(&plan.rules, Dialect::Own)).unwrap();
        nft(&["-f", file.path().to_str().unwrap()]);
        assert_eq!(listing(&ours), listing(&nft(&["list", "ruleset"])), "{case}");
        nft(&["flush", "ruleset"]);
    }
}

#[test]
fn what_rules_need_is_known_or_not_and_nothing_is_made() {
    alone();
    let socket = Socket::netfilter().unwrap();
    for family in [Family::V4, Family::V6] {
        let known =
            ["masq", "nat", "fib", "ct", "no-such-kind"].map(|name| socket.knows_expression(family, name).unwrap());
        assert_eq!(known, [true, true, true, true, false]);
        assert_eq!(socket.missing_modules(family).unwrap(), [""; 0]);
    }
    assert_eq!(nft(&["list", "ruleset"]), "");
}

#[test]
fn kinds_of_interfaces_are_known_or_not_and_nothing_is_made() {
    alone();
    let socket = Socket::route().unwrap();
    let before = socket.links().unwrap();
    let known = ["bridge", "veth", "no-such-kind"].map(|kind| socket.knows(kind).unwrap());
    assert_eq!(known, [true, true, false]);
    assert_eq!(socket.links().unwrap(), before);
}
