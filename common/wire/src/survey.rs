//! Other people's rules, as their own programs list them: for looking and comparing, never for changing.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::Family;
use crate::namespace::Namespace;

/// The rules of iptables by table, each as `-A CHAIN …`, and the policies of the kernel's chains.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Saved {
    /// Table and rule.
    pub rules: Vec<(String, String)>,
    /// Table, chain and policy; `-` for a chain that is not the kernel's.
    pub chains: BTreeMap<(String, String), String>,
}

impl Saved {
    /// Reads what `iptables-save` prints.
    pub fn parse(text: &str) -> Saved {
        let mut saved = Saved::default();
        let mut table = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = name.to_owned();
            } else if line.starts_with("-A ") {
                saved.rules.push((table.clone(), line.trim_end().to_owned()));
            } else if let Some((chain, rest)) = line.strip_prefix(':').and_then(|rest| rest.split_once(' ')) {
                let policy = rest.split(' ').next().unwrap_or("-").to_owned();
                saved.chains.insert((table.clone(), chain.to_owned()), policy);
            }
        }
        saved
    }

    /// Whether there is such a chain.
    pub fn has_chain(&self, table: &str, chain: &str) -> bool {
        self.chains.contains_key(&(table.to_owned(), chain.to_owned()))
    }
}

/// The rules of this namespace, of both backends of iptables. Empty where the program is missing.
pub fn saved(family: Family) -> Saved {
    let name = if family == Family::V4 { "iptables" } else { "ip6tables" };
    let mut all = Saved::parse(
        &output(&format!("{name}-nft-save"), &[]).or_else(|| output(&format!("{name}-save"), &[])).unwrap_or_default(),
    );
    let tables = fs::read_to_string(format!(
        "/proc/thread-self/net/{}_tables_names",
        if family == Family::V4 { "ip" } else { "ip6" }
    ));
    if tables.is_ok_and(|tables| !tables.trim().is_empty()) {
        let legacy = Saved::parse(&output(&format!("{name}-legacy-save"), &[]).unwrap_or_default());
        all.rules.extend(legacy.rules);
        all.chains.extend(legacy.chains);
    }
    all
}

/// What nft lists, without what iptables has; empty where the program is missing.
pub fn ruleset() -> String {
    output("nft", &["list", "ruleset"]).unwrap_or_default()
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Processes of that name in this namespace of processes.
fn processes(name: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|comm| comm.trim() == name))
        .collect()
}

/// Those of them that are in this network namespace.
pub fn processes_here(name: &str) -> Vec<u32> {
    let home = Namespace::current().ok();
    let is_here = |id: &u32| {
        let other = Namespace::of(*id).ok();
        home.as_ref().zip(other).is_some_and(|(home, other)| home.is(&other).unwrap_or(false))
    };
    processes(name).into_iter().filter(is_here).collect()
}

/// What a process was started with.
pub fn arguments(id: u32) -> Vec<String> {
    let text = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saves_are_read_by_table() {
        let saved = Saved::parse(
            "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [1:2]\n-A DOCKER -j ACCEPT \nCOMMIT\n*nat\n-A X -j Y\n",
        );
        let rules =
            [("filter", "-A DOCKER -j ACCEPT"), ("nat", "-A X -j Y")].map(|(t, r)| (t.to_owned(), r.to_owned()));
        assert_eq!(saved.rules, rules);
        assert!(saved.has_chain("filter", "DOCKER") && !saved.has_chain("nat", "DOCKER"));
        assert_eq!(saved.chains[&("filter".to_owned(), "FORWARD".to_owned())], "DROP");
    }
}
