//! Text for `iptables-restore` and `ip6tables-restore`, in the form that `iptables-save` prints.

use std::fmt::Write;

use crate::{Family, Is, Match, Prefix, Rule, RuleSet, Table, Target};

/// The tables of one family that have anything, in the order of iptables-save.
///
/// The kernel's own chains have `-` for a policy: restoring leaves it as it is.
pub fn restore(rules: &RuleSet, family: Family) -> String {
    let mut text = String::new();
    for table in [Table::Mangle, Table::Raw, Table::Filter, Table::Nat] {
        let chains = chains(rules, family, table);
        let used = |chain: &&String| table.hooks().contains(&chain.as_str());
        if chains.iter().any(|chain| !used(&chain) || rules.of(family, table, chain).next().is_some()) {
            let _ = writeln!(text, "*{}", table.word());
            text.extend(chains.iter().map(|chain| format!(":{chain} - [0:0]\n")));
            let rules = chains.iter().flat_map(|chain| rules.of(family, table, chain));
            text.extend(rules.map(|rule| format!("{}\n", line(rule))));
            text.push_str("COMMIT\n");
        }
    }
    text
}

/// The kernel's chains and then the others by name, as iptables-save has them.
pub(crate) fn chains(rules: &RuleSet, family: Family, table: Table) -> Vec<String> {
    let mut own: Vec<_> =
        rules.chains.iter().filter(|c| c.family == family && c.table == table).map(|c| c.name.clone()).collect();
    own.sort();
    table.hooks().iter().map(|hook| hook.to_string()).chain(own).collect()
}

/// One rule: `-A DOCKER -d 172.17.0.3/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT`.
pub fn line(rule: &Rule) -> String {
    let mut text = format!("-A {}", rule.chain);
    rule.matches.iter().for_each(|condition| text.push_str(&matched(condition, rule.family)));
    text.push_str(&target(&rule.target));
    text
}

fn matched(condition: &Match, family: Family) -> String {
    match condition {
        Match::Source(is, prefix) => format!("{} -s {}", not(*is), network(*prefix)),
        Match::Destination(is, prefix) => format!("{} -d {}", not(*is), network(*prefix)),
        Match::In(is, name) => format!("{} -i {name}", not(*is)),
        Match::Out(is, name) => format!("{} -o {name}", not(*is)),
        Match::Protocol(protocol) => format!(" -p {}", protocol.word()),
        Match::Icmp if family == Family::V6 => " -p ipv6-icmp".to_owned(),
        Match::Icmp => " -p icmp".to_owned(),
        Match::SourcePort(protocol, port) => format!(" -p {0} -m {0} --sport {port}", protocol.word()),
        Match::DestinationPort(protocol, port) => format!(" -p {0} -m {0} --dport {port}", protocol.word()),
        Match::Established => " -m conntrack --ctstate RELATED,ESTABLISHED".to_owned(),
        Match::Rewritten => " -m conntrack --ctstate DNAT".to_owned(),
        Match::SourceLocal => " -m addrtype --src-type LOCAL".to_owned(),
        Match::DestinationLocal => " -m addrtype --dst-type LOCAL".to_owned(),
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Accept => " -j ACCEPT".to_owned(),
        Target::Drop => " -j DROP".to_owned(),
        Target::Return => " -j RETURN".to_owned(),
        Target::Jump(chain) => format!(" -j {chain}"),
        Target::Rewrite(address, port) => {
            format!(" -j DNAT --to-destination {}", std::net::SocketAddr::new(*address, *port))
        }
        Target::Masquerade => " -j MASQUERADE".to_owned(),
        Target::SourceAs(address) => format!(" -j SNAT --to-source {address}"),
        Target::FillChecksum => " -j CHECKSUM --checksum-fill".to_owned(),
    }
}

fn not(is: Is) -> &'static str {
    match is {
        Is::In => "",
        Is::NotIn => " !",
    }
}

fn network(prefix: Prefix) -> String {
    prefix.network().to_string()
}
