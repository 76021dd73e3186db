//! The planner: configs in, plan out. Nothing is looked up on the running host.

use model::Finding;

use crate::config::Configs;
use crate::dialect::{docker_0_6, docker_1_2, docker_20_10, docker_28, own};
use crate::interface::{Interface, IpvlanMode, Joint, Lie, Parent};
use crate::plan::{Bridge, Port, Sysctl};
use crate::resolve::{Ctr, Net, Place, Resolved, Selection, Taken, hash, parents, resolve};
use crate::{Daemon, Dialect, Family, Plan, RuleSet};

/// What the configs imply in the form of a version.
pub fn plan(configs: &Configs, daemon: &Daemon, dialect: Dialect, selection: &Selection) -> (Plan, Vec<Finding>) {
    plan_beside(configs, daemon, dialect, selection, &Taken::default())
}

/// The same beside what a running host has already: nothing is given out twice.
pub fn plan_beside(
    configs: &Configs,
    daemon: &Daemon,
    dialect: Dialect,
    selection: &Selection,
    taken: &Taken,
) -> (Plan, Vec<Finding>) {
    let (resolved, findings) = resolve(configs, daemon, dialect, selection, taken);
    let hairpin = hairpin(dialect, daemon);
    let rules = match daemon.iptables {
        Some(false) => RuleSet::default(),
        _ => rules(&resolved, daemon, dialect),
    };
    let plan = Plan {
        dialect,
        bridges: resolved.nets.iter().map(|net| bridge(net, dialect)).collect(),
        parents: resolved.parents.iter().map(parent).collect(),
        interfaces: resolved.ctrs.iter().flat_map(|ctr| interfaces(ctr, &resolved, hairpin)).collect(),
        sysctls: sysctls(&resolved, daemon, dialect),
        rules,
        ports: resolved.ctrs.iter().flat_map(host_ports).collect(),
    };
    (plan, findings)
}

fn rules(resolved: &Resolved, daemon: &Daemon, dialect: Dialect) -> RuleSet {
    match dialect {
        Dialect::Docker06 => docker_0_6::rules(resolved),
        Dialect::Docker12 => docker_1_2::rules(resolved),
        Dialect::Docker20 => docker_20_10::rules(resolved, daemon),
        Dialect::Docker281 | Dialect::Docker282 | Dialect::Docker28 => docker_28::rules(resolved, daemon, dialect),
        Dialect::Own => own::rules(resolved),
    }
}

/// Whether bridges send packets back to the port that they came from: where no proxy stands in between.
fn hairpin(dialect: Dialect, daemon: &Daemon) -> bool {
    match dialect {
        Dialect::Docker06 | Dialect::Docker12 => false,
        Dialect::Own => true,
        _ => daemon.userland_proxy == Some(false),
    }
}

/// That of bridges which no record says anything else of.
const MTU: u32 = 1500;

fn bridge(net: &Net, dialect: Dialect) -> Bridge {
    Bridge {
        name: net.bridge.clone(),
        network: (net.name.clone(), net.id.clone()),
        addresses: [net.v4.filter(|_| !net.inhibit_ipv4), net.v6].into_iter().flatten().collect(),
        mtu: net.mtu.unwrap_or(MTU),
        broadcast: !matches!(dialect, Dialect::Docker06 | Dialect::Docker12),
        internal: net.internal,
        shared: net.shared,
        reason: format!("the bridge of network '{}'", net.name),
        from: net.from.clone(),
    }
}

/// The bridge's end of a container's pair in a network: docker's form, the same every time.
pub fn veth_name(id: &str, network: &str) -> String {
    format!("veth{:07x}", hash(format!("{id}/{network}").as_bytes()) & 0xfff_ffff)
}

fn parent(net: &Net) -> Parent {
    Parent {
        name: net.bridge.clone(),
        network: (net.name.clone(), net.id.clone()),
        kind: parents::kind(net),
        reason: format!("containers of network '{}' lie on it", net.name),
        from: match net.has_own_parent {
            true => format!("{}: no parent is given", net.from),
            false => format!("{}: parent", net.from),
        },
    }
}

/// A container's interfaces in their order.
fn interfaces(ctr: &Ctr, resolved: &Resolved, hairpin: bool) -> Vec<Interface> {
    let on_bridges = ctr.places.iter().enumerate().map(|(index, place)| {
        let net = &resolved.nets[place.net];
        let (host_name, bridge) = (veth_name(&ctr.id, &net.name), net.bridge.clone());
        let joint = Joint::Pair { host_name, bridge, hairpin };
        let made = interface(ctr, place, net, joint, ctr.gateways, index);
        (place.number, Interface { mtu: Some(net.mtu.unwrap_or(MTU)), ..made })
    });
    let on_parents = ctr.lying.iter().enumerate().filter_map(|(index, place)| {
        let net = &resolved.parents[place.net];
        let lie = net.lie?;
        let joint = Joint::On { parent: net.bridge.clone(), lie };
        let made = interface(ctr, place, net, joint, ctr.lying_gateways, index);
        let made = match lie {
            Lie::Macvlan(_) => made,
            // Docker leads everything out by the interface itself where the host routes for it (ipvlan_joinleave.go).
            Lie::Ipvlan(IpvlanMode::L2, _) => Interface { mac: None, ..made },
            Lie::Ipvlan(..) => Interface { mac: None, straight: !net.internal, gateways: Vec::new(), ..made },
        };
        Some((place.number, made))
    });
    let mut all: Vec<(usize, Interface)> = on_bridges.chain(on_parents).collect();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, interface)| interface).collect()
}

