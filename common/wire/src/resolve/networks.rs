//! Networks with nothing left open: as recorded, as told to the daemon, as their containers say, or the version's default.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use model::Finding;

use super::{Net, hash};
use crate::config::{Configs, Container, Network, Subnet};
use crate::{Daemon, Dialect, Family, Prefix};

/// The networks in the order in which they were made, also those that no record was given of.
pub(super) fn networks(
    configs: &Configs,
    daemon: &Daemon,
    dialect: Dialect,
    chosen: &[&Container],
    only_used: bool,
    findings: &mut Vec<Finding>,
) -> Vec<Net> {
    let used: BTreeSet<&str> =
        chosen.iter().flat_map(|container| &container.endpoints).map(|endpoint| &*endpoint.network).collect();
    let mut recorded: Vec<&Network> = configs.networks.iter().filter(|network| network.driver == "bridge").collect();
    // Docker has its default bridge with or without containers; ours is made when it is needed.
    let wanted = |name: &str| !only_used || used.contains(name) || (name == "bridge" && dialect != Dialect::Own);
    recorded.retain(|network| wanted(&network.name));
    let unmade = used.iter().filter(|name| !configs.networks.iter().any(|network| network.name == **name));
    let assumed: Vec<Network> = unmade.map(|name| assume(name, chosen)).collect();
    recorded.extend(&assumed);
    let default = Network { name: "bridge".into(), driver: "bridge".into(), ..Network::default() };
    if daemon.bridge.as_deref() != Some("none")
        && wanted("bridge")
        && !recorded.iter().any(|network| network.is_default())
    {
        recorded.push(&default);
    }
    // The default network comes first where the record does not say when: a daemon makes it as it starts.
    recorded.sort_by_key(|network| (network.created, !network.is_default()));
    recorded.into_iter().map(|network| net(network, daemon, dialect, chosen, findings)).collect()
}

/// A network that no record was given of, from what its containers say.
fn assume(name: &str, chosen: &[&Container]) -> Network {
    let endpoints =
        || chosen.iter().flat_map(|container| &container.endpoints).filter(|endpoint| endpoint.network == name);
    let id = endpoints().map(|endpoint| endpoint.network_id.clone()).find(|id| !id.is_empty()).unwrap_or_default();
    let network = Network { name: name.to_owned(), driver: "bridge".into(), id, ..Network::default() };
    match name {
        // Podman has its default network without a record (containers/common v0.50.1, libnetwork/netavark/network.go, and
        // pkg/config/default.go).
        "podman" => Network {
            bridge: Some("podman0".into()),
            subnets: vec![Subnet { prefix: PODMAN, gateway: None, range: None }],
            ..network
        },
        _ => network,
    }
}

/// Podman's default network.
const PODMAN: Prefix = Prefix { address: IpAddr::V4(Ipv4Addr::new(10, 88, 0, 0)), length: 16 };

fn net(
    network: &Network,
    daemon: &Daemon,
    dialect: Dialect,
    chosen: &[&Container],
    findings: &mut Vec<Finding>,
) -> Net {
    let net = of_network(network, daemon, gateways(network, daemon, dialect, chosen));
    if net.v4.is_none() && net.v6.is_none() {
        let detail = "no subnet is recorded for it; it has no addresses and no address translation";
        findings.push(Finding::new("no-subnet", detail).about(format!("network {}", net.name)));
    }
    net
}

