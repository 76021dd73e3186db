//! Containers up and down in this namespace: plan, compare, refuse or make, and remember.

mod asking;
mod refusals;
mod tracked;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use model::Finding;
use refusals::{missing_kinds, missing_modules, refusals};
use thiserror::Error;

use crate::change::{ChangeError, Conflict, Guards, Step, compare, make, target, unmake};
use crate::companion;
use crate::config::{Configs, Container, Endpoint, Network, Publish, Subnet};
use crate::live::{self, Live};
use crate::netlink::{NetlinkError, Socket};
use crate::state::{State, StateError, Store, Undo};
use crate::{Bridge, Daemon, Dialect, Interface, Plan, Prefix, Selection, Taken, plan_beside};

/// Why nothing was changed, or not all.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Something stands against it; nothing was changed.
    #[error("{}", texts(conflicts))]
    Conflicts {
        /// What, at least one.
        conflicts: Vec<Conflict>,
    },
    /// The kernel lets nothing be changed here; nothing was.
    #[error("cannot change the network of this namespace")]
    NotPermitted {
        /// What it answered.
        source: NetlinkError,
    },
    /// The kernel did not answer; nothing was changed.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The state file; nothing was changed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A step failed; what was done before was undone.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

fn texts(conflicts: &[Conflict]) -> String {
    conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What is up, and what was done for it.
#[derive(Debug)]
pub struct Attached {
    /// The plan of everything that is up.
    pub plan: Plan,
    /// What was done; with a dry run, what would be.
    pub steps: Vec<Step>,
    /// What was wrong with the configs.
    pub findings: Vec<Finding>,
    /// What is up now, with its addresses and ports; with a dry run, what was before.
    pub configs: Configs,
}

/// What is common to all work in a namespace.
#[derive(Debug)]
pub struct Attacher {
    store: Store,
    route: Socket,
    netfilter: Socket,
}

impl Attacher {
    /// Opens the state in `dir` and waits until nobody else is at work in this namespace.
    pub fn open(dir: &Path) -> Result<Attacher, AttachError> {
        Ok(Attacher { store: Store::lock(dir)?, route: Socket::route()?, netfilter: Socket::netfilter()? })
    }

    /// Brings the named containers up, beside those that are.
    pub fn up(&self, configs: Configs, ids: &[String], daemon: &Daemon, dry: bool) -> Result<Attached, AttachError> {
        let mut state = self.store.read()?;
        let mut live = Live::read(&self.route, &self.netfilter).map_err(not_permitted)?;
        let (merged, up) = merge(configs, ids, &state);
        let (mut plan, mut findings) = self.plan(&merged, &up, daemon, &live, &state);
        // Another address is taken where any will do; one that was asked for is refused below.
        while asking::ask(&plan, &mut live, &state, &self.route)? {
            (plan, findings) = self.plan(&merged, &up, daemon, &live, &state);
        }
        live.look_inside(&plan);
        let mut changes = compare(&plan, &live, &state, &Guards::here(&plan, &live));
        // One that has just ended has lost its interface with its namespace; whoever attended it takes down what is left.
        let asked = |interface: &Interface| ids.contains(&interface.container.0);
        let ended = |interface: &Interface| target(interface).is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let is_gone = |interface: &Interface| !asked(interface) && interface.pid != 0 && ended(interface);
        changes.steps.retain(|step| !matches!(step, Step::Attach { interface, .. } if is_gone(interface)));
        changes.conflicts.extend(missing_kinds(&changes.steps, &self.route).map_err(not_permitted)?);
        changes.conflicts.extend(refusals(&plan, &merged, &changes, &live, &state));
        if !changes.conflicts.is_empty() {
            return Err(AttachError::Conflicts { conflicts: changes.conflicts });
        }
        let steps = changes.steps;
        if dry || steps.is_empty() {
            return Ok(Attached { plan, steps, findings, configs: state.configs });
        }
        let before = state.clone();
        state.read = merged
            .containers
            .iter()
            .filter(|container| up.contains(&container.id))
            .map(|c| was_read(c, &state))
            .collect();
        state.configs = given(merged, &up, &plan, daemon);
        changes.undo.into_iter().for_each(|undo| state.remember(undo));
        state.complete = false;
        let written = self.store.write(&state)?;
        match make(&steps, &self.route, &self.netfilter) {
            Ok(()) => {
                written.end()?;
                tracked::forget_asked(&plan, &before, &live, &self.netfilter);
                Ok(Attached { plan, steps, findings, configs: state.configs })
            }
            Err(error) => {
                // What failed first is what is told; where this fails too, the state file still has it.
                let _ = self.back(&before, &state, daemon);
                Err(missing_modules(&error, &steps, &self.netfilter).unwrap_or_else(|| error.into()))
            }
        }
    }

    /// Takes containers down; all of them, and everything that was made for them, where none is named.
    pub fn down(&self, names: &[String], daemon: &Daemon, dry: bool) -> Result<Vec<String>, AttachError> {
        let mut state = self.store.read()?;
        let before = state.clone();
        let gone: BTreeSet<String> = names
            .iter()
            .filter_map(|name| state.configs.container(name))
            .map(|container| container.id.clone())
            .collect();
        if let Some(name) = names.iter().find(|name| state.configs.container(name).is_none()) {
            return Err(AttachError::Conflicts { conflicts: vec![Conflict(format!("container '{name}' is not up"))] });
        }
        state.configs.containers.retain(|container| !names.is_empty() && !gone.contains(&container.id));
        state.read.retain(|container| !gone.contains(&container.id));
        if state.configs.containers.is_empty() {
            let said = state.undo.iter().rev().map(|undo| format!("{undo:?}")).collect();
            if !dry {
                unmake(&state.undo, &self.route, &self.netfilter)?;
                tracked::forget_gone(&before, &state.configs, &self.netfilter);
                self.store.clear()?;
                before.configs.containers.iter().for_each(|container| companion::end(self.store.dir(), &container.id));
            }
            return Ok(said);
        }
        let mut live = Live::read(&self.route, &self.netfilter).map_err(not_permitted)?;
        let up: Vec<String> = state.configs.containers.iter().map(|container| container.id.clone()).collect();
        let (plan, _) = self.plan(&state.configs, &up, daemon, &live, &state);
        live.look_inside(&plan);
        let steps = compare(&plan, &live, &state, &Guards::here(&plan, &live)).steps;
        let said = steps.iter().map(ToString::to_string).collect();
        if !dry {
            self.store.write(&state)?;
            make(&steps, &self.route, &self.netfilter)?;
            state.undo.retain(|undo| !removed(undo, &steps));
            self.store.write(&state)?;
            tracked::forget_gone(&before, &state.configs, &self.netfilter);
            gone.iter().for_each(|id| companion::end(self.store.dir(), id));
        }
        Ok(said)
    }

    fn plan(
        &self,
        configs: &Configs,
        up: &[String],
        daemon: &Daemon,
        live: &Live,
        state: &State,
    ) -> (Plan, Vec<Finding>) {
        let bridges: BTreeSet<&str> =
            live.links.iter().filter(|link| link.kind == "bridge").map(|link| &*link.name).collect();
        let parents = configs.networks.iter().filter_map(|network| network.parent.as_deref());
        let own: BTreeSet<&str> = state.undo.iter().filter_map(made).collect();
        let taken = Taken {
            addresses: live.heard(&bridges.iter().copied().chain(parents).collect()),
            ports: if leaves_choice(configs, up) { live::listening() } else { BTreeSet::new() },
            shared: bridges.difference(&own).map(|name| name.to_string()).collect(),
        };
        plan_beside(configs, daemon, Dialect::Own, &Selection::Named(up.to_vec()), &taken)
    }

    /// After a failed step: undoes what was new, and puts back the rules of what was up before.
    fn back(&self, before: &State, after: &State, daemon: &Daemon) -> Result<(), AttachError> {
        let new: Vec<Undo> = after.undo.iter().filter(|undo| !before.undo.contains(undo)).cloned().collect();
        unmake(&new, &self.route, &self.netfilter)?;
        if before.configs.containers.is_empty() {
            return Ok(self.store.clear()?);
        }
        let mut live = Live::read(&self.route, &self.netfilter).map_err(not_permitted)?;
        let up: Vec<String> = before.configs.containers.iter().map(|container| container.id.clone()).collect();
        let (plan, _) = self.plan(&before.configs, &up, daemon, &live, before);
        live.look_inside(&plan);
        self.store.write(before)?;
        Ok(make(&compare(&plan, &live, before, &Guards::default()).steps, &self.route, &self.netfilter)?)
    }
}

fn not_permitted(error: NetlinkError) -> AttachError {
    match error.code() {
        Some(libc::EPERM) => AttachError::NotPermitted { source: error },
        _ => error.into(),
    }
}

/// Whether a port is published where any will do, or any of a range.
fn leaves_choice(configs: &Configs, up: &[String]) -> bool {
    let chosen = configs.containers.iter().filter(|container| up.contains(&container.id));
    let open = |publish: &Publish| publish.host_port == 0 || publish.host_port != publish.host_port_end;
    chosen.into_iter().any(|container| container.publish_all || container.published.iter().any(open))
}

fn made(undo: &Undo) -> Option<&str> {
    match undo {
        Undo::Link { name, .. } => Some(name),
        _ => None,
    }
}

fn removed(undo: &Undo, steps: &[Step]) -> bool {
    let by = |step: &Step| match (step, undo) {
        (Step::Remove { link }, Undo::Link { name, .. }) => link == name,
        (Step::RemoveInside { lying }, undo) => lying == undo,
        _ => false,
    };
    steps.iter().any(by)
}

/// What is up and what is to come up. A container that was read before as it is now keeps what it was given.
fn merge(mut configs: Configs, ids: &[String], state: &State) -> (Configs, Vec<String>) {
    for container in &mut configs.containers {
        if ids.contains(&container.id) {
            container.running = true;
            if let Some(kept) = kept(container, state) {
                *container = Container { pid: container.pid, sandbox: container.sandbox.clone(), ..kept.clone() };
            }
        }
    }
    let known: BTreeSet<String> = ids.iter().cloned().collect();
    let others = state.configs.containers.iter().filter(|container| !known.contains(&container.id));
    configs.containers.retain(|container| !is_up(state, &container.id) || known.contains(&container.id));
    configs.containers.extend(others.cloned());
    for network in &state.configs.networks {
        if !configs.networks.iter().any(|other| other.name == network.name) {
            configs.networks.push(network.clone());
        }
    }
    let up = ids.iter().cloned().chain(state.configs.containers.iter().map(|container| container.id.clone()));
    let up: BTreeSet<String> = up.collect();
    (configs, up.into_iter().collect())
}

fn is_up(state: &State, id: &str) -> bool {
    state.configs.containers.iter().any(|container| container.id == id)
}

fn kept<'a>(container: &Container, state: &'a State) -> Option<&'a Container> {
    let place =
        |other: &Container| Container { pid: container.pid, sandbox: container.sandbox.clone(), ..other.clone() };
    state.read.iter().find(|other| place(other) == *container)?;
    state.configs.containers.iter().find(|other| other.id == container.id)
}