fn interface(
    ctr: &Ctr,
    place: &Place,
    net: &Net,
    joint: Joint,
    gateways: [Option<usize>; 2],
    index: usize,
) -> Interface {
    let through = |family: Family| gateways[usize::from(family == Family::V6)] == Some(index);
    let v4 = net.v4.filter(|_| place.v4.is_some() && through(Family::V4));
    let v6 = net.v6.filter(|_| place.v6.is_some() && through(Family::V6));
    let [four, six] = net.routers;
    let four = v4.map(|bridge| four.unwrap_or(bridge.address));
    let six = v6.map(|bridge| six.unwrap_or(bridge.address));
    Interface {
        joint,
        container: (ctr.id.clone(), ctr.title.clone()),
        network: net.name.clone(),
        name: place.interface.clone(),
        mac: Some(place.mac),
        addresses: [place.v4, place.v6].into_iter().flatten().collect(),
        gateways: [four, six].into_iter().flatten().collect(),
        straight: false,
        mtu: net.mtu,
        pid: ctr.pid,
        sandbox: ctr.sandbox.clone(),
        reason: format!("container '{}' is on network '{}'", ctr.title, net.name),
        from: match place.recorded {
            true => format!("NetworkSettings.Networks[\"{}\"]", net.name),
            false => format!("HostConfig.NetworkMode; the address is the first one free in '{}'", net.name),
        },
    }
}

fn host_ports(ctr: &Ctr) -> impl Iterator<Item = Port> + '_ {
    ctr.ports.iter().filter_map(move |open| {
        let any = match open.family {
            Family::V4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        Some(Port {
            container: ctr.title.clone(),
            id: ctr.id.clone(),
            publish: open.publish.clone(),
            host_ip: open.host_ip.unwrap_or(any),
            host_port: open.host_port,
            protocol: open.publish.protocol,
            address: ctr.gateway(open.family)?.address(open.family)?,
            port: open.publish.port,
            from: open.publish.from.clone(),
        })
    })
}

fn sysctls(resolved: &Resolved, daemon: &Daemon, dialect: Dialect) -> Vec<Sysctl> {
    let mut all = Vec::new();
    let mut host = |key: String, value: &str, reason: &str, from: &str| {
        let (value, reason, from) = (value.to_owned(), reason.to_owned(), from.to_owned());
        all.push(Sysctl { container: None, key, value, reason, from });
    };
    // A daemon switches it on as it starts.
    let forwards = dialect != Dialect::Own || !resolved.nets.is_empty();
    if dialect != Dialect::Docker06 && forwards && daemon.ip_forward != Some(false) {
        host("net/ipv4/ip_forward".into(), "1", "packets pass between containers and the outside", "--ip-forward");
    }
    if matches!(dialect, Dialect::Docker06 | Dialect::Docker12) {
        return all;
    }
    for net in &resolved.nets {
        let bridge = &net.bridge;
        let accept = format!("net/ipv6/conf/{bridge}/accept_ra");
        host(accept, "0", "a container must not advertise routes to the host (CVE-2020-13401)", &net.from);
        if net.v6.is_some() {
            let off = format!("net/ipv6/conf/{bridge}/disable_ipv6");
            host(off, "0", "the network has IPv6", &format!("{}: EnableIPv6", net.from));
            host("net/ipv6/conf/all/forwarding".into(), "1", "IPv6 passes to and from containers", "--ip-forward");
        }
        if hairpin(dialect, daemon) && net.v4.is_some() && !net.internal {
            let key = format!("net/ipv4/conf/{bridge}/route_localnet");
            host(key, "1", "ports published on 127.0.0.1 are reached without a proxy", "--userland-proxy");
        }
    }
    for ctr in &resolved.ctrs {
        let on_bridges = ctr.places.iter().map(|place| (place, &resolved.nets[place.net]));
        for (place, net) in on_bridges.chain(ctr.lying.iter().map(|place| (place, &resolved.parents[place.net]))) {
            all.push(Sysctl {
                container: Some(ctr.id.clone()),
                key: format!("net/ipv6/conf/{}/disable_ipv6", place.interface),
                value: if place.v6.is_some() { "0" } else { "1" }.to_owned(),
                reason: "IPv6 inside only where the network has it".to_owned(),
                from: format!("{}: EnableIPv6", net.from),
            });
            all.extend(place.sysctls.iter().map(|(key, value)| Sysctl {
                container: Some(ctr.id.clone()),
                key: format!("net/{}", key.replace("IFNAME", &place.interface)),
                value: value.clone(),
                reason: "asked for with the network".to_owned(),
                from: format!("NetworkSettings.Networks[\"{}\"].DriverOpts", net.name),
            }));
        }
    }
    all.dedup();
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|sysctl| seen.insert((sysctl.container.clone(), sysctl.key.clone())));
    all
}
