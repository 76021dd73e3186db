//! Does steps.

use std::error::Error;
use std::fs;
use std::io;

use crate::change::{ChangeError, Step, iptables};
use crate::firewalld::Firewalld;
use crate::live::sysctl_path;
use crate::namespace::Namespace;
use crate::netlink::link::NewVeth;
use crate::netlink::{NetlinkError, Socket};
use crate::{Family, Veth};

type AnyError = Box<dyn Error + Send + Sync>;

/// Does the steps in order. The first that fails ends it; those before stay.
pub fn make(steps: &[Step], route: &Socket, netfilter: &Socket) -> Result<(), ChangeError> {
    for step in steps {
        one(step, route, netfilter).map_err(|source| ChangeError::Step { step: step.to_string(), source })?;
    }
    Ok(())
}

fn one(step: &Step, route: &Socket, netfilter: &Socket) -> Result<(), AnyError> {
    match step {
        Step::Sysctl { key, set, .. } => write(key, set)?,
        Step::Bridge { name, mac, mtu } => route.add_bridge(name, *mac, *mtu)?,
        Step::Address { link, prefix, broadcast } => route.add_address(index(route, link)?, *prefix, *broadcast)?,
        Step::Up { link } => route.set_up(index(route, link)?)?,
        Step::Rules { rules, .. } => netfilter.replace_rules(rules)?,
        Step::Iptables { program, rules } => iptables::insert(program, rules)?,
        Step::Zone { link } => Firewalld::connect()?.add(link)?,
        Step::Veth { veth, mac, sysctls } => pair(veth, *mac, sysctls, route)?,
        Step::Remove { link } => {
            if let Some(index) = route.index(link)? {
                route.remove_link(index)?;
            }
        }
    }
    Ok(())
}

/// A setting that this kernel does not have needs no setting.
fn write(key: &str, value: &str) -> io::Result<()> {
    match fs::write(sysctl_path(key), value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn index(route: &Socket, name: &str) -> Result<u32, AnyError> {
    route.index(name)?.ok_or_else(|| format!("interface '{name}' has gone").into())
}

/// The namespace that a pair's inner end goes to.
pub(crate) fn target(veth: &Veth) -> io::Result<Namespace> {
    Namespace::open(&veth.namespace_path())
}

fn pair(veth: &Veth, mac: crate::config::Mac, sysctls: &[(String, String)], route: &Socket) -> Result<(), AnyError> {
    use std::os::fd::AsFd;
    let namespace = target(veth)?;
    let master = index(route, &veth.bridge)?;
    route.add_veth(&NewVeth {
        host: (&veth.host_name, mac),
        master,
        inside: (&veth.name, veth.mac),
        namespace: namespace.as_fd(),
        mtu: veth.mtu,
    })?;
    if veth.hairpin {
        route.set_hairpin(index(route, &veth.host_name)?)?;
    }
    namespace.within(|| inside(veth, sysctls))?
}

fn inside(veth: &Veth, sysctls: &[(String, String)]) -> Result<(), AnyError> {
    let route = Socket::route()?;
    for (key, value) in sysctls {
        write(key, value)?;
    }
    route.set_up(index(&route, "lo")?)?;
    let link = index(&route, &veth.name)?;
    for &address in &veth.addresses {
        route.add_address(link, address, true)?;
    }
    route.set_up(link)?;
    for &gateway in &veth.gateways {
        // The families have one each; the second interface's is not made.
        match route.add_default_route(link, gateway) {
            Err(NetlinkError::Refused { source, .. }) if source.raw_os_error() == Some(libc::EEXIST) => {}
            other => {
                other.map_err(|error| format!("no route by {gateway} ({}): {error}", Family::of(gateway).word()))?
            }
        }
    }
    Ok(())
}
