//! Text for `nft -f`: docker's rules in tables named as iptables-nft names them, ours in one table of our own.

use std::fmt::Write;

use model::Protocol;

use crate::render::iptables::chains;
use crate::{Dialect, Family, Is, Match, Prefix, Rule, RuleSet, Table, Target};

/// The name of our own table.
pub const OWN_TABLE: &str = "dockless";

/// All families and tables that have anything.
pub fn text(rules: &RuleSet, dialect: Dialect) -> String {
    let mut text = String::new();
    for family in [Family::V4, Family::V6] {
        match dialect {
            Dialect::Own if rules.rules.iter().any(|rule| rule.family == family) => {
                let _ = writeln!(text, "table {} {OWN_TABLE} {{", family.word());
                Table::ALL.iter().for_each(|table| body(&mut text, rules, family, *table, dialect));
                text.push_str("}\n");
            }
            Dialect::Own => {}
            _ => Table::ALL.iter().for_each(|table| {
                let mut inner = String::new();
                body(&mut inner, rules, family, *table, dialect);
                if !inner.is_empty() {
                    let _ = write!(text, "table {} {} {{\n{inner}}}\n", family.word(), table.word());
                }
            }),
        }
    }
    text
}

fn body(text: &mut String, rules: &RuleSet, family: Family, table: Table, dialect: Dialect) {
    // A chain must stand before the rule that jumps to it.
    for chain in chains(rules, family, table).iter().rev() {
        let hook = Hook::of(table, chain);
        let mut rules = rules.of(family, table, chain).peekable();
        if hook.is_some() && rules.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "\tchain {} {{", chain_name(dialect, table, chain));
        if let Some(hook) = hook {
            let _ =
                writeln!(text, "\t\ttype {} hook {} priority {}; policy accept;", hook.kind, hook.name, hook.priority);
        }
        text.extend(rules.map(|rule| format!("\t\t{}\n", line(rule, dialect))));
        text.push_str("\t}\n");
    }
}

/// What a chain is called: in our own table the table's name is part of it.
pub fn chain_name(dialect: Dialect, table: Table, chain: &str) -> String {
    match dialect {
        Dialect::Own => format!("{}-{}", table.word(), chain.to_lowercase()),
        _ => chain.to_owned(),
    }
}

/// How the kernel calls a chain.
pub(crate) struct Hook {
    pub kind: &'static str,
    pub name: String,
    /// The number of the hook in the kernel (`enum nf_inet_hooks`).
    pub number: u32,
    pub priority: i32,
}

impl Hook {
    /// The hook of one of the kernel's chains, with the priorities of iptables (linux/netfilter_ipv4.h).
    pub(crate) fn of(table: Table, chain: &str) -> Option<Hook> {
        let all = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
        let number = table.hooks().contains(&chain).then(|| all.iter().position(|hook| *hook == chain))??;
        let source = matches!(chain, "INPUT" | "POSTROUTING");
        let (kind, priority) = match table {
            Table::Raw => ("filter", -300),
            Table::Mangle => ("filter", -150),
            Table::Nat => ("nat", if source { 100 } else { -100 }),
            Table::Filter => ("filter", 0),
        };
        Some(Hook { kind, name: chain.to_lowercase(), number: number as u32, priority })
    }
}

/// One rule.
pub fn line(rule: &Rule, dialect: Dialect) -> String {
    let mut words: Vec<String> = rule.matches.iter().map(|condition| matched(condition, rule.family)).collect();
    words.push(target(rule, dialect));
    words.join(" ")
}

fn matched(condition: &Match, family: Family) -> String {
    let ip = family.word();
    match condition {
        Match::Source(is, prefix) => format!("{ip} saddr {}{}", not(*is), network(*prefix)),
        Match::Destination(is, prefix) => format!("{ip} daddr {}{}", not(*is), network(*prefix)),
        Match::In(is, name) => format!("iifname {}\"{name}\"", not(*is)),
        Match::Out(is, name) => format!("oifname {}\"{name}\"", not(*is)),
        Match::Protocol(protocol) => format!("meta l4proto {}", protocol.word()),
        Match::Icmp if family == Family::V6 => "meta l4proto ipv6-icmp".to_owned(),
        Match::Icmp => "meta l4proto icmp".to_owned(),
        Match::SourcePort(protocol, port) => format!("{} sport {port}", protocol.word()),
        Match::DestinationPort(protocol, port) => format!("{} dport {port}", protocol.word()),
        Match::Established => "ct state related,established".to_owned(),
        Match::Rewritten => "ct status dnat".to_owned(),
        Match::SourceLocal => "fib saddr type local".to_owned(),
        Match::DestinationLocal => "fib daddr type local".to_owned(),
    }
}

fn target(rule: &Rule, dialect: Dialect) -> String {
    match &rule.target {
        Target::Accept => "accept".to_owned(),
        Target::Drop => "drop".to_owned(),
        Target::Return => "return".to_owned(),
        Target::Jump(chain) => format!("jump {}", chain_name(dialect, rule.table, chain)),
        Target::Rewrite(address, port) => format!("dnat to {}", std::net::SocketAddr::new(*address, *port)),
        Target::Masquerade => "masquerade".to_owned(),
        Target::SourceAs(address) => format!("snat to {address}"),
        Target::FillChecksum => checksum(rule),
    }
}

/// nft has no word for the CHECKSUM target; the kernel fills in SCTP's checksum itself since 4.10.
fn checksum(rule: &Rule) -> String {
    let sctp = rule.matches.iter().any(|m| matches!(m, Match::SourcePort(Protocol::Sctp, _)));
    format!("counter comment \"CHECKSUM --checksum-fill{}\"", if sctp { "" } else { ", not SCTP" })
}

fn not(is: Is) -> &'static str {
    match is {
        Is::In => "",
        Is::NotIn => "!= ",
    }
}

fn network(prefix: Prefix) -> String {
    let whole = if prefix.is_ipv4() { 32 } else { 128 };
    if prefix.length == whole { prefix.address.to_string() } else { prefix.network().to_string() }
}
