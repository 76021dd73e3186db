//! When containers came onto their networks, as far as records tell.

use std::collections::BTreeMap;

use model::Timestamp;

use crate::config::{Configs, Container, Endpoint, Mode};

/// A time, and whether it is that of a connection to a running container: of two at the same time it comes after.
pub(crate) type Time = (Option<Timestamp>, bool);

/// When each endpoint was made: as its container was started, or as the container was connected to another network.
///
/// No record tells when that was. It was after the network was made, and after those came whose addresses in it were taken
/// already: docker gives the lowest that is free. A container that was started a second time came onto all its networks then.
pub(super) struct Order(BTreeMap<(String, String), Time>);

impl Order {
    /// Of all containers.
    pub(super) fn of(configs: &Configs) -> Order {
        let mut ends: Vec<(&Container, &Endpoint)> = configs
            .containers
            .iter()
            .flat_map(|container| container.endpoints.iter().map(move |end| (container, end)))
            .collect();
        // Those with lower addresses are known first.
        ends.sort_by_key(|(_, end)| (&end.network, end.address.map(|prefix| prefix.address)));
        let created: BTreeMap<&str, Option<Timestamp>> =
            configs.networks.iter().map(|network| (&*network.name, network.created)).collect();
        let mut latest: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
        let mut times = BTreeMap::new();
        for (container, end) in ends {
            let latest = latest.entry(&end.network).or_default();
            let made = created.get(&*end.network).copied().flatten();
            let after = if container.ended_before { made } else { made.max(*latest) };
            let time = match is_own(container, end) || container.started.is_none() {
                true => (container.started, false),
                false => (container.started.max(after), container.started < after),
            };
            if container.running && !container.ended_before {
                *latest = time.0.max(*latest);
            }
            times.insert((container.id.clone(), end.network.clone()), time);
        }
        Order(times)
    }

    /// Of one endpoint.
    pub(super) fn of_end(&self, container: &Container, network: &str) -> Time {
        self.0.get(&(container.id.clone(), network.to_owned())).copied().unwrap_or((container.started, false))
    }
}

/// Whether the container was started on that network.
fn is_own(container: &Container, end: &Endpoint) -> bool {
    match &container.mode {
        Mode::Default => end.network == "bridge",
        Mode::Named(name) => end.network == *name || end.network_id == *name,
        Mode::Host | Mode::None | Mode::Container(_) => false,
    }
}
