//! Plans against what a real dockerd 20.10.24 made: the same rules, in the same order within each chain.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wire::{Daemon, Dialect, Family, Selection};

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/net/docker-20.10")
}

/// Rules by table and chain; a chain without rules counts where it is not the kernel's.
fn chains(save: &str) -> BTreeMap<String, Vec<String>> {
    let mut table = "";
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in save.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let (chain, rule) = rest.split_once(' ').unwrap();
            chains.entry(format!("{table} {chain}")).or_default().push(rule.to_owned());
        } else if let Some(rest) = line.strip_prefix(':') {
            let name = rest.split(' ').next().unwrap();
            if name.starts_with("DOCKER") {
                chains.entry(format!("{table} {name}")).or_default();
            }
        }
    }
    chains
}

fn daemon(flags: &str) -> Daemon {
    let said = |flag: &str, value: bool| flags.contains(flag).then_some(value);
    Daemon {
        userland_proxy: said("--userland-proxy=false", false),
        iptables: said("--iptables=false", false),
        ip6tables: said("--ip6tables", true),
        ..Daemon::default()
    }
}

#[test]
fn plans_have_the_rules_that_dockerd_made() {
    let mut cases = 0;
    for case in fs::read_dir(recorded()).unwrap() {
        let case = case.unwrap().path();
        let read = |name: &str| fs::read_to_string(case.join(name)).unwrap();
        let (configs, findings) = wire::inspect::parse(read("inspect.json").as_bytes()).unwrap();
        assert_eq!(findings, [], "{case:?}");
        let daemon = daemon(&read("flags.json"));
        let (plan, _) = wire::plan(&configs, &daemon, Dialect::Docker20, &Selection::Live);
        let ours = wire::render::iptables::restore(&plan.rules, Family::V4);
        assert_eq!(chains(&ours), chains(&read("iptables-save")), "{case:?}");
        // Where no other family was recorded, nothing of the daemon's was in it.
        let six = fs::read_to_string(case.join("ip6tables-save")).unwrap_or_default();
        assert_eq!(chains(&wire::render::iptables::restore(&plan.rules, Family::V6)), chains(&six), "{case:?}");
        cases += 1;
    }
    assert!(cases >= 30, "only {cases} recorded cases were found");
}
