//! Plans of real data roots, of every generation: from the root, from its folder's name, and from its inspect JSON they are
//! the same, and nft takes their text.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod lab;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use host::Host;
use serde_json::Value;
use testkit::hosts::Hosts;

/// What `inspect` prints of everything in a root: containers and networks in one array.
fn inspect(root: &Path) -> String {
    let host = Host::open(root).unwrap();
    let (containers, _) = host.containers();
    let (networks, _) = host.networks();
    let of_containers = containers.iter().map(|c| layout::inspect_container(host.root(), host.stores(), c).0);
    let of_networks = networks.iter().map(|n| layout::inspect_network(host.root(), host.stores(), n).0);
    Value::Array(of_containers.chain(of_networks).collect()).to_string()
}

/// Runs a program with a text on stdin; what it prints. Findings are fine, failures are not.
fn piped(program: &str, args: &[&str], text: &str) -> String {
    let mut command = Command::new(program);
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{program} {args:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn plans_of_a_root_are_those_of_its_inspect_json() {
    lab::alone();
    let hosts = Hosts::unpack();
    let net = |args: &[&str], text: &str| piped(env!("CARGO_BIN_EXE_net"), args, text);
    let mut planned = 0;
    for name in hosts.names() {
        let root = hosts.path().join(&name);
        let folder = root.to_str().unwrap();
        let json = inspect(&root);
        let plan = ["plan", "--stopped", "--as", "20.10", "--format", "json"];
        let of_json = net(&[&plan[..], &["-"]].concat(), &json);
        assert_eq!(net(&[&["--root", folder], &plan[..]].concat(), ""), of_json, "{name}");
        assert_eq!(net(&[&plan[..], &[folder]].concat(), ""), of_json, "{name}");
        planned += serde_json::from_str::<Value>(&of_json).unwrap()["rules"].as_array().unwrap().len();
        for version in ["0.6.4", "1.2.0", "20.10", "28", "nft"] {
            let rules = net(&["plan", "--stopped", "--as", version, "--format", "nft", "-"], &json);
            piped("nft", &["-c", "-f", "-"], &rules);
        }
    }
    assert!(planned > 300, "only {planned} rules were planned for {:?}", hosts.names());
}
