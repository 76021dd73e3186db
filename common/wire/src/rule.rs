//! Filter and address translation rules as values, and the sets that they are put into.

use std::collections::{HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use model::Protocol;

use crate::Prefix;
use crate::resolve::{hash, hash_on};

/// IPv4 or IPv6: each has tables of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// As nft calls it.
    pub fn word(self) -> &'static str {
        match self {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }
}

/// The four tables of iptables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Table {
    /// `raw`: before connections are tracked.
    Raw,
    /// `mangle`.
    Mangle,
    /// `nat`.
    Nat,
    /// `filter`.
    Filter,
}

impl Table {
    /// All, in the order in which a packet that comes in meets them.
    pub const ALL: [Table; 4] = [Table::Raw, Table::Mangle, Table::Nat, Table::Filter];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Table::Raw => "raw",
            Table::Mangle => "mangle",
            Table::Nat => "nat",
            Table::Filter => "filter",
        }
    }

    /// The chains that the kernel calls.
    pub fn hooks(self) -> &'static [&'static str] {
        match self {
            Table::Raw => &["PREROUTING", "OUTPUT"],
            Table::Mangle => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            Table::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
            Table::Filter => &["INPUT", "FORWARD", "OUTPUT"],
        }
    }
}

/// A condition on a packet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Match {
    /// From an address of the network, or from none.
    Source(Is, Prefix),
    /// To an address of the network, or to none.
    Destination(Is, Prefix),
    /// Came in by the interface, or by another.
    In(Is, String),
    /// Goes out by the interface, or by another.
    Out(Is, String),
    /// The transport protocol.
    Protocol(Protocol),
    /// ICMP of the rule's family.
    Icmp,
    /// Transport protocol and source port.
    SourcePort(Protocol, u16),
    /// Transport protocol and destination port.
    DestinationPort(Protocol, u16),
    /// Belongs to a connection that was let through before.
    Established,
    /// Belongs to a connection whose destination was rewritten.
    Rewritten,
    /// The source is an address of this host.
    SourceLocal,
    /// The destination is an address of this host.
    DestinationLocal,
}

/// Whether a condition is to hold or not to hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Is {
    /// It is to hold.
    In,
    /// It is not to hold.
    NotIn,
}

/// What becomes of a packet that meets all conditions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// Let through this table.
    Accept,
    /// Dropped.
    Drop,
    /// On with the calling chain.
    Return,
    /// On with another chain.
    Jump(String),
    /// Its destination is rewritten.
    Rewrite(IpAddr, u16),
    /// Its source becomes the address of the outgoing interface.
    Masquerade,
    /// Its source becomes this address.
    SourceAs(IpAddr),
    /// Its checksum is filled in, as SCTP needs on kernels up to 4.9.
    FillChecksum,
}

/// One rule, with the reason for it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: String,
    /// Conditions, in the order in which iptables lists them.
    pub matches: Vec<Match>,
    /// What is done.
    pub target: Target,
    /// Why it is there, for people.
    pub reason: String,
    /// The config field or option that it comes from.
    pub from: String,
}

impl Rule {
    /// Whether the two do the same in the same place, whatever the reason.
    pub fn same(&self, other: &Rule) -> bool {
        self.family == other.family
            && self.table == other.table
            && self.chain == other.chain
            && self.matches == other.matches
            && self.target == other.target
    }

    /// A number that is the same for all that do the same, every time.
    pub(crate) fn mark(&self) -> u64 {
        let mut mark = Mark::default();
        (self.family, self.table, &self.chain, &self.matches, &self.target).hash(&mut mark);
        mark.finish()
    }
}

/// FNV-1a of what is hashed.
struct Mark(u64);

impl Default for Mark {
    fn default() -> Mark {
        Mark(hash(&[]))
    }
}

impl Hasher for Mark {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_on(self.0, bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A chain that is not the kernel's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// Its name.
    pub name: String,
}

/// Chains and rules, in order. Rules of one chain keep their order; that of chains means nothing.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Chains besides the kernel's.
    pub chains: Vec<Chain>,
    /// Rules.
    pub rules: VecDeque<Rule>,
    /// Marks of all rules that were ever put in: one whose mark is not here is new, without a look at the others.
    seen: HashSet<u64>,
}

impl RuleSet {
    /// Makes a chain, unless it is there.
    pub fn chain(&mut self, family: Family, table: Table, name: &str) {
        let chain = Chain { family, table, name: name.to_owned() };
        if !self.chains.contains(&chain) {
            self.chains.push(chain);
        }
    }

    /// Puts a rule at the end of its chain, unless the chain has it.
    pub fn append(&mut self, rule: Rule) {
        if !self.has(&rule) {
            self.rules.push_back(rule);
        }
    }

    /// Puts a rule at the top of its chain, unless the chain has it.
    pub fn insert(&mut self, rule: Rule) {
        if !self.has(&rule) {
            self.rules.push_front(rule);
        }
    }

    /// Puts a rule at the top of its chain, wherever it stood before.
    pub fn lift(&mut self, rule: Rule) {
        if self.has(&rule) {
            self.rules.retain(|other| !other.same(&rule));
        }
        self.rules.push_front(rule);
    }

    /// Empties a chain.
    pub fn flush(&mut self, family: Family, table: Table, chain: &str) {
        self.rules.retain(|rule| (rule.family, rule.table, &*rule.chain) != (family, table, chain));
    }

    /// The rules of one chain, in order.
    pub fn of<'a>(&'a self, family: Family, table: Table, chain: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.family == family && rule.table == table && rule.chain == chain)
    }

    /// All rules, those of one chain together.
    pub fn by_chain(&self) -> Vec<&Rule> {
        let mut rules: Vec<_> = self.rules.iter().collect();
        rules.sort_by_key(|rule| (rule.family, rule.table, &rule.chain));
        rules
    }

    /// Whether the rule is there; from now on it counts as seen.
    fn has(&mut self, rule: &Rule) -> bool {
        !self.seen.insert(rule.mark()) && self.rules.iter().any(|other| other.same(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(port: u16) -> Rule {
        Rule {
            family: Family::V4,
            table: Table::Filter,
            chain: "FORWARD".into(),
            matches: vec![Match::DestinationPort(Protocol::Tcp, port)],
            target: Target::Accept,
            reason: String::new(),
            from: String::new(),
        }
    }

    fn ports(set: &RuleSet) -> Vec<Match> {
        set.of(Family::V4, Table::Filter, "FORWARD").map(|rule| rule.matches[0].clone()).collect()
    }

    #[test]
    fn rules_are_put_in_as_iptables_does() {
        let mut set = RuleSet::default();
        set.append(rule(1));
        set.append(rule(2));
        set.insert(rule(3));
        set.append(rule(1));
        set.lift(rule(2));
        assert_eq!(ports(&set), [2, 3, 1].map(|port| Match::DestinationPort(Protocol::Tcp, port)));
    }
}
