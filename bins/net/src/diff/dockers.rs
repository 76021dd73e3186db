//! Docker's rules that are there against those of a plan.

use std::collections::BTreeSet;

use wire::render::iptables;
use wire::survey::Saved;
use wire::{Dialect, Family, Plan, Rule};

/// Which version made the rules, by the chains that it has; `None` where there are none of docker's.
pub fn recognise(saved: &Saved) -> Option<Dialect> {
    if saved.has_chain("filter", "DOCKER-FORWARD") {
        // What closes containers to the outside came for each port first, then for each container.
        let by_port = |(table, rule): &(String, String)| {
            table == "raw" && rule.contains("--dport") && !rule.contains("! -i lo") && rule.ends_with("-j DROP")
        };
        let returns = saved.rules.iter().any(|(_, rule)| rule == "-A DOCKER-USER -j RETURN");
        Some(match saved.rules.iter().any(by_port) {
            true => Dialect::Docker281,
            false if returns => Dialect::Docker282,
            false => Dialect::Docker28,
        })
    } else if saved.has_chain("filter", "DOCKER-ISOLATION-STAGE-1") {
        Some(Dialect::Docker20)
    } else if saved.has_chain("nat", "DOCKER") {
        let filters = saved.rules.iter().any(|(table, rule)| table == "filter" && rule.contains("docker0"));
        Some(if filters { Dialect::Docker12 } else { Dialect::Docker06 })
    } else {
        None
    }
}

pub fn differences(plan: &Plan, saved: &Saved, family: Family) -> Vec<String> {
    let of_plan: Vec<&Rule> = plan.rules.by_chain().into_iter().filter(|rule| rule.family == family).collect();
    let wanted: BTreeSet<(String, String)> =
        of_plan.iter().map(|rule| (rule.table.word().to_owned(), iptables::line(rule))).collect();
    let there: BTreeSet<&(String, String)> = saved.rules.iter().collect();
    let mut bridges: BTreeSet<&str> = plan.bridges.iter().map(|bridge| &*bridge.name).collect();
    bridges.insert("docker0");
    let stale = saved.rules.iter().filter(|rule| !wanted.contains(rule) && is_dockers(&rule.1, &bridges));
    let mut lines: Vec<String> = stale.map(|(table, rule)| said(table, rule, plan)).collect();
    let missing = of_plan.iter().filter(|rule| !there.contains(&(rule.table.word().to_owned(), iptables::line(rule))));
    lines.extend(missing.map(|rule| {
        let what = format!("missing: {} {}: {}", rule.table.word(), iptables::line(rule), rule.reason);
        format!("{what} ({})", rule.from)
    }));
    lines
}

/// Whether a rule is docker's: in a chain of its own, or about one of its bridges. What users put into theirs is not.
fn is_dockers(rule: &str, bridges: &BTreeSet<&str>) -> bool {
    let words: Vec<&str> = rule.split(' ').collect();
    let bridge = |word: &&str| bridges.contains(word) || (word.starts_with("br-") && word.len() == 15);
    let chain = words.get(1).copied().unwrap_or_default();
    if chain == "DOCKER-USER" || words.windows(2).any(|pair| pair == ["--comment", "dockless"]) {
        return false;
    }
    chain.starts_with("DOCKER")
        || words.iter().any(bridge)
        || words.last().is_some_and(|target| target.starts_with("DOCKER"))
        || (rule.contains("-j MASQUERADE") && rule.contains("--dport"))
}

fn said(table: &str, rule: &str, plan: &Plan) -> String {
    let words: Vec<&str> = rule.split(' ').collect();
    let after = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
    let owner = |address: &str| {
        let of = |interface: &&wire::Interface| {
            interface.addresses.iter().any(|prefix| prefix.address.to_string() == address)
        };
        plan.interfaces.iter().find(of).map_or("no running container has that address".to_owned(), |interface| {
            format!("container '{}' does not publish it", interface.container.1)
        })
    };
    let protocol = after("-p").unwrap_or("all");
    let why = match (after("--to-destination"), after("--dport"), after("-d")) {
        (Some(to), Some(port), _) => {
            let address = to.rsplit_once(':').map_or(to, |(address, _)| address).trim_matches(['[', ']']);
            format!("port {port}/{protocol} goes to {to}: {}", owner(address))
        }
        (None, Some(port), Some(to)) => {
            let address = to.split('/').next().unwrap_or(to);
            format!("port {port}/{protocol} of {address} is open: {}", owner(address))
        }
        _ => "no network or container of the records needs it".to_owned(),
    };
    format!("stale: {table} {rule}: {why}")
}
