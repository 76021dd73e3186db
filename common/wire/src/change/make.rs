//! Does steps.

use std::error::Error;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::change::{ChangeError, Step, iptables, unmake};
use crate::firewalld::Firewalld;
use crate::interface::{Joint, ParentKind};
use crate::live::sysctl_path;
use crate::namespace::Namespace;
use crate::netlink::link::NewVeth;
use crate::netlink::lying::NewLying;
use crate::netlink::{NetlinkError, Socket};
use crate::{Family, Interface};

/// How long the kernel may take to remove the interfaces of a namespace that has ended.
const GOING: Duration = Duration::from_secs(2);

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
        Step::Parent { parent, mac } => match &parent.kind {
            ParentKind::Vlan { of, id } => route.add_vlan(&parent.name, index(route, of)?, *id)?,
            ParentKind::Dummy | ParentKind::Given => route.add_dummy(&parent.name, *mac)?,
        },
        Step::Attach { interface, mac, sysctls } => attach(interface, *mac, sysctls, route)?,
        Step::RemoveInside { lying } => unmake::remove_inside(lying)?,
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

/// The namespace that an interface is made in.
pub(crate) fn target(interface: &Interface) -> io::Result<Namespace> {
    Namespace::open(&interface.namespace_path())
}

fn attach(
    interface: &Interface,
    mac: crate::config::Mac,
    sysctls: &[(String, String)],
    route: &Socket,
) -> Result<(), AnyError> {
    use std::os::fd::AsFd;
    let namespace = target(interface)?;
    let on = index(route, interface.on())?;
    match &interface.joint {
        Joint::Pair { host_name, hairpin, .. } => {
            route.add_veth(&NewVeth {
                host: (host_name, mac),
                master: on,
                inside: (&interface.name, interface.mac.ok_or("a pair has a MAC address of its own")?),
                namespace: namespace.as_fd(),
                mtu: interface.mtu,
            })?;
            if *hairpin {
                route.set_hairpin(index(route, host_name)?)?;
            }
        }
        Joint::On { lie, .. } => {
            let new = NewLying {
                name: &interface.name,
                parent: on,
                lie: *lie,
                mac: interface.mac,
                mtu: interface.mtu,
                namespace: namespace.as_fd(),
            };
            once_free(|| route.add_lying(&new))?;
        }
    }
    namespace.within(|| inside(interface, sysctls))?
}

/// Tries again while another interface has that MAC: one that goes with its namespace does so some instants after the last process.
fn once_free(step: impl Fn() -> Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    let begin = Instant::now();
    loop {
        match step() {
            Err(error) if error.code() == Some(libc::EADDRINUSE) && begin.elapsed() < GOING => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn inside(interface: &Interface, sysctls: &[(String, String)]) -> Result<(), AnyError> {
    let route = Socket::route()?;
    for (key, value) in sysctls {
        write(key, value)?;
    }
    route.set_up(index(&route, "lo")?)?;
    let link = index(&route, &interface.name)?;
    for &address in &interface.addresses {
        route.add_address(link, address, true)?;
    }
    once_free(|| route.set_up(link))?;
    for prefix in interface.addresses.iter().filter(|_| interface.straight) {
        route.add_straight_route(link, Family::of(prefix.address))?;
    }
    for &gateway in &interface.gateways {
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
