//! Networks whose containers' interfaces lie on one of the host's (macvlan, ipvlan), with nothing left open.
//!
//! Docker makes no rules for them and publishes no ports; what it makes are the parents that are not there (moby v20.10.24
//! libnetwork/drivers/{macvlan,ipvlan}/*_network.go and *_setup.go).

use std::collections::BTreeSet;

use super::{Net, networks};
use crate::config::{Configs, Container, Network};
use crate::interface::{Lie, ParentKind};
use crate::{Daemon, Dialect};

/// Those networks, in the order in which they were made.
pub(super) fn parents(
    configs: &Configs,
    daemon: &Daemon,
    dialect: Dialect,
    chosen: &[&Container],
    only_used: bool,
) -> Vec<Net> {
    let used: BTreeSet<&str> =
        chosen.iter().flat_map(|container| &container.endpoints).map(|endpoint| &*endpoint.network).collect();
    let mut recorded: Vec<&Network> = configs.networks.iter().filter(|network| network.lie.is_some()).collect();
    recorded.retain(|network| !only_used || used.contains(&*network.name));
    recorded.sort_by_key(|network| network.created);
    let net = |network: &Network| {
        let (v4, v6) = networks::gateways(network, daemon, dialect, chosen);
        let net = networks::of_network(network, daemon, (v4, v6));
        Net { bridge: parent_name(network), ..net }
    };
    recorded.into_iter().map(net).collect()
}

/// The parent: as recorded, else one that leads nowhere (getDummyName).
fn parent_name(network: &Network) -> String {
    let first = if matches!(network.lie, Some(Lie::Ipvlan(..))) { "di" } else { "dm" };
    let own = || format!("{first}-{}", networks::short_id(network));
    network.parent.clone().unwrap_or_else(own)
}

/// What the parent is made as where it is not there: `eth0.50` is part 50 of `eth0` (parseVlan).
pub(crate) fn kind(net: &Net) -> ParentKind {
    let vlan = || {
        let (of, id) = net.bridge.split_once('.').filter(|(of, _)| !of.is_empty())?;
        Some((of, id.parse().ok().filter(|id| (1..4095).contains(id))?))
    };
    match vlan() {
        _ if net.internal || net.has_own_parent => ParentKind::Dummy,
        Some((of, id)) => ParentKind::Vlan { of: of.to_owned(), id },
        None => ParentKind::Given,
    }
}
