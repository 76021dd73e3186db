//! What `net up` made, against what it made it for.

use std::path::Path;

use wire::change::Step;
use wire::config::{Configs, Container};
use wire::netlink::Socket;
use wire::netlink::nft::differences as rule_differences;
use wire::render::nft::{self, chain_name};
use wire::state::State;
use wire::{Daemon, Dialect, RuleSet};

use crate::up::{explain, open};

/// What of ours is gone, and what of ours is for containers that do not run any more.
pub fn differences(records: &Configs, state: &State, dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut lines: Vec<String> = state.configs.containers.iter().flat_map(|ours| stale(ours, records)).collect();
    if !state.configs.containers.is_empty() {
        // What another up of the same would do is what is missing.
        let again = open(dir)?.up(Configs::default(), &[], &Daemon::default(), true).map_err(explain)?;
        for step in &again.steps {
            match step {
                Step::Rules { rules, was: 1.. } => lines.extend(table(rules)?),
                other => lines.push(format!("missing: {other}: net up made it, and it has gone")),
            }
        }
    }
    Ok(lines)
}

/// What is missing in our own table, and what is there and not ours: somebody has been there, or what is to be kept apart has
/// come since.
fn table(rules: &RuleSet) -> anyhow::Result<Vec<String>> {
    let live = Socket::netfilter()?.own_rules()?;
    let (missing, unknown) = rule_differences(rules, &live);
    let missing = missing.iter().map(|rule| {
        let chain = chain_name(Dialect::Own, rule.table, &rule.chain);
        let text = nft::line(rule, Dialect::Own);
        format!("missing: table dockless: {chain}: {text}: {}: net up puts it there", rule.reason)
    });
    let unknown = unknown.iter().map(|own| {
        let comment = if own.comment.is_empty() { "a rule without a comment" } else { &own.comment };
        format!("stale: table dockless: {}: {comment}: net up takes it away", own.chain)
    });
    let mut lines: Vec<String> = missing.chain(unknown).collect();
    if lines.is_empty() {
        lines.push("missing: table dockless: the order of its rules: net up puts them right".to_owned());
    }
    Ok(lines)
}

/// One of ours that no record tells of, or that does not run: its ports, or its addresses where it has none.
fn stale(ours: &Container, records: &Configs) -> Vec<String> {
    let why = match records.containers.iter().find(|container| container.id == ours.id) {
        Some(container) if container.running => return Vec::new(),
        Some(_) => "does not run",
        None => "is not in the records",
    };
    let why = format!("container '{}' {why}: net down {}", ours.title(), ours.short_id());
    let address = ours.endpoints.iter().find_map(|end| end.address.or(end.address_v6));
    let address = address.map_or_else(String::new, |prefix| prefix.address.to_string());
    let ports = ours.published.iter().map(|publish| {
        let host = publish.host_ip.map_or_else(String::new, |ip| format!(" of {ip}"));
        let what = format!("port {}/{}{host}", publish.host_port, publish.protocol.word());
        format!("stale: table dockless: {what} goes to {address}:{}: {why}", publish.port)
    });
    let lines: Vec<String> = ports.collect();
    if lines.is_empty() { vec![format!("stale: table dockless: address {address}: {why}")] } else { lines }
}
