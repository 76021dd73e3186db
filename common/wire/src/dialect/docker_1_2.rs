//! Docker 1.2.0 (moby v1.2.0 daemon/networkdriver/bridge/driver.go, pkg/iptables/iptables.go, links/links.go).

use crate::dialect::{
    LINKS, Spot, Why, docker_0_6, from_address, from_bridge, links, not_from_bridge, not_to_bridge, ports, rule,
    to_address, to_bridge,
};
use crate::resolve::{Ctr, Net, Resolved};
use crate::{Family, Is, Match, RuleSet, Table, Target};

const FORWARD: Spot = Spot(Family::V4, Table::Filter, "FORWARD");
const POSTROUTING: Spot = Spot(Family::V4, Table::Nat, "POSTROUTING");
const DOCKER: Spot = Spot(Family::V4, Table::Nat, "DOCKER");

/// The rules.
pub(crate) fn rules(resolved: &Resolved) -> RuleSet {
    let mut set = RuleSet::default();
    resolved.nets.iter().for_each(|net| network(&mut set, net));
    docker_0_6::translation(&mut set);
    resolved.ctrs.iter().for_each(|ctr| container(&mut set, ctr, resolved));
    set
}

fn network(set: &mut RuleSet, net: &Net) {
    let bridge = &*net.bridge;
    if let Some(network) = net.v4.map(|prefix| prefix.network()).filter(|_| net.masquerade) {
        let matches = [Match::Source(Is::In, network), not_to_bridge(bridge)];
        let why = Why("packets to the outside get the host's address", &net.from);
        set.insert(rule(POSTROUTING, matches, Target::Masquerade, why));
    }
    let between = [from_bridge(bridge), to_bridge(bridge)];
    let (target, reason) = match net.icc {
        true => (Target::Accept, "containers reach each other"),
        false => (Target::Drop, "containers do not reach each other"),
    };
    set.insert(rule(FORWARD, between, target, Why(reason, "--icc")));
    let out = [from_bridge(bridge), not_to_bridge(bridge)];
    set.insert(rule(FORWARD, out, Target::Accept, Why("containers reach the outside", &net.from)));
    let answers = [to_bridge(bridge), Match::Established];
    set.insert(rule(FORWARD, answers, Target::Accept, Why("answers come back", &net.from)));
}

fn container(set: &mut RuleSet, ctr: &Ctr, resolved: &Resolved) {
    for (net, port) in ports(ctr, resolved, Family::V4) {
        let bridge = &*net.bridge;
        let mut matches: Vec<Match> = port.host_ip.into_iter().map(to_address).collect();
        matches.extend([not_from_bridge(bridge), Match::DestinationPort(port.protocol, port.host_port)]);
        set.append(rule(DOCKER, matches, Target::Rewrite(port.address, port.port), Why(&port.reason, port.from)));
        let inside = Match::DestinationPort(port.protocol, port.port);
        let matches = [to_address(port.address), not_from_bridge(bridge), to_bridge(bridge), inside];
        set.insert(rule(FORWARD, matches, Target::Accept, Why(&port.reason, port.from)));
    }
    for place in &ctr.places {
        let bridge = &*resolved.nets[place.net].bridge;
        for link in links(ctr, place, resolved, Family::V4) {
            let why = || Why(&link.reason, LINKS);
            let ask = Match::DestinationPort(link.protocol, link.port);
            let answer = Match::SourcePort(link.protocol, link.port);
            let there =
                [from_address(link.address), to_address(link.target), from_bridge(bridge), to_bridge(bridge), ask];
            let back =
                [from_address(link.target), to_address(link.address), from_bridge(bridge), to_bridge(bridge), answer];
            set.insert(rule(FORWARD, there, Target::Accept, why()));
            set.insert(rule(FORWARD, back, Target::Accept, why()));
        }
    }
}
