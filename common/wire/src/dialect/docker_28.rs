//! Docker 28.0.1 and later with iptables (moby v28.5.2, libnetwork/drivers/bridge/internal/iptabler/*.go,
//! libnetwork/firewall_linux.go).
//!
//! Up to 28.1 a container's own address is closed port by port, in raw (v28.1.1 libnetwork/drivers/bridge/
//! port_mapping_linux.go, filterDirectAccess), up to 28.2 DOCKER-USER ends with a RETURN (v28.2.2
//! libnetwork/firewall_linux.go, setupUserChain).

use crate::config::GatewayMode;
use crate::dialect::{
    LINKS, PortRule, Tables, Why, by_id, from_address, from_bridge, jump, links, not_from_bridge, not_to_bridge,
    of_families, ports, rule, to_address, to_bridge,
};
use crate::resolve::{Ctr, Net, Place, Resolved, Time};
use crate::{Daemon, Dialect, Family, Is, Match, Prefix, RuleSet, Table, Target};

const STAGE_1: &str = "DOCKER-ISOLATION-STAGE-1";
const STAGE_2: &str = "DOCKER-ISOLATION-STAGE-2";
const FORWARD: &str = "DOCKER-FORWARD";
const TRACKED: &str = "DOCKER-CT";
const BRIDGE: &str = "DOCKER-BRIDGE";
const USER: &str = "DOCKER-USER";

/// The rules.
pub(crate) fn rules(resolved: &Resolved, daemon: &Daemon, dialect: Dialect) -> RuleSet {
    of_families(daemon, daemon.ip6tables != Some(false), |tables| {
        let mut builder = Builder(tables, dialect);
        builder.chains();
        let (older, others) = resolved.restarted();
        if !older.is_empty() {
            older.iter().for_each(|net| builder.network(net));
            builder.begin_again(older);
        }
        builder.events(others, resolved);
    })
}

struct Builder<'a>(Tables<'a>, Dialect);

