//! Docker 20.10 (moby v20.10.24, vendor/github.com/docker/libnetwork: drivers/bridge/setup_ip_tables.go,
//! drivers/bridge/bridge.go, iptables/iptables.go, firewall_linux.go).

use crate::dialect::{
    LINKS, PortRule, Spot, Tables, Why, by_id, from_address, from_bridge, jump, links, not_from_bridge, not_to_bridge,
    of_families, ports, rule, to_address, to_bridge,
};
use crate::resolve::{Ctr, Net, Resolved};
use crate::{Daemon, Family, Is, Match, Prefix, RuleSet, Table, Target};

const STAGE_1: &str = "DOCKER-ISOLATION-STAGE-1";
const STAGE_2: &str = "DOCKER-ISOLATION-STAGE-2";
const USER: &str = "DOCKER-USER";

/// The rules, as a daemon leaves them that made the networks and started the containers one after the other; it may have
/// been started again in between.
pub(crate) fn rules(resolved: &Resolved, daemon: &Daemon) -> RuleSet {
    of_families(daemon, daemon.ip6tables == Some(true), |tables| {
        let mut builder = Builder(tables);
        builder.chains();
        builder.user();
        let (older, others) = resolved.restarted();
        if !older.is_empty() {
            older.iter().for_each(|net| builder.network(net));
            builder.begin_again(older);
        }
        others.iter().for_each(|net| builder.network(net));
        resolved.by_publishing().into_iter().for_each(|ctr| builder.container(ctr, resolved));
    })
}

struct Builder<'a>(Tables<'a>);

