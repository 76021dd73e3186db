//! What stands against bringing containers up, besides what the comparison with the live state found.

use std::collections::BTreeSet;

use model::Protocol;

use super::{AttachError, is_up};
use crate::change::{ChangeError, Changes, Conflict, Step, target};
use crate::config::Configs;
use crate::interface::{Interface, Joint, ParentKind};
use crate::live::{self, Live};
use crate::namespace::Namespace;
use crate::netlink::link::Neighbour;
use crate::netlink::{NetlinkError, Socket};
use crate::render::rows::mac;
use crate::state::{State, Undo};
use crate::{Family, Plan, Port};

/// What stands against bringing up, besides what the comparison found.
pub(super) fn refusals(plan: &Plan, configs: &Configs, changes: &Changes, live: &Live, state: &State) -> Vec<Conflict> {
    let mut all = Vec::new();
    namespaces(&mut all, changes);
    ports(&mut all, plan, state);
    addresses(&mut all, plan, configs, changes, live);
    all
}

/// Kinds of interfaces that are to be made and that this kernel does not have.
pub(super) fn missing_kinds(steps: &[Step], route: &Socket) -> Result<Vec<Conflict>, NetlinkError> {
    let mut all = Vec::new();
    let mut asked = BTreeSet::new();
    for step in steps {
        let Some(kind) = kind(step).filter(|kind| asked.insert(*kind)) else { continue };
        if !route.knows(kind)? {
            let advice = format!("modprobe {kind}, or a kernel that has it");
            all.push(Conflict(format!("cannot {step}: this kernel has no interfaces of kind '{kind}' ({advice})")));
        }
    }
    Ok(all)
}

/// The kernel's word for the interface that a step makes.
fn kind(step: &Step) -> Option<&'static str> {
    match step {
        Step::Bridge { .. } => Some("bridge"),
        Step::Parent { parent, .. } => match parent.kind {
            ParentKind::Vlan { .. } => Some("vlan"),
            ParentKind::Dummy | ParentKind::Given => Some("dummy"),
        },
        Step::Attach { interface, .. } => match interface.joint {
            Joint::Pair { .. } => Some("veth"),
            Joint::On { lie, .. } => Some(lie.kind()),
        },
        _ => None,
    }
}

/// What this kernel lacks for rules that it refused; `None` where it lacks nothing, or refused something else.
pub(super) fn missing_modules(error: &ChangeError, steps: &[Step], netfilter: &Socket) -> Option<AttachError> {
    let ChangeError::Step { step: failed, .. } = error else { return None };
    let refused = steps.iter().find(|step| step.to_string() == *failed)?;
    let Step::Rules { rules, .. } = refused else { return None };
    let families: BTreeSet<Family> = rules.rules.iter().map(|rule| rule.family).collect();
    let missing: BTreeSet<String> =
        families.into_iter().filter_map(|family| netfilter.missing_modules(family).ok()).flatten().collect();
    let conflict = |module: &String| {
        Conflict(format!("cannot {refused}: this kernel has no {module} (modprobe {module}, or a kernel that has it)"))
    };
    let conflicts: Vec<Conflict> = missing.iter().map(conflict).collect();
    (!conflicts.is_empty()).then_some(AttachError::Conflicts { conflicts })
}

fn namespaces(all: &mut Vec<Conflict>, changes: &Changes) {
    let host = Namespace::current();
    for step in &changes.steps {
        let Step::Attach { interface, .. } = step else { continue };
        let title = &interface.container.1;
        match target(interface) {
            Err(_) if interface.pid == 0 && interface.sandbox.is_empty() => {
                all.push(Conflict(format!(
                    "container '{title}' has no process and no network namespace to be attached"
                )));
            }
            Err(error) => {
                let place =
                    if interface.pid == 0 { interface.sandbox.clone() } else { format!("process {}", interface.pid) };
                all.push(Conflict(format!(
                    "container '{title}': cannot open the network namespace of {place}: {error}"
                )));
            }
            Ok(inside) if host.as_ref().is_ok_and(|host| inside.is(host).unwrap_or(true)) => {
                all.push(Conflict(format!(
                    "container '{title}': the network namespace of {} is this one",
                    inside.path().display()
                )));
            }
            Ok(inside) => {
                let name = interface.name.clone();
                let there = inside.within(move || Socket::route().and_then(|route| route.index(&name)));
                let half_made = changes.steps.iter().any(|step| is_removal(step, interface));
                if let (Ok(Ok(Some(_))), false) = (there, half_made) {
                    all.push(Conflict(format!("container '{title}' has an interface '{}' already", interface.name)));
                }
            }
        }
    }
}