/// What docker makes rules for, one after the other.
enum Event<'a> {
    Network(&'a Net),
    Endpoint(&'a Ctr, &'a Place),
    Ports(&'a Ctr),
}

impl Builder<'_> {
    fn chains(&mut self) {
        self.0.set.chain(self.0.family, Table::Nat, "DOCKER");
        for chain in ["DOCKER", FORWARD, BRIDGE, TRACKED, STAGE_1, STAGE_2, USER] {
            self.0.set.chain(self.0.family, Table::Filter, chain);
        }
        self.0.translation();
        let jumps = [
            ("FORWARD", USER, "the user's own rules come first"),
            ("FORWARD", FORWARD, "docker's rules come next"),
            (FORWARD, TRACKED, "answers come back"),
            (FORWARD, STAGE_1, "networks are kept apart"),
            (FORWARD, BRIDGE, "published ports are open"),
        ];
        for (chain, target, reason) in jumps {
            self.0.set.append(rule(self.0.filter(chain), [], jump(target), Why(reason, "--iptables")));
        }
        if self.1 != Dialect::Docker28 {
            let why = Why("the user has no rules of his own yet", "--iptables");
            self.0.set.append(rule(self.0.filter(USER), [], Target::Return, why));
        }
    }

    /// What a daemon does that finds networks there, as 20.10 did.
    fn begin_again(&mut self, there: &[Net]) {
        self.0.set.flush(self.0.family, Table::Nat, "DOCKER");
        for chain in ["DOCKER", FORWARD, BRIDGE, TRACKED, STAGE_1, STAGE_2] {
            self.0.set.flush(self.0.family, Table::Filter, chain);
        }
        self.chains();
        by_id(there).into_iter().for_each(|net| self.network(net));
    }

    /// Networks and endpoints as they were made, ports as they were published.
    fn events(&mut self, nets: &[Net], resolved: &Resolved) {
        let made = nets.iter().map(|net| (false, (net.created, false), Event::Network(net)));
        let mut events: Vec<(bool, Time, Event)> = made.collect();
        for ctr in &resolved.ctrs {
            let places = ctr.places.iter().map(|place| (!ctr.running, place.joined, Event::Endpoint(ctr, place)));
            events.extend(places);
            events.push((!ctr.running, ctr.published(), Event::Ports(ctr)));
        }
        events.sort_by_key(|(later, time, _)| (*later, *time));
        for (_, _, event) in events {
            match event {
                Event::Network(net) => self.network(net),
                Event::Endpoint(ctr, place) => self.endpoint(ctr, place, resolved),
                Event::Ports(ctr) => self.container(ctr, resolved),
            }
        }
    }

    fn network(&mut self, net: &Net) {
        let Some(prefix) = net.gateway(self.0.family) else { return };
        match net.internal {
            true => self.internal(net, prefix.network()),
            false => self.external(net, prefix.network()),
        }
    }

    fn internal(&mut self, net: &Net, network: Prefix) {
        let bridge = &*net.bridge;
        let mut out = vec![Match::Destination(Is::NotIn, network), from_bridge(bridge)];
        let mut into = vec![Match::Source(Is::NotIn, network), to_bridge(bridge)];
        if self.0.family == Family::V6 {
            out.push(not_to_bridge(bridge));
            into.insert(1, not_from_bridge(bridge));
        }
        self.0.internal(STAGE_1, net, out, into);
        self.between(net);
    }

    fn external(&mut self, net: &Net, network: Prefix) {
        let bridge = &*net.bridge;
        let routed = net.mode(self.0.family) == GatewayMode::Routed;
        let source = net.source(self.0.family);
        let target = source.map_or(Target::Masquerade, Target::SourceAs);
        if net.masquerade && !routed {
            let from = format!("{}: com.docker.network.bridge.enable_ip_masquerade", net.from);
            let matches = [Match::Source(Is::In, network), not_to_bridge(bridge)];
            let why = Why("packets to the outside get the host's address", &from);
            self.0.set.insert(rule(self.0.nat("POSTROUTING"), matches, target.clone(), why));
        }
        if net.masquerade && !self.0.hairpin {
            let why = Why("what containers send to published ports goes to the proxy", "--userland-proxy");
            self.0.set.insert(rule(self.0.nat("DOCKER"), [from_bridge(bridge)], Target::Return, why));
        }
        if self.0.hairpin {
            let why = Why("what this host sends to published ports gets the bridge's address", "--userland-proxy");
            self.0.set.insert(rule(self.0.nat("POSTROUTING"), [to_bridge(bridge), Match::SourceLocal], target, why));
        }
        self.between(net);
        if routed {
            let why = Why("containers of a routed network answer to ping", &net.from);
            self.0.set.append(rule(self.0.filter("DOCKER"), [to_bridge(bridge), Match::Icmp], Target::Accept, why));
        }
        self.out(net);
        self.closed(net);
        let why = Why("answers come back", &net.from);
        self.0.set.append(rule(self.0.filter(TRACKED), [to_bridge(bridge), Match::Established], Target::Accept, why));
        let why = Why("published ports are open", &net.from);
        self.0.set.append(rule(self.0.filter(BRIDGE), [to_bridge(bridge)], jump("DOCKER"), why));
        self.isolate(net, routed);
    }

    fn between(&mut self, net: &Net) {
        let matches = [from_bridge(&net.bridge), to_bridge(&net.bridge)];
        let from = format!("{}: com.docker.network.bridge.enable_icc", net.from);
        // Elsewhere the rule for what leaves a container covers its neighbours too.
        if net.icc && net.internal {
            let why = Why("containers of the network reach each other", &from);
            self.0.set.append(rule(self.0.filter(FORWARD), matches, Target::Accept, why));
        } else if !net.icc {
            let why = Why("containers of the network do not reach each other", &from);
            self.0.set.append(rule(self.0.filter(FORWARD), matches, Target::Drop, why));
        }
    }

    fn out(&mut self, net: &Net) {
        let mut matches = vec![from_bridge(&net.bridge)];
        if !net.icc {
            matches.push(not_to_bridge(&net.bridge));
        }
        self.0.set.append(rule(
            self.0.filter(FORWARD),
            matches,
            Target::Accept,
            Why("containers reach the outside", &net.from),
        ));
    }

    fn closed(&mut self, net: &Net) {
        let matches = [not_from_bridge(&net.bridge), to_bridge(&net.bridge)];
        let (target, reason) = match net.mode(self.0.family) {
            GatewayMode::NatUnprotected => (Target::Accept, "the network is open to the outside"),
            _ => (Target::Drop, "ports that are not published are closed"),
        };
        self.0.set.append(rule(self.0.filter("DOCKER"), matches, target, Why(reason, &net.from)));
    }

    fn isolate(&mut self, net: &Net, routed: bool) {
        let bridge = &*net.bridge;
        if routed {
            let why = Why("a routed network is guarded by its ports' rules", &net.from);
            self.0.set.insert(rule(self.0.filter(STAGE_1), [to_bridge(bridge)], Target::Return, why));
            let why = Why("a routed network answers to others", &net.from);
            self.0.set.insert(rule(
                self.0.filter(STAGE_1),
                [from_bridge(bridge), Match::Established],
                Target::Accept,
                why,
            ));
        }
        let leaves = [from_bridge(bridge), not_to_bridge(bridge)];
        let why = Why("what leaves a network may not enter another", &net.from);
        self.0.set.append(rule(self.0.filter(STAGE_1), leaves, jump(STAGE_2), why));
        let why = Why("what comes from another network is dropped", &net.from);
        self.0.set.insert(rule(self.0.filter(STAGE_2), [to_bridge(bridge)], Target::Drop, why));
    }

    fn endpoint(&mut self, ctr: &Ctr, place: &Place, resolved: &Resolved) {
        if self.1 == Dialect::Docker281 {
            return;
        }
        let net = &resolved.nets[place.net];
        let shut = !net.internal && !net.direct && net.mode(self.0.family) == GatewayMode::Nat;
        let Some(address) = place.address(self.0.family).filter(|_| shut) else { return };
        for name in &net.trusted {
            let from = format!("{}: com.docker.network.bridge.trusted_host_interfaces", net.from);
            let why = Why("the network trusts that interface", &from);
            let matches = [to_address(address), from_bridge(name)];
            self.0.set.append(rule(self.0.raw(), matches, Target::Accept, why));
        }
        let matches = [to_address(address), not_from_bridge(&net.bridge)];
        let reason = format!("'{}' is not reached by its own address from outside", ctr.title);
        self.0.set.append(rule(self.0.raw(), matches, Target::Drop, Why(&reason, &net.from)));
    }

    fn container(&mut self, ctr: &Ctr, resolved: &Resolved) {
        for (net, port) in ports(ctr, resolved, self.0.family) {
            self.port(net, &port);
        }
        self.carried(ctr, resolved);
        // Links are made for IPv4 alone (libnetwork/drivers/bridge/bridge_linux.go, link: the endpoint's `addr`).
        let ipv4 = self.0.family == Family::V4;
        let closed = |place: &&Place| ipv4 && !resolved.nets[place.net].icc;
        for place in ctr.places.iter().filter(closed) {
            let net = &resolved.nets[place.net];
            links(ctr, place, resolved, self.0.family).iter().for_each(|link| self.link(net, link));
        }
    }

    /// Ports of IPv6 addresses that a proxy carries to a container without IPv6: its own address is closed too (v28.1.1
    /// libnetwork/drivers/bridge/port_mapping_linux.go, setPerPortIptables).
    fn carried(&mut self, ctr: &Ctr, resolved: &Resolved) {
        let by_proxy = self.1 == Dialect::Docker281 && self.0.family == Family::V4 && !self.0.hairpin;
        let Some(place) = ctr.gateway(Family::V4).filter(|_| by_proxy) else { return };
        let net = &resolved.nets[place.net];
        let Some(address) = place.address(Family::V4).filter(|_| net.mode(Family::V4) == GatewayMode::Nat) else {
            return;
        };
        if ctr.gateway(Family::V6).is_some_and(|place| place.address(Family::V6).is_some()) {
            return;
        }
        for open in ctr.ports.iter().filter(|open| open.family == Family::V6) {
            let inside = Match::DestinationPort(open.publish.protocol, open.publish.port);
            let why = Why("a port that a proxy carries is not reached by the container's address", &open.publish.from);
            self.direct(&net.bridge, address, inside, why);
        }
    }

    fn direct(&mut self, bridge: &str, address: std::net::IpAddr, inside: Match, why: Why) {
        let matches = [to_address(address), not_from_bridge(bridge), inside];
        self.0.set.append(rule(self.0.raw(), matches, Target::Drop, why));
    }

    fn port(&mut self, net: &Net, port: &PortRule) {
        let bridge = &*net.bridge;
        let why = || Why(&port.reason, port.from);
        let mode = net.mode(self.0.family);
        let outside = Match::DestinationPort(port.protocol, port.host_port);
        let inside = Match::DestinationPort(port.protocol, port.port);
        let loopback = port.host_ip.filter(|ip| ip.is_loopback() && ip.is_ipv4());
        if let Some(address) = loopback.filter(|_| mode != GatewayMode::Routed) {
            let matches = [to_address(address), Match::In(Is::NotIn, "lo".into()), outside.clone()];
            let why = Why("a port of 127.0.0.1 is not reached from outside", port.from);
            self.0.set.append(rule(self.0.raw(), matches, Target::Drop, why));
        }
        if self.1 == Dialect::Docker281 && mode == GatewayMode::Nat {
            self.direct(bridge, port.address, inside.clone(), why());
        }
        if mode != GatewayMode::Routed {
            let mut matches: Vec<Match> = Vec::new();
            if self.0.family == Family::V6 {
                let link_local =
                    Prefix { address: std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).into(), length: 10 };
                matches.push(Match::Source(Is::NotIn, link_local));
            }
            matches.extend(port.host_ip.map(to_address));
            if !self.0.hairpin {
                matches.push(not_from_bridge(bridge));
            }
            matches.push(outside);
            self.0.set.append(rule(self.0.nat("DOCKER"), matches, Target::Rewrite(port.address, port.port), why()));
            if self.0.hairpin {
                let itself = [from_address(port.address), to_address(port.address), inside.clone()];
                self.0.set.append(rule(self.0.nat("POSTROUTING"), itself, Target::Masquerade, why()));
            }
        }
        if mode != GatewayMode::NatUnprotected {
            let matches = [to_address(port.address), not_from_bridge(bridge), to_bridge(bridge), inside];
            self.0.set.insert(rule(self.0.filter("DOCKER"), matches, Target::Accept, why()));
        }
    }

    fn link(&mut self, net: &Net, link: &super::LinkRule) {
        let bridge = &*net.bridge;
        let ask = Match::DestinationPort(link.protocol, link.port);
        let answer = Match::SourcePort(link.protocol, link.port);
        let there = [from_address(link.address), to_address(link.target), from_bridge(bridge), to_bridge(bridge), ask];
        let back =
            [from_address(link.target), to_address(link.address), from_bridge(bridge), to_bridge(bridge), answer];
        self.0.set.append(rule(self.0.filter("DOCKER"), there, Target::Accept, Why(&link.reason, LINKS)));
        self.0.set.append(rule(self.0.filter("DOCKER"), back, Target::Accept, Why(&link.reason, LINKS)));
    }
}
