//! When a container's ports were published, as far as records tell.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::Timestamp;

use crate::config::{Configs, Container, Endpoint, Mode};

/// When docker made the rules for containers' ports: as they were started, or as they were connected to the network that
/// their ports go through now (moby v20.10.24, libnetwork/endpoint.go, sbJoin: they move with the gateway).
///
/// No record tells when that was. It was after the network was made, and after those came whose addresses in it were taken
/// already: docker gives the lowest that is free.
#[derive(Default)]
pub(super) struct Order(BTreeMap<String, Time>);

/// The second is whether it was connected: of two at the same time it comes after.
type Time = (Option<Timestamp>, bool);

impl Order {
    /// Of all containers.
    pub(super) fn of(configs: &Configs) -> Order {
        let mut order = Order::default();
        let mut all: Vec<&Container> = configs.containers.iter().collect();
        // Those with lower addresses are known first.
        all.sort_by_key(|container| gateway(container, configs).and_then(address));
        for container in all {
            let time = order.programmed(container, configs);
            order.0.insert(container.id.clone(), time);
        }
        order
    }

    /// Of one container.
    pub(super) fn get(&self, container: &Container) -> Time {
        self.0.get(&container.id).copied().unwrap_or((container.started, false))
    }

    fn programmed(&self, container: &Container, configs: &Configs) -> Time {
        let Some(started) = container.started else { return (None, false) };
        let Some(end) = gateway(container, configs).filter(|end| !is_own(container, end)) else {
            return (Some(started), false);
        };
        let network = configs.networks.iter().find(|network| network.name == end.network);
        let others = configs.containers.iter().filter(|other| other.running && other.id != container.id);
        let before = others.filter_map(|other| {
            let theirs = other.endpoints.iter().find(|theirs| is_below(theirs, end))?;
            match is_own(other, theirs) {
                true => other.started,
                false => gateway(other, configs).filter(|end| *end == theirs).and_then(|_| self.get(other).0),
            }
        });
        let after = before.chain(network.and_then(|network| network.created)).fold(started, Timestamp::max);
        (Some(after), after > started)
    }
}

/// The one with the gateway: not in an internal network, first by name.
fn gateway<'a>(container: &'a Container, configs: &Configs) -> Option<&'a Endpoint> {
    let internal = |end: &Endpoint| configs.networks.iter().any(|n| n.name == end.network && n.internal);
    container.endpoints.iter().min_by_key(|end| (internal(end), &end.network))
}

/// Whether the container was started on that network.
fn is_own(container: &Container, end: &Endpoint) -> bool {
    match &container.mode {
        Mode::Default => end.network == "bridge",
        Mode::Named(name) => end.network == *name || end.network_id == *name,
        Mode::Host | Mode::None | Mode::Container(_) => false,
    }
}

fn address(end: &Endpoint) -> Option<IpAddr> {
    Some(end.address?.address)
}

fn is_below(one: &Endpoint, other: &Endpoint) -> bool {
    one.network == other.network && address(one).zip(address(other)).is_some_and(|(one, other)| one < other)
}
