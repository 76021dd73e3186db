//! Where containers are attached: addresses given out, interfaces named.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use model::Finding;

use super::giver::Giver;
use super::{Net, Place, hash};
use crate::Prefix;
use crate::config::{Container, Endpoint, Mac, Mode};

/// Where the container is attached, on each kind of network: the one that it asked for first, the others by name.
pub(super) fn places(
    container: &Container,
    nets: [&[Net]; 2],
    giver: &mut Giver,
    findings: &mut Vec<Finding>,
) -> [Vec<Place>; 2] {
    let own = match &container.mode {
        Mode::Default => "bridge",
        Mode::Named(name) => name,
        Mode::Host | Mode::None | Mode::Container(_) => return Default::default(),
    };
    let mut endpoints: Vec<&Endpoint> = container.endpoints.iter().collect();
    // Modes name a network by name or by id; an endpoint without an id has an empty one.
    let first = |end: &Endpoint| end.network == own || end.network_id == own;
    endpoints.sort_by_key(|end| (!first(end), end.network.clone()));
    let mut places: [Vec<Place>; 2] = Default::default();
    for end in endpoints {
        let is = |net: &Net| net.name == end.network || (!net.id.is_empty() && net.id == end.network);
        let number = places.iter().map(Vec::len).sum();
        match nets.map(|nets| nets.iter().position(is)) {
            [Some(net), _] => places[0].push(place(container, end, (net, &nets[0][net]), number, giver, findings)),
            [None, Some(net)] => places[1].push(place(container, end, (net, &nets[1][net]), number, giver, findings)),
            [None, None] => {
                let detail = format!("its network '{}' is of no kind that is planned; left out", end.network);
                findings
                    .push(Finding::new("no-such-network", detail).about(format!("container {}", container.title())));
            }
        }
    }
    call(&mut places, nets, container);
    places
}

/// Names the interfaces: as was asked for, else the network's beginning and the first number that is free (moby v28.5.2
/// libnetwork/osl/interface_linux.go, generateIfaceName).
fn call(places: &mut [Vec<Place>; 2], nets: [&[Net]; 2], container: &Container) {
    let net = |kind: usize, place: &Place| &nets[kind][place.net];
    let asked =
        |net: &Net| container.endpoints.iter().find(|end| end.network == net.name).and_then(|end| end.name.clone());
    let mut order: Vec<(usize, usize)> =
        (0..2).flat_map(|kind| (0..places[kind].len()).map(move |at| (kind, at))).collect();
    order.sort_by_key(|&(kind, at)| places[kind][at].number);
    let mut taken = BTreeSet::new();
    for (kind, at) in order {
        let net = net(kind, &places[kind][at]);
        let free = |taken: &BTreeSet<String>| {
            (0..)
                .map(|number| format!("{}{number}", net.interfaces))
                .find(|name| !taken.contains(name))
                .unwrap_or_default()
        };
        let name = asked(net).filter(|name| !taken.contains(name)).unwrap_or_else(|| free(&taken));
        taken.insert(name.clone());
        places[kind][at].interface = name;
    }
}

fn place(
    container: &Container,
    end: &Endpoint,
    (index, net): (usize, &Net),
    number: usize,
    giver: &mut Giver,
    findings: &mut Vec<Finding>,
) -> Place {
    let subject = format!("container {}", container.title());
    let recorded = end.address.is_some();
    // An address that was only asked for has no length of its own.
    let asked = end.address.map(|prefix| Prefix { length: net.v4.map_or(prefix.length, |v4| v4.length), ..prefix });
    let v4 = asked.or_else(|| giver.address(net));
    if v4.is_none() && net.v4.is_some() {
        findings
            .push(Finding::new("no-address", format!("no address is free in network '{}'", net.name)).about(subject));
    }
    let mac = end.mac.or(container.mac).unwrap_or_else(|| docker_mac(v4, container));
    let v6 = end.address_v6.or_else(|| {
        Some((net.v6?, net.v6?.length))
            .filter(|(_, length)| *length <= 80)
            .and_then(|(v6, length)| Prefix::new(from_mac(v6, mac), length))
    });
    let v6 = v6.map(|prefix| Prefix { length: net.v6.map_or(prefix.length, |v6| v6.length), ..prefix });
    let (interface, sysctls, links) = (String::new(), end.sysctls.clone(), Vec::new());
    Place { net: index, number, interface, v4, v6, mac, recorded, joined: (None, false), sysctls, links }
}

/// Docker's MAC address: 02:42 and the IPv4 address (libnetwork, netutils/utils.go, GenerateMACFromIP).
fn docker_mac(v4: Option<Prefix>, container: &Container) -> Mac {
    let bytes = match v4.map(|prefix| prefix.address) {
        Some(IpAddr::V4(address)) => address.octets(),
        _ => (hash(container.id.as_bytes()) as u32).to_be_bytes(),
    };
    [0x02, 0x42, bytes[0], bytes[1], bytes[2], bytes[3]]
}

/// Docker's IPv6 address where the network has room for a MAC address: the network and the MAC in its last six bytes.
fn from_mac(network: Prefix, mac: Mac) -> IpAddr {
    let IpAddr::V6(base) = network.network().address else { return network.address };
    let mac = mac.iter().fold(0u128, |all, byte| all << 8 | u128::from(*byte));
    Ipv6Addr::from(u128::from(base) | mac).into()
}
