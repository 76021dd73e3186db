//! Interfaces that lie on one of the host's, and what they lie on, against what is there.

use super::Step;
use super::compare::{Changes, attach, is_ours, random_mac};
use crate::Plan;
use crate::interface::{Interface, Joint, MOST, Parent, ParentKind};
use crate::live::{Inside, Live};
use crate::netlink::link::Link;
use crate::state::{State, Undo};

/// The parent is taken as it is where it is there, as docker does.
pub(super) fn parent(changes: &mut Changes, parent: &Parent, live: &Live, state: &State) {
    let (name, network) = (&parent.name, &parent.network.0);
    if let Some(link) = live.link(name) {
        if !link.up {
            match is_ours(state, name, link.mac) {
                true => changes.step(Step::Up { link: name.clone() }, None),
                false => changes.conflict(format!("network '{network}' needs '{name}', which is switched off")),
            }
        }
        return;
    }
    let mac = match &parent.kind {
        ParentKind::Given => {
            changes.conflict(format!("network '{network}' needs interface '{name}', which is not here"));
            return;
        }
        ParentKind::Vlan { of, .. } => match live.link(of).map(|link| link.mac) {
            None => {
                changes.conflict(format!("network '{network}' needs '{name}' of interface '{of}', which is not here"));
                return;
            }
            // It has that of the other.
            Some(mac) => mac.unwrap_or_default(),
        },
        ParentKind::Dummy => random_mac(),
    };
    if name.len() > MOST {
        changes.conflict(format!("network '{network}' needs '{name}', which is too long for an interface's name"));
        return;
    }
    let undo = Undo::Link { name: name.clone(), mac };
    changes.step(Step::Parent { parent: parent.clone(), mac }, Some(undo));
    changes.step(Step::Up { link: name.clone() }, None);
}

/// One that is there already is ours, or refused where namespaces are looked at.
pub(super) fn interface(changes: &mut Changes, interface: &Interface, plan: &Plan, live: &Live, state: &State) {
    let Joint::On { lie, .. } = &interface.joint else { return };
    let found = live.inside(interface);
    let there = found.and_then(|inside| Some((inside, inside.link.as_ref()?)));
    let ours = there.and_then(|(inside, link)| state.undo.iter().find(|undo| is_it(undo, inside, link)));
    match ours {
        Some(_) if state.complete => return,
        Some(undo) => changes.steps.push(Step::RemoveInside { lying: undo.clone() }),
        None => {}
    }
    let undo = Undo::Lying {
        namespace: interface.namespace_path(),
        cookie: found.map_or(0, |inside| inside.cookie),
        name: interface.name.clone(),
        kind: lie.kind().to_owned(),
        mac: interface.mac,
    };
    changes.step(attach(interface, random_mac(), plan), Some(undo));
}

fn is_it(undo: &Undo, inside: &Inside, link: &Link) -> bool {
    let Undo::Lying { cookie, name, kind, mac, .. } = undo else { return false };
    (cookie, name, kind) == (&inside.cookie, &link.name, &link.kind) && (mac.is_none() || *mac == link.mac)
}

/// Those that are up by us and not in the plan.
pub(super) fn stale(changes: &mut Changes, plan: &Plan, state: &State) {
    for undo in &state.undo {
        let Undo::Lying { namespace, name, .. } = undo else { continue };
        let is_it = |interface: &&Interface| interface.namespace_path() == *namespace && interface.name == *name;
        if !plan.interfaces.iter().any(|interface| is_it(&interface)) {
            changes.steps.push(Step::RemoveInside { lying: undo.clone() });
        }
    }
}
