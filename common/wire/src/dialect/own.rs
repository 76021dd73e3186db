//! dockless' own rules, for a table of its own beside everybody else's (`docs/decisions/0081-own-table.md`).
//!
//! A drop in one table is final, an accept is not: so these drop only what goes to or comes from bridges of ours.
//! Without proxy processes: the host's own packets, 127.0.0.1 included, and those that come back to the same bridge are
//! rewritten too.

use crate::config::GatewayMode;
use crate::dialect::{
    LINKS, PortRule, Spot, Why, from_address, from_bridge, jump, links, loopback, not_from_bridge, not_to_bridge,
    ports, rule, to_address, to_bridge,
};
use crate::resolve::{Net, Resolved};
use crate::{Family, Is, Match, Prefix, RuleSet, Table, Target};

const PORTS: &str = "DOCKLESS";
const APART: &str = "DOCKLESS-APART";

/// The rules.
pub(crate) fn rules(resolved: &Resolved) -> RuleSet {
    let mut set = RuleSet::default();
    for family in [Family::V4, Family::V6] {
        if resolved.nets.iter().any(|net| net.gateway(family).is_some()) {
            Builder { set: &mut set, family, resolved }.build();
        }
    }
    set
}

struct Builder<'a> {
    set: &'a mut RuleSet,
    family: Family,
    resolved: &'a Resolved,
}

impl<'a> Builder<'a> {
    fn build(&mut self) {
        self.set.chain(self.family, Table::Nat, PORTS);
        self.set.chain(self.family, Table::Filter, APART);
        self.direct();
        self.translation();
        self.nets().filter(|(net, _)| !net.shared).for_each(|(net, network)| self.internal(net, network));
        self.ports();
        self.nets().for_each(|(net, _)| self.answers(net));
        self.links();
        self.nets().filter(|(net, _)| !net.icc && !net.shared).for_each(|(net, _)| self.strangers(net));
        self.nets().for_each(|(net, _)| self.apart(net));
        self.nets().filter(|(net, _)| !net.shared).for_each(|(net, _)| self.ends(net));
    }

