//! From what was recorded to what is to be: defaults filled in, addresses and ports given out.

mod giver;
mod networks;
mod order;
pub(crate) mod parents;
mod places;
mod ports;

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{Finding, Protocol, Timestamp};

use giver::Giver;
use networks::networks;
use order::Order;
pub(crate) use order::Time;
use places::places;
use ports::{exposed, ports};

use crate::config::{Configs, Container, GatewayMode, Mac, Publish};
use crate::interface::Lie;
use crate::{Daemon, Dialect, Family, Prefix};

/// Which containers are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selection {
    /// Those that run or are frozen.
    Live,
    /// All, as if stopped ones were started.
    All,
    /// These, running or not, with what their networks and links need.
    Named(Vec<String>),
}

/// What a running host has already, which records do not tell.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Addresses of others.
    pub addresses: BTreeSet<IpAddr>,
    /// Host ports of others.
    pub ports: BTreeSet<(Protocol, u16)>,
    /// Bridges that somebody else gives out addresses on, from the lowest up: ours are taken from the top.
    pub shared: BTreeSet<String>,
}

/// A network with nothing left open.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Net {
    pub name: String,
    pub id: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    pub bridge: String,
    pub v4: Option<Prefix>,
    pub v6: Option<Prefix>,
    pub range: Option<Prefix>,
    pub is_default: bool,
    pub internal: bool,
    pub shared: bool,
    pub icc: bool,
    pub masquerade: bool,
    pub mtu: Option<u32>,
    pub source_ips: [Option<IpAddr>; 2],
    /// How the names of containers' interfaces begin.
    pub interfaces: String,
    pub host_ip: Option<IpAddr>,
    /// Whether the bridge has no IPv4 address of its own.
    pub inhibit_ipv4: bool,
    /// Whether containers' own addresses are open to everybody where ports are published.
    pub direct: bool,
    /// Interfaces by which they are open anyway.
    pub trusted: Vec<String>,
    pub modes: [GatewayMode; 2],
    /// How containers' interfaces lie on the host's, which `bridge` names then.
    pub lie: Option<Lie>,
    /// Whether that one is of this network alone, and leads nowhere.
    pub has_own_parent: bool,
    /// Where containers send packets to the outside, where that is not the bridge.
    pub routers: [Option<IpAddr>; 2],
    /// Addresses that are others'.
    pub reserved: Vec<IpAddr>,
    pub from: String,
}

impl Net {
    /// The bridge's own address and network.
    pub(crate) fn gateway(&self, family: Family) -> Option<Prefix> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// The address that packets to the outside get, where that is not the interface's.
    pub(crate) fn source(&self, family: Family) -> Option<IpAddr> {
        self.source_ips.into_iter().flatten().find(|ip| Family::of(*ip) == family)
    }

    pub(crate) fn mode(&self, family: Family) -> GatewayMode {
        self.modes[usize::from(family == Family::V6)]
    }
}

/// A container with nothing left open.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ctr {
    pub id: String,
    pub title: String,
    /// Whether it runs; others come after, as if they were started now.
    pub running: bool,
    pub pid: u32,
    pub sandbox: String,
    /// On bridges, in the order of its interfaces.
    pub places: Vec<Place>,
    /// Index into `places` of the one with the gateway, for each family.
    pub gateways: [Option<usize>; 2],
    /// On parents, likewise.
    pub lying: Vec<Place>,
    /// Index into `lying` of the one with the gateway.
    pub lying_gateways: [Option<usize>; 2],
    pub ports: Vec<Open>,
    pub exposed: Vec<(u16, Protocol)>,
}

/// An endpoint with nothing left open.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Place {
    /// Index into the networks: those with bridges, or those with parents.
    pub net: usize,
    /// Its interface's place among the container's.
    pub number: usize,
    /// The name of its interface.
    pub interface: String,
    pub v4: Option<Prefix>,
    pub v6: Option<Prefix>,
    pub mac: Mac,
    pub recorded: bool,
    /// When it was made.
    pub joined: Time,
    /// Kernel settings of its interface, with `IFNAME` for its name.
    pub sysctls: Vec<(String, String)>,
    /// Containers that it is linked to, as indices.
    pub links: Vec<usize>,
}

