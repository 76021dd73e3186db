//! The rules of each version, made in the order in which that version makes them. What a rule is for stands beside it.

pub(crate) mod docker_0_6;
pub(crate) mod docker_1_2;
pub(crate) mod docker_20_10;
pub(crate) mod docker_28;
pub(crate) mod own;

use std::net::IpAddr;

use model::Protocol;

use crate::resolve::{Ctr, Net, Open, Place, Resolved};
use crate::{Daemon, Family, Is, Match, Prefix, Rule, RuleSet, Table, Target};

/// Where a rule goes.
#[derive(Clone, Copy)]
pub(crate) struct Spot(pub Family, pub Table, pub &'static str);

/// The tables of one family while their rules are made.
pub(crate) struct Tables<'a> {
    pub set: &'a mut RuleSet,
    pub family: Family,
    /// Whether no proxy stands between, so that packets go back to the bridge that they came from.
    pub hairpin: bool,
}

impl Tables<'_> {
    pub(crate) fn filter(&self, chain: &'static str) -> Spot {
        Spot(self.family, Table::Filter, chain)
    }

    pub(crate) fn nat(&self, chain: &'static str) -> Spot {
        Spot(self.family, Table::Nat, chain)
    }

    pub(crate) fn raw(&self) -> Spot {
        Spot(self.family, Table::Raw, "PREROUTING")
    }

    /// What an internal network's containers send elsewhere, and what is sent to them from elsewhere, is dropped.
    pub(crate) fn internal(&mut self, chain: &'static str, net: &Net, out: Vec<Match>, into: Vec<Match>) {
        let from = format!("{}: Internal", net.from);
        for (matches, reason) in
            [(out, "an internal network has no way out"), (into, "an internal network has no way in")]
        {
            self.set.insert(rule(self.filter(chain), matches, Target::Drop, Why(reason, &from)));
        }
    }

    /// The ways into the chain for published ports.
    pub(crate) fn translation(&mut self) {
        let why = || Why("packets to this host may be for a published port", "--iptables");
        self.set.append(rule(self.nat("PREROUTING"), [Match::DestinationLocal], jump("DOCKER"), why()));
        let mut matches = vec![Match::DestinationLocal];
        if !self.hairpin {
            matches.insert(0, Match::Destination(Is::NotIn, loopback(self.family)));
        }
        self.set.append(rule(self.nat("OUTPUT"), matches, jump("DOCKER"), why()));
    }
}

/// The rules of each family: IPv4, and IPv6 where it is wanted.
pub(crate) fn of_families(daemon: &Daemon, ipv6: bool, mut make: impl FnMut(Tables)) -> RuleSet {
    let mut set = RuleSet::default();
    let hairpin = daemon.userland_proxy == Some(false);
    for family in [Family::V4, Family::V6].into_iter().take(if ipv6 { 2 } else { 1 }) {
        make(Tables { set: &mut set, family, hairpin });
    }
    set
}

/// Networks as a daemon finds them most often that is started again (libnetwork datastore/cache.go, list).
pub(crate) fn by_id(nets: &[Net]) -> Vec<&Net> {
    let mut all: Vec<&Net> = nets.iter().collect();
    all.sort_by_key(|net| &net.id);
    all
}

/// Why a rule is there: the reason, and the config field that it comes from.
pub(crate) struct Why<'a>(pub &'a str, pub &'a str);

pub(crate) fn rule(spot: Spot, matches: impl Into<Vec<Match>>, target: Target, why: Why) -> Rule {
    let Spot(family, table, chain) = spot;
    let (reason, from) = (why.0.to_owned(), why.1.to_owned());
    Rule { family, table, chain: chain.to_owned(), matches: matches.into(), target, reason, from }
}

pub(crate) fn jump(chain: &str) -> Target {
    Target::Jump(chain.to_owned())
}

pub(crate) fn from_bridge(bridge: &str) -> Match {
    Match::In(Is::In, bridge.to_owned())
}

pub(crate) fn not_from_bridge(bridge: &str) -> Match {
    Match::In(Is::NotIn, bridge.to_owned())
}

pub(crate) fn to_bridge(bridge: &str) -> Match {
    Match::Out(Is::In, bridge.to_owned())
}

pub(crate) fn not_to_bridge(bridge: &str) -> Match {
    Match::Out(Is::NotIn, bridge.to_owned())
}

pub(crate) fn to_address(address: IpAddr) -> Match {
    Match::Destination(Is::In, Prefix::host(address))
}

pub(crate) fn from_address(address: IpAddr) -> Match {
    Match::Source(Is::In, Prefix::host(address))
}

/// The addresses that name this host to itself.
pub(crate) fn loopback(family: Family) -> Prefix {
    match family {
        Family::V4 => Prefix { address: IpAddr::from([127, 0, 0, 0]), length: 8 },
        Family::V6 => Prefix::host(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])),
    }
}

/// A published port as rules need it.
pub(crate) struct PortRule<'a> {
    pub host_ip: Option<IpAddr>,
    pub host_port: u16,
    pub protocol: Protocol,
    pub address: IpAddr,
    pub port: u16,
    pub reason: String,
    pub from: &'a str,
}

/// The ports of a container that a family has rules for, with the network that they are reached through.
pub(crate) fn ports<'a>(
    ctr: &'a Ctr,
    resolved: &'a Resolved,
    family: Family,
) -> impl Iterator<Item = (&'a Net, PortRule<'a>)> {
    let place = ctr.gateway(family);
    let ports = ctr.ports.iter().filter(move |open| open.family == family);
    ports.filter_map(move |open| {
        let place = place?;
        Some((&resolved.nets[place.net], port_rule(ctr, open, place.address(family)?)))
    })
}

fn port_rule<'a>(ctr: &Ctr, open: &'a Open, address: IpAddr) -> PortRule<'a> {
    let (protocol, port) = (open.publish.protocol, open.publish.port);
    let host = open.host_ip.map_or_else(|| "every address".to_owned(), |ip| ip.to_string());
    let reason = format!("port {}/{} of {host} is {}'s {port}", open.host_port, protocol.word(), ctr.title);
    PortRule {
        host_ip: open.host_ip,
        host_port: open.host_port,
        protocol,
        address,
        port,
        reason,
        from: &open.publish.from,
    }
}

/// A link as rules need it: every exposed port of the target is open to the container.
pub(crate) struct LinkRule {
    pub address: IpAddr,
    pub target: IpAddr,
    pub port: u16,
    pub protocol: Protocol,
    pub reason: String,
}

/// The links of a container in one network.
pub(crate) fn links(ctr: &Ctr, place: &Place, resolved: &Resolved, family: Family) -> Vec<LinkRule> {
    let Some(address) = place.address(family) else { return Vec::new() };
    let targets = place.links.iter().map(|index| &resolved.ctrs[*index]);
    let reached = targets.filter_map(|target| {
        let there = target.places.iter().find(|other| other.net == place.net)?;
        Some((target, there.address(family)?))
    });
    reached
        .flat_map(|(target, there)| {
            target.exposed.iter().map(move |&(port, protocol)| LinkRule {
                address,
                target: there,
                port,
                protocol,
                reason: format!("'{}' is linked to port {port}/{} of '{}'", ctr.title, protocol.word(), target.title),
            })
        })
        .collect()
}

/// Where a link comes from.
pub(crate) const LINKS: &str = "HostConfig.Links";