/// Whether a step removes what is left of an interface, half made.
fn is_removal(step: &Step, interface: &Interface) -> bool {
    match step {
        Step::Remove { link } => interface.host_name() == Some(link),
        Step::RemoveInside { lying: Undo::Lying { namespace, name, .. } } => {
            *namespace == interface.namespace_path() && *name == interface.name
        }
        _ => false,
    }
}

fn ports(all: &mut Vec<Conflict>, plan: &Plan, state: &State) {
    let mut seen: Vec<&Port> = Vec::new();
    for port in &plan.ports {
        let same = |other: &&&Port| {
            (other.protocol, other.host_port) == (port.protocol, port.host_port)
                && (other.host_ip == port.host_ip || [other, &port].iter().any(|p| p.host_ip.is_unspecified()))
                && other.host_ip.is_ipv4() == port.host_ip.is_ipv4()
        };
        let what = format!("port {}/{} of {}", port.host_port, port.protocol.word(), port.host_ip);
        let other = seen.iter().find(same).copied();
        seen.push(port);
        // What holds it then is the other's proxy.
        if let Some(other) = other {
            all.push(Conflict(format!(
                "{what} is wanted by container '{}' and by '{}': Bind for {} failed: port is already allocated",
                port.container,
                other.container,
                std::net::SocketAddr::new(port.host_ip, port.host_port)
            )));
            continue;
        }
        if is_up(state, &port.id) {
            continue;
        }
        if !live::is_local(port.host_ip) {
            all.push(Conflict(format!(
                "{what} is wanted by container '{}', and this host has no such address: {}: cannot assign requested address",
                port.container,
                bind(port)
            )));
        } else if port.protocol != Protocol::Sctp && live::is_taken(port) {
            let holder = live::holder(port);
            let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
            all.push(Conflict(format!(
                "{what} is wanted by container '{}' and held by {holder}: {}: address already in use",
                port.container,
                bind(port)
            )));
        }
    }
}

/// What docker says that it was doing (Go's net.OpError).
fn bind(port: &Port) -> String {
    let version = if port.host_ip.is_ipv4() { 4 } else { 6 };
    let at = std::net::SocketAddr::new(port.host_ip, port.host_port);
    format!("listen {}{version} {at}: bind", port.protocol.word())
}

fn addresses(all: &mut Vec<Conflict>, plan: &Plan, configs: &Configs, changes: &Changes, live: &Live) {
    for step in &changes.steps {
        let Step::Attach { interface, .. } = step else { continue };
        let title = &interface.container.1;
        for address in interface.addresses.iter().map(|prefix| prefix.address) {
            let other = plan.interfaces.iter().find(|other| {
                other.container.0 != interface.container.0
                    && other.addresses.iter().any(|prefix| prefix.address == address)
            });
            if let Some(other) = other {
                all.push(Conflict(format!(
                    "address {address} is wanted by container '{title}' and by '{}'",
                    other.container.1
                )));
            }
            if let Some((index, _)) = live.addresses.iter().find(|(_, prefix)| prefix.address == address) {
                let by = live.name(*index);
                all.push(Conflict(format!("address {address} is wanted by container '{title}' and is that of '{by}'")));
            }
            let bridge = live.link(interface.on()).map(|link| link.index);
            let other = |n: &&Neighbour| Some(n.by) == bridge && n.address == address && Some(n.mac) != interface.mac;
            let heard = live.neighbours.iter().find(other);
            if let Some(other) = heard.filter(|_| configs.container(&interface.container.0).is_some()) {
                let (bridge, by) = (interface.on(), mac(other.mac));
                all.push(Conflict(format!(
                    "address {address} is wanted by container '{title}' and in use on bridge '{bridge}' by {by}"
                )));
            }
        }
    }
}
