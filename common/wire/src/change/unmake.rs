//! Undoes.

use std::fs;
use std::net::IpAddr;

use crate::change::{ChangeError, iptables};
use crate::firewalld::Firewalld;
use crate::live::{sysctl, sysctl_path};
use crate::namespace::{self, Namespace};
use crate::netlink::Socket;
use crate::netlink::link::Link;
use crate::state::Undo;
use crate::{Prefix, RuleSet};

/// Undoes in reverse order. What is undone already, or was never done, is left alone.
pub fn unmake(undo: &[Undo], route: &Socket, netfilter: &Socket) -> Result<(), ChangeError> {
    for step in undo.iter().rev() {
        one(step, route, netfilter).map_err(|source| ChangeError::Step { step: format!("undo {step:?}"), source })?;
    }
    Ok(())
}

fn one(undo: &Undo, route: &Socket, netfilter: &Socket) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match undo {
        Undo::Link { name, mac } => {
            let find = || route.link(name).map(|found| found.filter(|link| link.mac == Some(*mac)));
            if let Some(link) = find()? {
                // The kernel removes it too, some instants after the namespace of its other end is gone.
                let removed = route.remove_link(link.index);
                if removed.is_err() && find()?.is_some() {
                    removed?;
                }
            }
        }
        Undo::Lying { .. } => remove_inside(undo)?,
        Undo::Address { link, address, length } => remove_address(route, link, *address, *length)?,
        Undo::Sysctl { key, was, set } => {
            if sysctl(key)?.as_ref() == Some(set) {
                fs::write(sysctl_path(key), was)?;
            }
        }
        Undo::Tables => netfilter.replace_rules(&RuleSet::default())?,
        // One that has ended has forgotten it.
        Undo::Zone { link } => _ = Firewalld::connect().and_then(|mut firewalld| firewalld.remove(link)),
        Undo::Iptables { program, rule } => iptables::remove(program, rule),
    }
    Ok(())
}

/// Removes an interface from a container's namespace; where that has gone, the interface has gone with it.
pub(super) fn remove_inside(lying: &Undo) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Undo::Lying { namespace, cookie, name, kind, mac } = lying else { return Ok(()) };
    let Ok(inside) = Namespace::open(namespace) else { return Ok(()) };
    inside.within(|| {
        let route = Socket::route()?;
        let is_it = |link: &Link| link.kind == *kind && (mac.is_none() || link.mac == *mac);
        let Some(link) = route.link(name)?.filter(is_it) else { return Ok(()) };
        if namespace::cookie().is_ok_and(|now| now == *cookie) {
            route.remove_link(link.index)?;
        }
        Ok(())
    })?
}

fn remove_address(
    route: &Socket,
    link: &str,
    address: IpAddr,
    length: u8,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let prefix = Prefix::new(address, length).ok_or("no network of that length")?;
    let Some(index) = route.index(link)? else { return Ok(()) };
    if route.addresses()?.contains(&(index, prefix)) {
        route.remove_address(index, prefix)?;
    }
    Ok(())
}
