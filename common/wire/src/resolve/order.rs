//! When a container's ports were published, as far as records tell.

use model::Timestamp;

use crate::config::{Configs, Container, Endpoint, Mode};

/// When docker made the rules for a container's ports: as it was started, or as it was connected to the network that its
/// ports go through now (moby v20.10.24, libnetwork/endpoint.go, sbJoin: they move with the gateway).
///
/// No record tells when that was. It was after the network was made, and after the start of those whose addresses in it were
/// taken already: docker gives the lowest that is free.
///
/// The second is whether it was connected: of two at the same time it comes after.
pub(super) fn programmed(container: &Container, configs: &Configs) -> (Option<Timestamp>, bool) {
    let Some(started) = container.started else { return (None, false) };
    let Some(end) = gateway(container, configs).filter(|end| !is_own(container, end)) else {
        return (Some(started), false);
    };
    let network = configs.networks.iter().find(|network| network.name == end.network);
    let lower = configs.containers.iter().filter(|other| other.running && other.id != container.id);
    let lower =
        lower.filter(|other| other.endpoints.iter().any(|theirs| is_own(other, theirs) && is_below(theirs, end)));
    let after = lower.filter_map(|other| other.started).chain(network.and_then(|network| network.created));
    let after = after.fold(started, Timestamp::max);
    (Some(after), after > started)
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

fn is_below(one: &Endpoint, other: &Endpoint) -> bool {
    let address = |end: &Endpoint| end.address.map(|prefix| prefix.address);
    one.network == other.network && address(one).zip(address(other)).is_some_and(|(one, other)| one < other)
}
