//! Which containers are picked (moby v28 daemon/list.go).

use std::collections::HashSet;

use anyhow::Context;
use cli::Filters;
use cli::wrong_usage;
use host::Host;
use model::{Container, Health, Id, Image, PortBinding, Protocol, Timestamp};

use crate::args::Args;

const KNOWN: [&str; 14] = [
    "id", "name", "label", "status", "exited", "before", "since", "volume", "network", "ancestor", "publish", "expose",
    "health", "is-task",
];
const STATES: [&str; 7] = ["created", "dead", "exited", "paused", "removing", "restarting", "running"];

/// Reads the filters; docker 0.x's `-sinceId` and `-beforeId` are filters of today.
pub fn read(args: &Args) -> anyhow::Result<Filters> {
    let mut filters = args.filter.read(&KNOWN)?;
    for (key, value) in [("since", &args.since), ("before", &args.before)] {
        if let Some(value) = value {
            filters.add(key, value);
        }
    }
    check(&filters)?;
    Ok(filters)
}

fn check(filters: &Filters) -> anyhow::Result<()> {
    let wrong = |key: &str, value: &str| format!("invalid filter '{key}={}'", model::path::shown(value.as_bytes()));
    if let Some(value) = filters.values("status").find(|value| !STATES.contains(value)) {
        wrong_usage!("{}: one of {} is expected", wrong("status", value), STATES.join(", "));
    }
    if let Some(value) =
        filters.values("health").find(|value| !["starting", "healthy", "unhealthy", "none"].contains(value))
    {
        wrong_usage!("{}: starting, healthy, unhealthy or none is expected", wrong("health", value));
    }
    if let Some(value) = filters.values("exited").find(|value| value.parse::<i64>().is_err()) {
        wrong_usage!("{}: an exit code is expected", wrong("exited", value));
    }
    for key in ["publish", "expose"] {
        if let Some(value) = filters.values(key).find(|value| Ports::parse(value).is_none()) {
            wrong_usage!("{}: PORT[-PORT][/PROTOCOL] is expected", wrong(key, value));
        }
    }
    filters.flag("is-task")?;
    Ok(())
}

/// The filters, with what they name looked up once.
pub struct Picker<'a> {
    filters: &'a Filters,
    before: Option<&'a Container>,
    since: Option<&'a Container>,
    networks: Vec<String>,
    images: HashSet<Id>,
    is_task: Option<bool>,
}

impl<'a> Picker<'a> {
    /// Looks up what the filters name.
    pub fn new(
        filters: &'a Filters,
        host: &Host,
        containers: &'a [Container],
        images: &[Image],
    ) -> anyhow::Result<Picker<'a>> {
        let named = |key: &'static str| -> anyhow::Result<Option<&'a Container>> {
            let Some(name) = filters.values(key).last() else { return Ok(None) };
            let found = host::lookup::container(containers.to_vec(), name, &[])
                .with_context(|| format!("invalid filter '{key}'"))?;
            Ok(containers.iter().find(|container| container.id == found.id && container.store == found.store))
        };
        Ok(Picker {
            filters,
            before: named("before")?,
            since: named("since")?,
            networks: networks(filters, host),
            images: heirs(filters, images),
            is_task: filters.flag("is-task")?,
        })
    }

    /// Whether a container is picked.
    pub fn takes(&self, container: &Container) -> bool {
        let filters = self.filters;
        let names: Vec<String> = container.names.iter().flat_map(|name| [format!("/{name}"), name.clone()]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        filters.matches("id", &[container.id.as_str()])
            && filters.matches("name", &names)
            && filters.labels(&container.labels)
            && filters.any("status", |value| value == container.state.status.word())
            && filters.any("exited", |value| {
                value.parse().ok() == container.state.exit_code && !container.state.status.is_live()
            })
            && filters.any("health", |value| value == health(container.state.health))
            && filters.any("volume", |value| container.mounts.iter().any(|mount| is_mount(mount, value)))
            && filters.any("publish", |value| has_port(container, value, |port| port.host.map(|(_, public)| public)))
            && filters.any("expose", |value| has_port(container, value, |port| Some(port.port)))
            && (!filters.has("network") || container.networks.iter().any(|name| self.networks.contains(name)))
            && (!filters.has("ancestor") || container.image_id.as_ref().is_some_and(|id| self.images.contains(id)))
            && self.is_task.is_none_or(|wanted| {
                wanted == container.labels.iter().any(|(name, _)| name == "com.docker.swarm.task.id")
            })
            && self.before.is_none_or(|other| made(container) < made(other))
            && self.since.is_none_or(|other| made(container) > made(other))
    }
}

fn made(container: &Container) -> Option<Timestamp> {
    container.created
}

fn health(health: Option<Health>) -> &'static str {
    match health {
        None => "none",
        Some(Health::Starting) => "starting",
        Some(Health::Healthy) => "healthy",
        Some(Health::Unhealthy) => "unhealthy",
    }
}

fn is_mount(mount: &model::Mount, value: &str) -> bool {
    mount.name == value && !value.is_empty() || mount.destination.trim_end_matches('/') == value.trim_end_matches('/')
}

/// The networks' names that the filter means, by name or id.
fn networks(filters: &Filters, host: &Host) -> Vec<String> {
    if !filters.has("network") {
        return Vec::new();
    }
    let known = host.networks().0;
    let mut names: Vec<String> = filters.values("network").map(String::from).collect();
    let by_id = known.iter().filter(|network| filters.values("network").any(|value| network.id.as_str() == value));
    names.extend(by_id.map(|network| network.name.clone()));
    names
}

/// The images that the filter means and all that were made on them.
fn heirs(filters: &Filters, images: &[Image]) -> HashSet<Id> {
    let mut heirs: HashSet<Id> = HashSet::new();
    for value in filters.values("ancestor") {
        let Ok(at) = host::lookup::image(images, value) else { continue };
        heirs.insert(images[at].id.clone());
        let mut grew = true;
        while grew {
            let more: Vec<Id> = images
                .iter()
                .filter(|image| is_made_on(image, &heirs) && !heirs.contains(&image.id))
                .map(|image| image.id.clone())
                .collect();
            grew = !more.is_empty();
            heirs.extend(more);
        }
    }
    heirs
}

fn is_made_on(image: &Image, heirs: &HashSet<Id>) -> bool {
    image.parent.as_ref().is_some_and(|parent| heirs.contains(parent))
}

/// A port or a range of them, of one protocol.
struct Ports {
    first: u16,
    last: u16,
    protocol: Protocol,
}

impl Ports {
    fn parse(text: &str) -> Option<Ports> {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(Ports { first: first.parse().ok()?, last: last.parse().ok()?, protocol: Protocol::parse(protocol)? })
    }
}

fn has_port(container: &Container, value: &str, number: impl Fn(&PortBinding) -> Option<u16>) -> bool {
    let Some(wanted) = Ports::parse(value) else { return false };
    let fits = |port: &PortBinding| number(port).is_some_and(|n| (wanted.first..=wanted.last).contains(&n));
    container.ports.iter().any(|port| port.protocol == wanted.protocol && fits(port))
}
