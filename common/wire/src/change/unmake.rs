//! Undoes.

use std::fs;
use std::net::IpAddr;

use crate::change::{ChangeError, iptables};
use crate::firewalld::Firewalld;
use crate::live::{sysctl, sysctl_path};
use crate::netlink::Socket;
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