/// The container as it was read: where it was kept, what it was read as the first time.
fn was_read(container: &Container, state: &State) -> Container {
    let kept = is_up(state, &container.id)
        && state.configs.containers.iter().any(|other| {
            Container { pid: container.pid, sandbox: container.sandbox.clone(), ..other.clone() } == *container
        });
    let first = state.read.iter().find(|other| other.id == container.id).filter(|_| kept);
    first.unwrap_or(container).clone()
}

/// What is up, with the addresses and ports of the plan written down.
fn given(configs: Configs, up: &[String], plan: &Plan, daemon: &Daemon) -> Configs {
    let containers = configs.containers.into_iter().filter(|container| up.contains(&container.id)).map(|container| {
        let interfaces = || plan.interfaces.iter().filter(|interface| interface.container.0 == container.id);
        let endpoints = container.endpoints.iter().map(|end| {
            let own = interfaces().find(|interface| interface.network == end.network);
            let of = |is_ipv4: bool| own.and_then(|i| i.addresses.iter().copied().find(|a| a.is_ipv4() == is_ipv4));
            Endpoint {
                address: of(true),
                address_v6: of(false),
                mac: own.map_or(end.mac, |interface| interface.mac),
                ..end.clone()
            }
        });
        let ports = plan.ports.iter().filter(|port| port.id == container.id);
        let published = ports.map(|port| Publish {
            host_ip: Some(port.host_ip),
            host_port: port.host_port,
            host_port_end: port.host_port,
            ..port.publish.clone()
        });
        Container {
            endpoints: endpoints.collect(),
            published: published.collect(),
            publish_all: false,
            ..container.clone()
        }
    });
    let mut networks = configs.networks;
    for bridge in &plan.bridges {
        if !networks.iter().any(|network| network.name == bridge.network.0) {
            networks.push(written(bridge, daemon));
        }
    }
    Configs { containers: containers.collect(), networks }
}

/// A network that no record was given of, as it is now.
fn written(bridge: &Bridge, daemon: &Daemon) -> Network {
    let default = bridge.network.0 == "bridge";
    let subnet = |prefix: &Prefix| Subnet { prefix: prefix.network(), gateway: Some(prefix.address), range: None };
    Network {
        name: bridge.network.0.clone(),
        id: bridge.network.1.clone(),
        driver: "bridge".into(),
        bridge: Some(bridge.name.clone()),
        subnets: bridge.addresses.iter().map(subnet).collect(),
        internal: bridge.internal,
        ipv6: bridge.addresses.iter().any(|prefix| !prefix.is_ipv4()),
        icc: daemon.icc.filter(|_| default),
        masquerade: daemon.ip_masq.filter(|_| default),
        host_ip: daemon.ip.filter(|_| default),
        mtu: Some(bridge.mtu),
        ..Network::default()
    }
}
