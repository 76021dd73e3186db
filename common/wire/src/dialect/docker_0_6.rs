//! Docker 0.6.4: address translation alone (moby v0.6.4 network.go, iptables/iptables.go).

use crate::dialect::{Spot, Why, jump, loopback, not_from_bridge, ports, rule};
use crate::resolve::Resolved;
use crate::{Family, Is, Match, RuleSet, Table, Target};

const POSTROUTING: Spot = Spot(Family::V4, Table::Nat, "POSTROUTING");
const DOCKER: Spot = Spot(Family::V4, Table::Nat, "DOCKER");

/// The rules, for the default bridge only: there were no others.
pub(crate) fn rules(resolved: &Resolved) -> RuleSet {
    let mut set = RuleSet::default();
    for net in resolved.nets.iter().filter(|net| net.masquerade) {
        let Some(network) = net.v4.map(|prefix| prefix.network()) else { continue };
        let matches = [Match::Source(Is::In, network), Match::Destination(Is::NotIn, network)];
        let why = Why("packets to the outside get the host's address", &net.from);
        set.append(rule(POSTROUTING, matches, Target::Masquerade, why));
    }
    translation(&mut set);
    for (net, port) in resolved.ctrs.iter().flat_map(|ctr| ports(ctr, resolved, Family::V4)) {
        // -p had no address before 0.6.5; one that a later version recorded is kept.
        let mut matches: Vec<Match> = port.host_ip.into_iter().map(super::to_address).collect();
        matches.extend([not_from_bridge(&net.bridge), Match::DestinationPort(port.protocol, port.host_port)]);
        set.append(rule(DOCKER, matches, Target::Rewrite(port.address, port.port), Why(&port.reason, port.from)));
    }
    set
}

/// The chain for published ports, and the ways into it.
pub(crate) fn translation(set: &mut RuleSet) {
    set.chain(Family::V4, Table::Nat, "DOCKER");
    let why = || Why("packets to this host may be for a published port", "--iptables");
    let prerouting = Spot(Family::V4, Table::Nat, "PREROUTING");
    set.append(rule(prerouting, [Match::DestinationLocal], jump("DOCKER"), why()));
    let matches = [Match::Destination(Is::NotIn, loopback(Family::V4)), Match::DestinationLocal];
    set.append(rule(Spot(Family::V4, Table::Nat, "OUTPUT"), matches, jump("DOCKER"), why()));
}
