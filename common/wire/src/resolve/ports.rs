//! Published and exposed ports, in the order in which a version makes rules for them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::Protocol;

use super::giver::Giver;
use super::{Net, Open, Place};
use crate::config::{Container, Publish};
use crate::{Daemon, Dialect, Family};

/// Published ports, in the order in which the version makes rules for them.
pub(super) fn ports(
    container: &Container,
    gateways: [Option<(&Place, &Net)>; 2],
    daemon: &Daemon,
    dialect: Dialect,
    giver: &mut Giver,
) -> Vec<Open> {
    let gateways = gateways.map(|gateway| gateway.filter(|(_, net)| !net.internal));
    let Some((_, net)) = gateways.into_iter().flatten().next() else { return Vec::new() };
    let mut all = container.published.clone();
    if container.publish_all {
        for &(port, protocol) in &container.exposed {
            if !all.iter().any(|publish| (publish.port, publish.protocol) == (port, protocol)) {
                let from = format!("HostConfig.PublishAllPorts, Config.ExposedPorts[\"{port}/{}\"]", protocol.word());
                all.push(Publish { asked: false, ..Publish::at(port, protocol, None, (0, 0), from) });
            }
        }
    }
    match dialect {
        _ if dialect.is_28() || dialect == Dialect::Own => {
            all.sort_by_key(|p| (!p.exact, p.port, p.protocol, p.requested, p.host_ip))
        }
        // As they were asked for (moby v0.6.4 container.go, allocateNetwork).
        Dialect::Docker06 => {}
        _ => {
            let count = all.len();
            let order = docker_order(&with_exposed(container, &all));
            // Those that are only exposed come after the published ones, and have no rules.
            all = order.into_iter().filter(|index| *index < count).map(|index| all[index].clone()).collect();
        }
    }
    let default_ip = net.host_ip.or(daemon.ip.filter(|_| matches!(dialect, Dialect::Docker06 | Dialect::Docker12)));
    all.into_iter().flat_map(|publish| open(publish, gateways, default_ip, dialect, giver)).collect()
}

/// Docker's order of ports (go-connections, nat/sort.go): those that were asked for by a higher number, higher ports, TCP.
///
/// The comparison contradicts itself where a lower port was asked for by a higher number, so the outcome depends on what
/// was compared first: docker walks a map of up to eight ports from any of its places on, in the order in which it was
/// filled (flags in JSON's order, then the image's), and sorts by insertion. So does this, from each place, and takes what
/// comes out most often. Ports that are only exposed take part, and stand here with port 0.
///
/// Returns indices of `all`, those of a port together.
fn docker_order(all: &[Publish]) -> Vec<usize> {
    let mut filled: Vec<&Publish> = all.iter().collect();
    filled.sort_by_key(|publish| (!publish.asked, format!("{}/{}", publish.port, publish.protocol.word())));
    let mut ports: Vec<_> = filled.iter().map(|publish| (publish.port, publish.protocol)).collect();
    ports.dedup();
    if ports.len() > MAP {
        return sorted(all, &ports);
    }
    let starts = (0..MAP).map(|start| if start < ports.len() { start } else { 0 });
    let outcomes: Vec<_> = starts
        .map(|start| {
            let walked = [&ports[start..], &ports[..start]].concat();
            sorted(all, &walked)
        })
        .collect();
    let times = |outcome: &Vec<_>| outcomes.iter().filter(|other| *other == outcome).count();
    // The first of those that are as frequent: that of a map that is walked from its beginning.
    outcomes.iter().rev().max_by_key(|outcome| times(outcome)).cloned().unwrap_or_default()
}

/// More ports than insertion is for: it compares each with each.
const MANY: usize = 2000;
/// Places in the smallest map (go 1.19, runtime/map.go, bucketCnt), which is walked from a place taken by chance.
const MAP: usize = 8;

/// Sorts by insertion what a walk met, then puts what belongs to a port together.
fn sorted(all: &[Publish], walked: &[(u16, Protocol)]) -> Vec<usize> {
    let port = |index: usize| (all[index].port, all[index].protocol);
    let mut of_port: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    (0..all.len()).for_each(|index| of_port.entry(port(index)).or_default().push(index));
    let mut met: Vec<usize> = walked.iter().filter_map(|port| of_port.get(port)).flatten().copied().collect();
    if met.len() > MANY {
        // Where the comparison contradicts itself nobody can tell here anyway.
        met.sort_by_key(|index| (Reverse(all[*index].port), all[*index].protocol != Protocol::Tcp));
        return met;
    }
    let before = |a: &Publish, b: &Publish| {
        let first = a.port == b.port && a.protocol == Protocol::Tcp;
        a.requested > b.requested || a.port > b.port || first
    };
    for end in 1..met.len() {
        let mut at = end;
        while at > 0 && before(&all[met[at]], &all[met[at - 1]]) {
            met.swap(at, at - 1);
            at -= 1;
        }
    }
    let mut first = BTreeMap::new();
    met.iter().enumerate().for_each(|(at, index)| _ = first.entry(port(*index)).or_insert(at));
    met.sort_by_key(|index| first[&port(*index)]);
    met
}

/// Published ports, and those that are exposed alone.
fn with_exposed(container: &Container, published: &[Publish]) -> Vec<Publish> {
    let there: BTreeSet<(u16, Protocol)> = published.iter().map(|publish| (publish.port, publish.protocol)).collect();
    let alone = container.exposed.iter().filter(|port| !there.contains(port));
    let alone = alone
        .map(|&(port, protocol)| Publish { asked: false, ..Publish::at(port, protocol, None, (0, 0), String::new()) });
    published.iter().cloned().chain(alone).collect()
}

/// Exposed ports in docker's order.
pub(super) fn exposed(container: &Container) -> Vec<(u16, Protocol)> {
    let all = with_exposed(container, &container.published);
    let mut ports: Vec<_> =
        docker_order(&all).into_iter().map(|index| (all[index].port, all[index].protocol)).collect();
    ports.dedup();
    let exposed: BTreeSet<_> = container.exposed.iter().collect();
    ports.retain(|port| exposed.contains(port));
    ports
}

fn open(
    publish: Publish,
    gateways: [Option<(&Place, &Net)>; 2],
    default_ip: Option<IpAddr>,
    dialect: Dialect,
    giver: &mut Giver,
) -> Vec<Open> {
    let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let hosts = match publish.host_ip.or(default_ip) {
        Some(address) => vec![address],
        None => all.to_vec(),
    };
    let ipv6 = !matches!(dialect, Dialect::Docker06 | Dialect::Docker12);
    let place = |family: Family| gateways[usize::from(family == Family::V6)].map(|(place, _)| place);
    let has = |family: Family| place(family).is_some_and(|place| place.address(family).is_some());
    // What a proxy carries from IPv6 to a container without it has a rule in these versions.
    let carried = dialect == Dialect::Docker281 && has(Family::V4);
    let fits = |family: Family| (has(family) || carried) && (family == Family::V4 || ipv6);
    let mut given = None;
    let mut open = Vec::new();
    for host in hosts.into_iter().filter(|host| fits(Family::of(*host))) {
        let family = Family::of(host);
        let host_port = *given.get_or_insert_with(|| giver.port(family, &publish));
        open.push(Open {
            family,
            publish: publish.clone(),
            host_ip: Some(host).filter(|ip| !ip.is_unspecified()),
            host_port,
        });
    }
    open
}