/// The network with these addresses of its gateway.
pub(super) fn of_network(network: &Network, daemon: &Daemon, (v4, v6): (Option<Prefix>, Option<Prefix>)) -> Net {
    let default = network.is_default();
    let of_daemon = |option: Option<bool>| option.filter(|_| default);
    Net {
        created: network.created,
        bridge: bridge_name(network, daemon),
        v4,
        v6: v6.filter(|_| network.ipv6 || of_daemon(daemon.ipv6) == Some(true) || network.id.is_empty()),
        range: network.subnets.iter().find_map(|subnet| subnet.range).or(daemon.fixed_cidr.filter(|_| default)),
        is_default: default,
        internal: network.internal,
        shared: false,
        icc: of_daemon(daemon.icc).or(network.icc).unwrap_or(true),
        masquerade: of_daemon(daemon.ip_masq).or(network.masquerade).unwrap_or(true),
        mtu: daemon.mtu.filter(|_| default).or(network.mtu),
        source_ips: [network.source_ip, network.source_ip_v6],
        interfaces: network.interfaces.clone().filter(|_| network.lie.is_none()).unwrap_or_else(|| "eth".to_owned()),
        host_ip: network.host_ip.filter(|ip| !ip.is_unspecified()).or(daemon.ip.filter(|_| default)),
        inhibit_ipv4: network.inhibit_ipv4,
        direct: daemon.allow_direct_routing == Some(true),
        trusted: network.trusted_interfaces.clone(),
        modes: [network.gateway_mode, network.gateway_mode_v6],
        from: match network.id.is_empty() {
            true if default => "dockerd's defaults".to_owned(),
            true => format!("NetworkSettings.Networks[\"{}\"]", network.name),
            false => format!("network {}", network.name),
        },
        name: network.name.clone(),
        id: network.id.clone(),
        lie: network.lie,
        has_own_parent: network.parent.is_none(),
        routers: routers(network, daemon),
        reserved: network.reserved.clone(),
    }
}

/// Containers' own gateways, as told to the daemon or recorded.
fn routers(network: &Network, daemon: &Daemon) -> [Option<IpAddr>; 2] {
    let told = [daemon.default_gateway, daemon.default_gateway_v6];
    let [four, six] = told.map(|told| told.filter(|_| network.is_default()));
    [four.or(network.routers[0]), six.or(network.routers[1])]
}

fn bridge_name(network: &Network, daemon: &Daemon) -> String {
    let told = daemon.bridge.clone().filter(|_| network.is_default());
    told.or_else(|| network.bridge.clone()).unwrap_or_else(|| match network.is_default() {
        true => "docker0".to_owned(),
        false if network.id.is_empty() => format!("br-{}", digits(&network.name)),
        false => format!("br-{}", short_id(network)),
    })
}

/// The first twelve digits of a network's id, as they stand in the names of its interfaces. An id from elsewhere may hold
/// anything.
pub(super) fn short_id(network: &Network) -> String {
    let start = network.id.get(..12).unwrap_or(&network.id);
    if start.bytes().all(|byte| byte.is_ascii_alphanumeric()) { start.to_owned() } else { digits(&network.id) }
}

/// Twelve digits that are the same every time.
fn digits(text: &str) -> String {
    format!("{:012x}", hash(text.as_bytes()) & 0xffff_ffff_ffff)
}

/// The bridge's addresses: as recorded, as told to the daemon, as its containers say, or the version's default.
pub(super) fn gateways(
    network: &Network,
    daemon: &Daemon,
    dialect: Dialect,
    chosen: &[&Container],
) -> (Option<Prefix>, Option<Prefix>) {
    let recorded = |family: Family| {
        let subnet = network.subnets.iter().find(|subnet| Family::of(subnet.prefix.address) == family)?;
        let address = subnet.gateway.unwrap_or_else(|| subnet.prefix.at(1));
        Prefix::new(address, subnet.prefix.length)
    };
    let mut endpoints =
        chosen.iter().flat_map(|container| &container.endpoints).filter(|end| end.network == network.name);
    let seen = |address: Option<Prefix>, gateway: Option<IpAddr>| {
        // A length that is the whole address was asked for, not given: it says nothing of the network.
        let address = address.filter(|address| address.size() > 1)?;
        // Where that is another than the bridge, it says nothing of it.
        let gateway = gateway.filter(|gateway| !routers(network, daemon).contains(&Some(*gateway)));
        Prefix::new(gateway.unwrap_or_else(|| address.at(1)), address.length)
    };
    let told = network.is_default().then_some(daemon.bip).flatten();
    let v4 =
        told.or_else(|| recorded(Family::V4)).or_else(|| endpoints.clone().find_map(|e| seen(e.address, e.gateway)));
    let v4 = v4.or_else(|| network.is_default().then(|| dialect.default_bridge()));
    let told = network.is_default().then_some(daemon.bip6).flatten();
    let fixed = daemon.fixed_cidr_v6.filter(|_| network.is_default());
    let fixed = fixed.and_then(|prefix| Prefix::new(prefix.at(1), prefix.length));
    let v6 = told
        .or_else(|| recorded(Family::V6))
        .or(fixed)
        .or_else(|| endpoints.find_map(|e| seen(e.address_v6, e.gateway_v6)));
    (v4, v6)
}