impl Ctr {
    /// When its ports were published.
    pub(crate) fn published(&self) -> Time {
        let through = self.gateways.iter().flatten().map(|index| self.places[*index].joined).max();
        through.or(self.places.first().map(|place| place.joined)).unwrap_or_default()
    }

    /// The endpoint through which a family goes to the outside, and its ports come in.
    pub(crate) fn gateway(&self, family: Family) -> Option<&Place> {
        self.gateways[usize::from(family == Family::V6)].map(|index| &self.places[index])
    }
}

impl Place {
    pub(crate) fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(|prefix| prefix.address),
            Family::V6 => self.v6.map(|prefix| prefix.address),
        }
    }
}

/// A published port with nothing left open.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Open {
    pub family: Family,
    pub publish: Publish,
    /// `None` for all addresses of the family.
    pub host_ip: Option<IpAddr>,
    pub host_port: u16,
}

/// Networks in the order in which they were made, containers in the order in which they were started.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Resolved {
    /// Those with bridges.
    pub nets: Vec<Net>,
    /// Those with parents.
    pub parents: Vec<Net>,
    pub ctrs: Vec<Ctr>,
}

impl Resolved {
    /// Containers in the order in which docker made the rules for their ports: those of one that was connected to another
    /// network move with its gateway (moby v20.10.24, libnetwork/endpoint.go, sbJoin).
    pub(crate) fn by_publishing(&self) -> Vec<&Ctr> {
        let mut all: Vec<&Ctr> = self.ctrs.iter().collect();
        all.sort_by_key(|ctr| (!ctr.running, ctr.published()));
        all
    }

    /// The networks that were there when the daemon was started last, and the others. A daemon makes its default network
    /// anew as it starts (moby v20.10.24, daemon/daemon_unix.go, initNetworkController): what is older was there before.
    pub(crate) fn restarted(&self) -> (&[Net], &[Net]) {
        self.nets.split_at(self.nets.iter().position(|net| net.is_default).unwrap_or(0))
    }
}

/// Resolves the configs for a version. Names that no container has are findings.
pub(crate) fn resolve(
    configs: &Configs,
    daemon: &Daemon,
    dialect: Dialect,
    selection: &Selection,
    taken: &Taken,
) -> (Resolved, Vec<Finding>) {
    let mut findings = Vec::new();
    let chosen = choose(configs, selection, &mut findings);
    let order = Order::of(configs);
    let mut nets = networks(configs, daemon, dialect, &chosen, matches!(selection, Selection::Named(_)), &mut findings);
    nets.iter_mut().for_each(|net| net.shared = taken.shared.contains(&net.bridge));
    let on_parents = parents::parents(configs, daemon, dialect, &chosen, matches!(selection, Selection::Named(_)));
    let all: Vec<&Net> = nets.iter().chain(&on_parents).collect();
    let mut giver = Giver::new(configs, &chosen, &all, dialect, taken);
    let places: Vec<_> = chosen
        .iter()
        .map(|container| {
            let mut places = places(container, [&nets, &on_parents], &mut giver, &mut findings);
            places[0].iter_mut().for_each(|place| place.joined = order.of_end(container, &nets[place.net].name));
            places
        })
        .collect();
    let ctrs = chosen.iter().zip(places).map(|(container, [places, lying])| {
        let places = link(container, places, &chosen, configs, &nets, &mut findings);
        let on_bridges = places.iter().map(|place| (place, &nets[place.net]));
        let all: Vec<_> = on_bridges.chain(lying.iter().map(|place| (place, &on_parents[place.net]))).collect();
        let through = gateways(container, &all, dialect);
        let gateways = through.map(|at| at.filter(|at| *at < places.len()));
        let lying_gateways = through.map(|at| at?.checked_sub(places.len()));
        let through = gateways.map(|at| at.map(|at| (&places[at], &nets[places[at].net])));
        let ports = ports(container, through, daemon, dialect, &mut giver);
        Ctr {
            id: container.id.clone(),
            title: container.title().to_owned(),
            running: container.running,
            pid: container.pid,
            sandbox: container.sandbox.clone(),
            places,
            gateways,
            lying,
            lying_gateways,
            ports,
            exposed: exposed(container),
        }
    });
    (Resolved { ctrs: ctrs.collect(), nets: nets.clone(), parents: on_parents.clone() }, findings)
}