    /// Networks that have this family, with their addresses.
    fn nets(&self) -> impl Iterator<Item = (&'a Net, Prefix)> + 'a {
        let (resolved, family) = (self.resolved, self.family);
        resolved.nets.iter().filter_map(move |net| Some((net, net.gateway(family)?.network())))
    }

    fn filter(&self, chain: &'static str) -> Spot {
        Spot(self.family, Table::Filter, chain)
    }

    fn nat(&self, chain: &'static str) -> Spot {
        Spot(self.family, Table::Nat, chain)
    }

    fn raw(&self) -> Spot {
        Spot(self.family, Table::Raw, "PREROUTING")
    }

    /// What may not be reached directly: containers from outside, 127.0.0.1 from containers.
    fn direct(&mut self) {
        for (ctr, place) in self.resolved.ctrs.iter().flat_map(|ctr| ctr.places.iter().map(move |place| (ctr, place))) {
            let net = &self.resolved.nets[place.net];
            let shut = !net.direct && net.mode(self.family) == GatewayMode::Nat;
            let Some(address) = place.address(self.family).filter(|_| shut) else { continue };
            for name in &net.trusted {
                let from = format!("{}: com.docker.network.bridge.trusted_host_interfaces", net.from);
                let why = Why("the network trusts that interface", &from);
                self.set.append(rule(self.raw(), [to_address(address), from_bridge(name)], Target::Accept, why));
            }
            let matches = [to_address(address), not_from_bridge(&net.bridge)];
            let reason = format!("'{}' is not reached by its own address from outside", ctr.title);
            self.set.append(rule(self.raw(), matches, Target::Drop, Why(&reason, &net.from)));
        }
        if self.family == Family::V4 {
            for (net, _) in self.nets().filter(|(net, _)| !net.internal) {
                let matches = [Match::Destination(Is::In, loopback(self.family)), from_bridge(&net.bridge)];
                let why = Why(
                    "containers do not reach the host's 127.0.0.1, though it is routed for published ports",
                    &net.from,
                );
                self.set.append(rule(self.raw(), matches, Target::Drop, why));
            }
        }
    }

    fn translation(&mut self) {
        let why = || Why("packets to this host may be for a published port", "--iptables");
        self.set.append(rule(self.nat("PREROUTING"), [Match::DestinationLocal], jump(PORTS), why()));
        let mut matches = vec![Match::DestinationLocal];
        if self.family == Family::V6 {
            matches.insert(0, Match::Destination(Is::NotIn, loopback(self.family)));
        }
        self.set.append(rule(self.nat("OUTPUT"), matches, jump(PORTS), why()));
        for (net, network) in
            self.nets().filter(|(net, _)| !net.internal && net.mode(self.family) != GatewayMode::Routed)
        {
            let bridge = &*net.bridge;
            let source = net.source(self.family);
            let inside = Match::Source(Is::In, network);
            if net.masquerade {
                let from = format!("{}: com.docker.network.bridge.enable_ip_masquerade", net.from);
                let why = Why("packets to the outside get the host's address", &from);
                let target = source.map_or(Target::Masquerade, Target::SourceAs);
                self.set.append(rule(self.nat("POSTROUTING"), [inside.clone(), not_to_bridge(bridge)], target, why));
            }
            let why = Why("what this host sends to published ports gets the bridge's address", &net.from);
            let matches = [to_bridge(bridge), Match::Rewritten, Match::SourceLocal];
            self.set.append(rule(self.nat("POSTROUTING"), matches, Target::Masquerade, why));
            let why = Why("containers reach published ports of their own network, their own included", &net.from);
            let matches = [inside, to_bridge(bridge), Match::Rewritten];
            self.set.append(rule(self.nat("POSTROUTING"), matches, Target::Masquerade, why));
        }
    }

    fn internal(&mut self, net: &Net, network: Prefix) {
        if net.internal {
            let from = format!("{}: Internal", net.from);
            let out = [Match::Source(Is::NotIn, network), to_bridge(&net.bridge)];
            let into = [Match::Destination(Is::NotIn, network), from_bridge(&net.bridge)];
            let why = Why("an internal network has no way in", &from);
            self.set.append(rule(self.filter("FORWARD"), out, Target::Drop, why));
            let why = Why("an internal network has no way out", &from);
            self.set.append(rule(self.filter("FORWARD"), into, Target::Drop, why));
        }
    }

    fn ports(&mut self) {
        let (resolved, family) = (self.resolved, self.family);
        for (net, port) in resolved.ctrs.iter().flat_map(|ctr| ports(ctr, resolved, family)) {
            self.port(net, &port);
        }
    }

    fn port(&mut self, net: &Net, port: &PortRule) {
        let why = || Why(&port.reason, port.from);
        let routed = net.mode(self.family) == GatewayMode::Routed;
        let outside = Match::DestinationPort(port.protocol, port.host_port);
        if let Some(address) = port.host_ip.filter(|ip| ip.is_loopback() && ip.is_ipv4() && !routed) {
            let matches = [to_address(address), Match::In(Is::NotIn, "lo".into()), outside.clone()];
            let why = Why("a port of 127.0.0.1 is not reached from outside", port.from);
            self.set.append(rule(self.raw(), matches, Target::Drop, why));
        }
        let mut matches = vec![to_address(port.address), to_bridge(&net.bridge)];
        matches.push(Match::DestinationPort(port.protocol, port.port));
        if !routed {
            let mut to: Vec<Match> = port.host_ip.into_iter().map(to_address).collect();
            to.push(outside);
            self.set.append(rule(self.nat(PORTS), to, Target::Rewrite(port.address, port.port), why()));
            if net.trusted.is_empty() && !net.direct {
                matches.push(Match::Rewritten);
            }
        }
        self.set.append(rule(self.filter("FORWARD"), matches, Target::Accept, why()));
    }

    fn answers(&mut self, net: &Net) {
        let why = Why("answers come back", &net.from);
        self.set.append(rule(
            self.filter("FORWARD"),
            [to_bridge(&net.bridge), Match::Established],
            Target::Accept,
            why,
        ));
    }

    fn links(&mut self) {
        let resolved = self.resolved;
        for (ctr, place) in resolved.ctrs.iter().flat_map(|ctr| ctr.places.iter().map(move |place| (ctr, place))) {
            let net = &resolved.nets[place.net];
            if net.icc {
                continue;
            }
            for link in links(ctr, place, resolved, self.family) {
                let ask = Match::DestinationPort(link.protocol, link.port);
                let ends = [from_address(link.address), to_address(link.target)];
                let matches = [&ends[..], &[from_bridge(&net.bridge), to_bridge(&net.bridge), ask]].concat();
                self.set.append(rule(self.filter("FORWARD"), matches, Target::Accept, Why(&link.reason, LINKS)));
            }
        }
    }

    fn strangers(&mut self, net: &Net) {
        let from = format!("{}: com.docker.network.bridge.enable_icc", net.from);
        let why = Why("containers of the network do not reach each other", &from);
        let matches = [from_bridge(&net.bridge), to_bridge(&net.bridge)];
        self.set.append(rule(self.filter("FORWARD"), matches, Target::Drop, why));
    }

    fn apart(&mut self, net: &Net) {
        let bridge = &*net.bridge;
        let leaves = [from_bridge(bridge), not_to_bridge(bridge)];
        let why = || Why("what leaves a network may not enter another", &net.from);
        if net.shared {
            // Of what is on another's bridge, our own containers alone are our business.
            for address in self.addresses(net) {
                let matches = [&[from_address(address)], &leaves[..]].concat();
                self.set.append(rule(self.filter("FORWARD"), matches, jump(APART), why()));
            }
            let why = Why("ports that others publish are open to our containers", &net.from);
            self.set.append(rule(self.filter(APART), [to_bridge(bridge), Match::Rewritten], Target::Return, why));
        } else {
            self.set.append(rule(self.filter("FORWARD"), leaves, jump(APART), why()));
        }
        let why = Why("what comes from another network is dropped", &net.from);
        self.set.append(rule(self.filter(APART), [to_bridge(bridge)], Target::Drop, why));
    }

    /// Our containers' addresses in a network.
    fn addresses(&self, net: &Net) -> Vec<std::net::IpAddr> {
        let places = self.resolved.ctrs.iter().flat_map(|ctr| &ctr.places);
        let here = places.filter(|place| self.resolved.nets[place.net].bridge == net.bridge);
        here.filter_map(|place| place.address(self.family)).collect()
    }

    fn ends(&mut self, net: &Net) {
        let bridge = &*net.bridge;
        let why = Why("containers reach each other and the outside", &net.from);
        self.set.append(rule(self.filter("FORWARD"), [from_bridge(bridge)], Target::Accept, why));
        let (target, reason) = match net.mode(self.family) {
            GatewayMode::NatUnprotected => (Target::Accept, "the network is open to the outside"),
            _ => (Target::Drop, "ports that are not published are closed"),
        };
        let matches = [not_from_bridge(bridge), to_bridge(bridge)];
        self.set.append(rule(self.filter("FORWARD"), matches, target, Why(reason, &net.from)));
    }
}
