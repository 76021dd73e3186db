//! What a container has of others: their namespaces, and what links tell of them.

use std::path::PathBuf;

use host::Host;
use launch::docker::Joined;
use launch::spec::Namespace;
use model::Container;
use serde_json::Value;

use crate::LifeError;
use crate::links::{self, Links};

/// What a container has of others.
#[derive(Default)]
pub struct Peers {
    /// Its network, where that is the host's or another's.
    pub network: Option<Namespace>,
    /// Its processes and shared memory, where they are another's.
    pub joined: Joined,
    /// Whose `/etc/hosts` and the like it has, with the network: that container's id.
    pub names_of: Option<model::Id>,
    /// What links give it.
    pub links: Links,
}

/// A container of the host by name or id, and its inspect JSON.
pub fn inspect(host: &Host, name: &str) -> Result<(Container, Value), LifeError> {
    let (container, _) = host.container(name)?;
    let (record, _) = layout::inspect_container(host.root(), host.stores(), &container);
    Ok((container, record))
}

/// Finds what a container asks of others. Those that it names must run.
pub fn of(host: &Host, inspect: &Value) -> Result<Peers, LifeError> {
    find(host, inspect, &mut Err)
}

/// The same for an old container, whose others may be gone: what cannot be had is named, and left out.
pub fn as_far_as_there(host: &Host, inspect: &Value, notes: &mut Vec<String>) -> Peers {
    let mut named = |error: LifeError| {
        notes.push(error.to_string());
        Ok(())
    };
    find(host, inspect, &mut named).unwrap_or_default()
}

/// `missing` hears of each that cannot be had, and decides whether that is the end.
fn find(
    host: &Host,
    inspect: &Value,
    missing: &mut dyn FnMut(LifeError) -> Result<(), LifeError>,
) -> Result<Peers, LifeError> {
    let own = &inspect["HostConfig"];
    let asked = |key: &str| own[key].as_str().and_then(|mode| mode.strip_prefix("container:"));
    let mut peers = Peers::default();
    if own["NetworkMode"] == "host" {
        peers.network = Some(Namespace::Host);
    }
    if let Some(name) = asked("NetworkMode") {
        match process(host, name, "network") {
            Ok(place) => peers.network = Some(Namespace::Of(place.join("ns/net"))),
            Err(error) => missing(error)?,
        }
        peers.names_of = self::inspect(host, name).ok().map(|(container, _)| container.id);
    }
    if let Some(name) = asked("PidMode") {
        match process(host, name, "PID") {
            Ok(place) => peers.joined.pid = Some(place.join("ns/pid")),
            Err(error) => missing(error)?,
        }
    }
    if let Some(name) = asked("IpcMode") {
        match shared_memory(host, name) {
            Ok(place) => peers.joined.ipc = Some(place),
            Err(error) => missing(error)?,
        }
    }
    for link in links::wanted(inspect) {
        match links::one(host, &link) {
            Ok(made) => peers.links.add(made),
            Err(error) => missing(error)?,
        }
    }
    Ok(peers)
}

/// The folder in `/proc` of a living container's first process. A bare number is a process of this machine.
fn process(host: &Host, name: &str, what: &'static str) -> Result<PathBuf, LifeError> {
    let at = |pid: i32| PathBuf::from(format!("/proc/{pid}"));
    match inspect(host, name) {
        Ok((container, record)) => match crate::runtime::living(&record) {
            Some(pid) => Ok(at(pid)),
            None => Err(LifeError::JoinStopped { what, id: container.id.to_string() }),
        },
        Err(error) => name.parse().ok().map(at).filter(|place| place.exists()).ok_or(error),
    }
}

/// The same, of one that lets others have its shared memory.
fn shared_memory(host: &Host, name: &str) -> Result<PathBuf, LifeError> {
    if let Ok((container, record)) = inspect(host, name)
        && !matches!(record["HostConfig"]["IpcMode"].as_str(), Some("shareable" | "host"))
    {
        return Err(LifeError::NotShareable(container.id.to_string()));
    }
    Ok(process(host, name, "IPC")?.join("ns/ipc"))
}
