//! Undoes.

use std::fs;
use std::io;
use std::net::IpAddr;

use crate::change::{ChangeError, iptables};
use crate::live::{sysctl, sysctl_path};
use crate::netlink::Socket;
use crate::state::Undo;
use crate::{Prefix, RuleSet};

/// Undoes in reverse order. What is undone already, or was never done, is left alone.
pub fn unmake(undo: &[Undo], route: &Socket, netfilter: &Socket) -> Result<(), ChangeError> {
    for step in undo.iter().rev() {
        one(step, route, netfilter)
            .map_err(|source| ChangeError::Step { step: format!("undo {step:?}"), source })?;
    }
    Ok(())
}

fn one(undo: &Undo, route: &Socket, netfilter: &Socket) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match undo {
        Undo::Link { name, mac } => {
            if let Some(link) = route.link(name)?.filter(|link| link.mac == Some(*mac)) {
                route.remove_link(link.index)?;
            }
        }
        Undo::Address { link, address, length } => remove_address(route, link, *address, *length)?,
        Undo::Sysctl { key, was, set } => {
            if sysctl(key)?.as_ref() == Some(set) {
                fs::write(sysctl_path(key), was)?;
            }
        }
        Undo::Tables => netfilter.replace_rules(&RuleSet::default())?,
        Undo::Iptables { program, rule } => iptables::remove(program, rule),
        Undo::File { path } => remove_file(path)?,
        Undo::Process { pid, started } => end(*pid, *started),
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
    let Some(link) = route.link(link)? else { return Ok(()) };
    if route.addresses()?.contains(&(link.index, prefix)) {
        route.remove_address(link.index, prefix)?;
    }
    Ok(())
}

fn remove_file(path: &std::path::Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Ends a process, unless another has its number by now.
fn end(pid: u32, started: u64) {
    let same = crate::live::started(pid) == Some(started);
    if let Some(pid) = rustix::process::Pid::from_raw(pid as i32).filter(|_| same) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}