/// Containers that are meant, in the order in which they were started.
fn choose<'a>(configs: &'a Configs, selection: &Selection, findings: &mut Vec<Finding>) -> Vec<&'a Container> {
    let mut chosen: Vec<&Container> = match selection {
        Selection::Live => configs.containers.iter().filter(|container| container.running).collect(),
        Selection::All => configs.containers.iter().collect(),
        Selection::Named(names) => names
            .iter()
            .filter_map(|name| {
                let found = configs.container(name);
                if found.is_none() {
                    findings.push(Finding::new("no-such-container", "no such container").about(name.clone()));
                }
                found
            })
            .collect(),
    };
    chosen.sort_by_key(|container| (!container.running, container.started));
    chosen.dedup_by_key(|container| &container.id);
    chosen
}

fn link(
    container: &Container,
    mut places: Vec<Place>,
    chosen: &[&Container],
    configs: &Configs,
    nets: &[Net],
    findings: &mut Vec<Finding>,
) -> Vec<Place> {
    for place in &mut places {
        let net = &nets[place.net];
        // Links of other networks are names alone.
        for link in container.links.iter().filter(|_| net.is_default) {
            let target = configs.container(&link.target);
            let index = target.and_then(|target| chosen.iter().position(|other| other.id == target.id));
            place.links.extend(index);
            // One that is stopped has no rules; of one that is not there, its ports are not known.
            if target.is_none() && !net.icc {
                let detail = format!("links to '{}', which is not there; no rules for it", link.target);
                findings.push(Finding::new("link", detail).about(format!("container {}", container.title())));
            }
        }
        place.links.dedup();
    }
    places
}

/// The networks with the gateways: not internal, with both families, first by name (moby v20.10.24 libnetwork/sandbox.go,
/// Less).
///
/// From 28 on each family has its own, and the highest priority goes first (v28.5.2 libnetwork/default_gateway.go,
/// selectGatewayEndpoint); internal ones have none.
fn gateways(container: &Container, places: &[(&Place, &Net)], dialect: Dialect) -> [Option<usize>; 2] {
    let ordered = || places.iter().enumerate().map(|(index, (_, net))| (index, *net));
    let gives =
        |index: usize, net: &Net, family| net.gateway(family).is_some() && places[index].0.address(family).is_some();
    if !dialect.is_28() && dialect != Dialect::Own {
        let both = |index: usize, net: &Net| [Family::V4, Family::V6].iter().all(|family| gives(index, net, *family));
        let first = ordered().min_by_key(|(index, net)| (net.internal, !both(*index, net), net.name.clone()));
        return [first.map(|(index, _)| index); 2];
    }
    let priority =
        |net: &Net| container.endpoints.iter().find(|end| end.network == net.name).map_or(0, |end| end.priority);
    let has = |index: usize, family: Family| !places[index].1.internal && gives(index, places[index].1, family);
    let both = |index: usize| [Family::V4, Family::V6].iter().filter(|family| has(index, **family)).count();
    let mut order: Vec<_> = ordered().collect();
    order.sort_by_key(|(index, net)| (-priority(net), net.internal, 2 - both(*index), net.name.clone()));
    let with_both = order.iter().find(|(index, _)| both(*index) == 2);
    [Family::V4, Family::V6].map(|family| {
        with_both.or_else(|| order.iter().find(|(index, _)| has(*index, family))).map(|(index, _)| *index)
    })
}

/// FNV-1a: names and addresses that are the same every time.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    hash_on(0xcbf2_9ce4_8422_2325, bytes)
}

/// The same of what follows on bytes of that hash.
pub(crate) fn hash_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