impl Builder<'_> {
    fn chains(&mut self) {
        self.0.set.chain(self.0.family, Table::Nat, "DOCKER");
        for chain in ["DOCKER", STAGE_1, STAGE_2] {
            self.0.set.chain(self.0.family, Table::Filter, chain);
        }
        for chain in [STAGE_1, STAGE_2] {
            let why = Why("what no network forbids goes on", "--iptables");
            self.0.set.append(rule(self.0.filter(chain), [], Target::Return, why));
        }
    }

    /// What a daemon does that finds networks there: it empties its own chains, and makes what is missing of each network
    /// (drivers/bridge/bridge.go, configure; bridge_store.go, populateNetworks). The default network comes after, as new.
    fn begin_again(&mut self, there: &[Net]) {
        self.0.set.flush(self.0.family, Table::Nat, "DOCKER");
        ["DOCKER", STAGE_1, STAGE_2].iter().for_each(|chain| self.0.set.flush(self.0.family, Table::Filter, chain));
        self.chains();
        by_id(there).into_iter().for_each(|net| self.network(net));
    }

    fn network(&mut self, net: &Net) {
        let Some(prefix) = net.gateway(self.0.family) else { return self.isolate(net) };
        match net.internal {
            true => self.internal(net, prefix.network()),
            false => self.external(net, prefix.network()),
        }
        let why = Why("networks are kept apart", "--iptables");
        self.0.set.lift(rule(self.0.filter("FORWARD"), [], jump(STAGE_1), why));
        self.isolate(net);
        self.user();
    }

    fn internal(&mut self, net: &Net, network: Prefix) {
        let out = vec![Match::Destination(Is::NotIn, network), from_bridge(&net.bridge)];
        let into = vec![Match::Source(Is::NotIn, network), to_bridge(&net.bridge)];
        self.0.internal(STAGE_1, net, out, into);
        self.between(net);
    }

    fn external(&mut self, net: &Net, network: Prefix) {
        let bridge = &*net.bridge;
        let source = |plain: Target| net.source(self.0.family).map_or(plain, Target::SourceAs);
        let target = source(Target::Masquerade);
        let masq = format!("{}: com.docker.network.bridge.enable_ip_masquerade", net.from);
        if net.masquerade {
            let matches = [Match::Source(Is::In, network), not_to_bridge(bridge)];
            let why = Why("packets to the outside get the host's address", &masq);
            self.0.set.insert(rule(self.0.nat("POSTROUTING"), matches, target.clone(), why));
        }
        if net.masquerade && !self.0.hairpin {
            let why = Why("what containers send to published ports goes to the proxy", "--userland-proxy");
            self.0.set.insert(rule(self.0.nat("DOCKER"), [from_bridge(bridge)], Target::Return, why));
        }
        if self.0.hairpin {
            let why = Why("what this host sends to published ports gets the bridge's address", "--userland-proxy");
            let matches = [to_bridge(bridge), Match::SourceLocal];
            self.0.set.insert(rule(self.0.nat("POSTROUTING"), matches, target, why));
        }
        self.between(net);
        let why = Why("containers reach the outside", &net.from);
        let out = [from_bridge(bridge), not_to_bridge(bridge)];
        self.0.set.insert(rule(self.0.filter("FORWARD"), out, Target::Accept, why));
        self.0.translation();
        let why = Why("published ports are open", &net.from);
        self.0.set.insert(rule(self.0.filter("FORWARD"), [to_bridge(bridge)], jump("DOCKER"), why));
        let answers = [to_bridge(bridge), Match::Established];
        self.0.set.insert(rule(self.0.filter("FORWARD"), answers, Target::Accept, Why("answers come back", &net.from)));
    }

    fn between(&mut self, net: &Net) {
        let matches = [from_bridge(&net.bridge), to_bridge(&net.bridge)];
        let from = format!("{}: com.docker.network.bridge.enable_icc", net.from);
        match net.icc {
            true => {
                let why = Why("containers of the network reach each other", &from);
                self.0.set.insert(rule(self.0.filter("FORWARD"), matches, Target::Accept, why));
            }
            false => {
                let why = Why("containers of the network do not reach each other", &from);
                self.0.set.append(rule(self.0.filter("FORWARD"), matches, Target::Drop, why));
            }
        }
    }

    /// In both families, whether or not the network has IPv6.
    fn isolate(&mut self, net: &Net) {
        if net.internal {
            return;
        }
        let bridge = &*net.bridge;
        let leaves = [from_bridge(bridge), not_to_bridge(bridge)];
        let why = Why("what leaves a network may not enter another", &net.from);
        self.0.set.insert(rule(self.0.filter(STAGE_1), leaves, jump(STAGE_2), why));
        let why = Why("what comes from another network is dropped", &net.from);
        self.0.set.insert(rule(self.0.filter(STAGE_2), [to_bridge(bridge)], Target::Drop, why));
    }

    /// The user's own chain; 20.10 has none for IPv6.
    fn user(&mut self) {
        if self.0.family == Family::V6 {
            return;
        }
        self.0.set.chain(self.0.family, Table::Filter, USER);
        let why = || Why("the user's own rules come first", "--iptables");
        self.0.set.append(rule(self.0.filter(USER), [], Target::Return, why()));
        self.0.set.lift(rule(self.0.filter("FORWARD"), [], jump(USER), why()));
    }

    fn container(&mut self, ctr: &Ctr, resolved: &Resolved) {
        for (net, port) in ports(ctr, resolved, self.0.family) {
            self.port(net, &port);
        }
        // Links are made for IPv4 alone (libnetwork drivers/bridge/bridge.go, link: the endpoint's `addr`).
        let ipv4 = self.0.family == Family::V4;
        for place in ctr.places.iter().filter(|_| ipv4) {
            let net = &resolved.nets[place.net];
            // Links need rules only where containers may not reach each other anyway.
            if !net.icc && ctr.gateway(self.0.family).is_some_and(|through| through.net == place.net) {
                links(ctr, place, resolved, self.0.family).iter().for_each(|link| self.link(net, link));
            }
        }
    }

    fn port(&mut self, net: &Net, port: &PortRule) {
        let bridge = &*net.bridge;
        let why = || Why(&port.reason, port.from);
        let mut matches: Vec<Match> = port.host_ip.into_iter().map(to_address).collect();
        if !self.0.hairpin {
            matches.push(not_from_bridge(bridge));
        }
        matches.push(Match::DestinationPort(port.protocol, port.host_port));
        self.0.set.append(rule(self.0.nat("DOCKER"), matches, Target::Rewrite(port.address, port.port), why()));
        let inside = Match::DestinationPort(port.protocol, port.port);
        let matches = [to_address(port.address), not_from_bridge(bridge), to_bridge(bridge), inside.clone()];
        self.0.set.append(rule(self.0.filter("DOCKER"), matches, Target::Accept, why()));
        let itself = [from_address(port.address), to_address(port.address), inside];
        self.0.set.append(rule(self.0.nat("POSTROUTING"), itself, Target::Masquerade, why()));
        if port.protocol == model::Protocol::Sctp {
            let spot = Spot(self.0.family, Table::Mangle, "POSTROUTING");
            let matches = [Match::SourcePort(port.protocol, port.port)];
            let why = Why("kernels up to 4.9 leave SCTP checksums of veths open", port.from);
            self.0.set.append(rule(spot, matches, Target::FillChecksum, why));
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
