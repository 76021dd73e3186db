//! Addresses are asked for on the wire before they are given, where somebody else may have them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::is_up;
use crate::Plan;
use crate::live::Live;
use crate::netlink::link::Link;
use crate::netlink::{NetlinkError, Socket};
use crate::state::{State, Undo};

/// Virtual interfaces answer at once: the kernel hands a question through to the answer without a pause.
const VIRTUAL: Duration = Duration::from_millis(3);
/// Whoever is behind a cable may take longer.
const CABLE: Duration = Duration::from_millis(200);

/// Asks for the addresses that a plan gives on bridges on which there is anything besides our own; whoever answers is among
/// the neighbours of `live` after. Whether anybody did who was not known before.
pub(super) fn ask(plan: &Plan, live: &mut Live, state: &State, route: &Socket) -> Result<bool, NetlinkError> {
    let known: BTreeSet<(u32, IpAddr)> = live.neighbours.iter().map(|n| (n.by, n.address)).collect();
    let mut asked = Vec::new();
    let mut patience = VIRTUAL;
    for interface in plan.interfaces.iter().filter(|interface| !is_up(state, &interface.container.0)) {
        let Some(bridge) = live.link(interface.on()) else { continue };
        let ports = live.links.iter().filter(|link| link.master == Some(bridge.index) && link.up);
        let others: Vec<&Link> = ports.filter(|link| !is_ours(link, state)).collect();
        if others.is_empty() {
            continue;
        }
        if others.iter().any(|link| link.kind.is_empty()) {
            patience = CABLE;
        }
        asked.extend(interface.addresses.iter().map(|prefix| (bridge.index, prefix.address)));
    }
    asked.retain(|one| !known.contains(one));
    if asked.is_empty() {
        return Ok(false);
    }
    let answered = route.who_has(&asked, patience)?;
    live.neighbours.extend(&answered);
    Ok(!answered.is_empty())
}

fn is_ours(link: &Link, state: &State) -> bool {
    let made = |undo: &Undo| matches!(undo, Undo::Link { name, mac } if *name == link.name && Some(*mac) == link.mac);
    state.undo.iter().any(made)
}
