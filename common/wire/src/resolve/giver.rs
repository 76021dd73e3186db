//! Addresses and host ports that nothing else has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::Protocol;

use super::{Net, Taken};
use crate::config::{Configs, Container, Publish};
use crate::{Dialect, Family, Prefix};

/// Gives out addresses and host ports that nothing else has.
pub(super) struct Giver<'a> {
    taken: &'a Taken,
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<(Family, Protocol, u16)>,
    next: BTreeMap<Protocol, u16>,
    first: u16,
}

impl<'a> Giver<'a> {
    /// Knows what every config names, chosen or not: a stopped container may come back.
    pub(super) fn new(
        configs: &Configs,
        chosen: &[&Container],
        nets: &[&Net],
        dialect: Dialect,
        taken: &'a Taken,
    ) -> Giver<'a> {
        let ends = configs.containers.iter().flat_map(|container| &container.endpoints);
        let mut addresses: BTreeSet<IpAddr> =
            ends.flat_map(|end| [end.address, end.address_v6]).flatten().map(|prefix| prefix.address).collect();
        addresses.extend(nets.iter().flat_map(|net| [net.v4, net.v6]).flatten().map(|prefix| prefix.address));
        addresses.extend(nets.iter().flat_map(|net| &net.reserved));
        if dialect.skips_first() {
            addresses.extend(nets.iter().filter_map(|net| Some(net.v4?.at(1))));
        }
        let published = chosen.iter().flat_map(|container| &container.published);
        let ports = published.filter(|publish| publish.exact || publish.host_port == publish.host_port_end);
        let ports = ports.map(|publish| (family(publish.host_ip), publish.protocol, publish.host_port)).collect();
        addresses.extend(&taken.addresses);
        Giver { taken, addresses, ports, next: BTreeMap::new(), first: dialect.first_port() }
    }

    pub(super) fn address(&mut self, net: &Net) -> Option<Prefix> {
        let whole = net.v4?;
        let from = net.range.unwrap_or(whole);
        let last = whole.last();
        let count = from.size().saturating_sub(2);
        let from_top = self.taken.shared.contains(&net.bridge);
        let all = (1..=count.min(1 << 20)).map(|index| from.at(if from_top { count + 1 - index } else { index }));
        let address = all.into_iter().find(|address| *address != last && !self.addresses.contains(address))?;
        self.addresses.insert(address);
        Prefix::new(address, whole.length)
    }

    pub(super) fn port(&mut self, family: Family, publish: &Publish) -> u16 {
        let (low, high) = match publish.host_port {
            0 => (*self.next.get(&publish.protocol).unwrap_or(&self.first), u16::MAX),
            _ if publish.exact || publish.host_port == publish.host_port_end => return publish.host_port,
            _ => (publish.host_port, publish.host_port_end),
        };
        let is_free = |port: &u16| {
            !self.ports.contains(&(family, publish.protocol, *port))
                && !self.taken.ports.contains(&(publish.protocol, *port))
        };
        let free = (low..=high).find(is_free).unwrap_or(low);
        self.ports.insert((family, publish.protocol, free));
        if publish.host_port == 0 {
            self.next.insert(publish.protocol, free.saturating_add(1));
        }
        free
    }
}

fn family(host_ip: Option<IpAddr>) -> Family {
    host_ip.map_or(Family::V4, Family::of)
}
