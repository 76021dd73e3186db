//! Connections that were begun under other rules: the kernel goes on treating their packets as it did the first.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::Protocol;

use crate::config::Configs;
use crate::live::Live;
use crate::netlink::Socket;
use crate::netlink::conntrack::Tracked;
use crate::state::{State, Undo};
use crate::{Family, Plan, Port};

/// The number of UDP.
const UDP: u8 = 17;

/// Forgets what was sent to ports that are published from now on: whoever goes on sending would not be led there, as long
/// as it does so. TCP begins anew by itself.
pub(super) fn forget_asked(plan: &Plan, before: &State, live: &Live, netfilter: &Socket) {
    let is_new = |port: &&Port| port.protocol == Protocol::Udp && !super::is_up(before, &port.id);
    let new: Vec<&Port> = plan.ports.iter().filter(is_new).collect();
    let here = |address: IpAddr| live.addresses.iter().any(|(_, prefix)| prefix.address == address);
    let is_for = |port: &Port, tracked: &Tracked| {
        let to = tracked.asked[1];
        let same = port.host_ip == to || (port.host_ip.is_unspecified() && here(to));
        (tracked.protocol, tracked.port) == (UDP, port.host_port) && same
    };
    for family in [Family::V4, Family::V6] {
        let of_family: Vec<_> = new.iter().filter(|port| Family::of(port.host_ip) == family).collect();
        if !of_family.is_empty() {
            forget(family, netfilter, |tracked| of_family.iter().any(|port| is_for(port, tracked)));
        }
    }
}

/// Forgets the connections of containers that were up and are not any more, and of bridges of ours that have gone.
pub(super) fn forget_gone(before: &State, after: &Configs, netfilter: &Socket) {
    let is_gone = |id: &str| after.containers.iter().all(|container| container.id != id);
    let containers = before.configs.containers.iter().filter(|container| is_gone(&container.id));
    let ends = containers.flat_map(|container| &container.endpoints);
    let mut gone: BTreeSet<IpAddr> =
        ends.flat_map(|end| [end.address, end.address_v6]).flatten().map(|prefix| prefix.address).collect();
    if after.containers.is_empty() {
        gone.extend(own_gateways(before));
    }
    for family in [Family::V4, Family::V6] {
        if gone.iter().any(|address| Family::of(*address) == family) {
            let is_of = |address: &IpAddr| gone.contains(address);
            forget(family, netfilter, |tracked| tracked.asked.iter().chain(&tracked.answered).any(is_of));
        }
    }
}

/// Addresses of the bridges that we made.
fn own_gateways(state: &State) -> impl Iterator<Item = IpAddr> + '_ {
    let made = |name: &str| state.undo.iter().any(|undo| matches!(undo, Undo::Link { name: made, .. } if made == name));
    let own = state.configs.networks.iter().filter(move |network| network.bridge.as_deref().is_some_and(made));
    own.flat_map(|network| &network.subnets).filter_map(|subnet| subnet.gateway)
}

/// A kernel that cannot be asked (without ctnetlink) forgets by itself, later.
fn forget(family: Family, netfilter: &Socket, is_meant: impl Fn(&Tracked) -> bool) {
    let _ = netfilter.forget(family, is_meant);
}
