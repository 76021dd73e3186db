//! One row: docker's fields (docker/cli v28, cli/command/formatter/container.go) and exact ones of our own.

use cli::format::{Column, Row, quoted};
use cli::human;
use host::Host;
use hostfs::process::Process;
use model::{Container, Generation, Health, State, Status, Timestamp};
use serde_json::Value;

use crate::ports;
use crate::size::Size;

/// What stands above the columns.
pub const HEADERS: &[Column] = &[
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
    ("Store", "STORE"),
    ("Created", "CREATED"),
    ("Started", "STARTED"),
    ("Finished", "FINISHED"),
    ("ExitCode", "EXIT CODE"),
    ("Health", "HEALTH"),
    ("ImageID", "IMAGE ID"),
    ("SizeBytes", "SIZE"),
    ("Record", "RECORD"),
];

/// What a row is made with.
pub struct Seen<'a> {
    /// The host that the container is on.
    pub host: &'a Host,
    /// What its image is called.
    pub image: &'a str,
    /// How much it wrote, where that was asked for.
    pub size: Option<Size>,
    /// Whether single labels may be asked for.
    pub labels: bool,
    /// Whether to shorten.
    pub trunc: bool,
}

/// The row of a container, with the fields that are asked for.
pub fn row(container: &Container, seen: &Seen, wanted: &[&'static str]) -> Row {
    let now = human::now();
    let time = |time: Option<Timestamp>| time.map(Timestamp::rfc3339).into();
    let state = &container.state;
    let field = |name: &str| -> Value {
        match name {
            "ID" => if seen.trunc { container.id.short() } else { container.id.as_str() }.into(),
            "Names" => names(container, seen.trunc).into(),
            "Image" => image(container, seen).into(),
            "Command" => command(container, seen.trunc).into(),
            "CreatedAt" => container.created.map(Timestamp::docker).unwrap_or_default().into(),
            "RunningFor" => human::ago(container.created, now).into(),
            "Ports" => ports::shown(&container.ports).into(),
            "State" => state.status.word().into(),
            "Status" => status(state, now).into(),
            "Size" => seen.size.map_or_else(|| "0B".into(), Size::shown).into(),
            "Labels" => labels(&container.labels).into(),
            "LocalVolumes" => {
                container.mounts.iter().filter(|mount| mount.driver == "local").count().to_string().into()
            }
            "Mounts" => mounts(container, seen.trunc).into(),
            "Networks" => container.networks.join(",").into(),
            "Store" => seen.host.store(container.store).to_string().into(),
            "Created" => time(container.created),
            "Started" => time(state.started),
            "Finished" => time(state.finished),
            "ExitCode" => state.exit_code.into(),
            "Health" => state.health.map(health).into(),
            "ImageID" => container.image_id.as_ref().map(ToString::to_string).into(),
            "SizeBytes" => seen.size.map(|size| size.written).into(),
            "Record" => container.record.to_string().into(),
            // `Platform` is in no record.
            _ => Value::Null,
        }
    };
    let row = Row::new(wanted.iter().map(|&name| (name, field(name))));
    if seen.labels { row.labelled(&container.labels) } else { row }
}

// A link's alias (`web/db`) is shown only where nothing is shortened.
fn names(container: &Container, trunc: bool) -> String {
    let own = container.names.iter().find(|name| !name.contains('/'));
    match own {
        Some(own) if trunc => own.clone(),
        _ => container.names.join(","),
    }
}

fn image(container: &Container, seen: &Seen) -> String {
    if seen.image.is_empty() {
        // Podman says nothing of a container without one (an infra container, `--rootfs`).
        let podman = seen.host.store(container.store).generation == Generation::ContainersStorage;
        return if podman { String::new() } else { "<no image>".into() };
    }
    let id = container.image_id.as_ref().map_or("", |id| id.short());
    if seen.trunc && human::short_id(seen.image) == id {
        return id.into();
    }
    // A name with a digest is shown without it.
    match seen.image.split_once('@') {
        Some((name, _)) if seen.trunc => name.into(),
        _ => seen.image.into(),
    }
}

/// The command as docker writes it: arguments with a space in quotes (moby v28 daemon/list.go).
pub fn plain_command(container: &Container) -> String {
    let mut command = container.path.clone();
    for arg in &container.args {
        command.push(' ');
        if arg.contains(' ') { command.push_str(&format!("'{arg}'")) } else { command.push_str(arg) }
    }
    command
}

fn command(container: &Container, trunc: bool) -> String {
    let command = plain_command(container);
    quoted(&if trunc { human::ellipsis(&command, 20) } else { command })
}

/// Docker's words for a state (moby v28 container/state.go). A host that is not running has no clock: what was live is
/// said to have been so when last written, with its start, unless its process lives here and now.
pub fn status(state: &State, now: Timestamp) -> String {
    let code = state.exit_code.map_or_else(|| "?".into(), |code| code.to_string());
    let started = || match state.started {
        Some(time) => format!("started {}", human::ago(Some(time), now)),
        None => "start unknown".into(),
    };
    let ran = state.started.filter(|_| matches!(state.status, Status::Running | Status::Paused));
    if let Some(began) = ran.filter(|began| Process::recorded(state.pid, *began).is_some()) {
        return up(state, began, now);
    }
    match state.status {
        Status::Created => "Created".into(),
        Status::Running => match state.health.map(health) {
            Some(health) => format!("Up when last written ({health}, {})", started()),
            None => format!("Up when last written ({})", started()),
        },
        Status::Paused => format!("Up when last written (Paused, {})", started()),
        Status::Restarting => format!("Restarting ({code}) when last written ({})", started()),
        Status::Removing => "Removal In Progress".into(),
        Status::Dead => "Dead".into(),
        Status::Exited => match state.finished {
            Some(time) => format!("Exited ({code}) {}", human::ago(Some(time), now)),
            None => format!("Exited ({code})"),
        },
        Status::Unknown => "Unknown".into(),
    }
}

/// What is said of a container that lives.
fn up(state: &State, began: Timestamp, now: Timestamp) -> String {
    let time = human::between(began, now);
    match (state.status, state.health.map(health)) {
        (Status::Paused, _) => format!("Up {time} (Paused)"),
        (_, Some(health)) => format!("Up {time} ({health})"),
        (_, None) => format!("Up {time}"),
    }
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Starting => "health: starting",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    }
}

/// Labels as docker joins them.
fn labels(labels: &[(String, String)]) -> String {
    let mut pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    pairs.join(",")
}

fn mounts(container: &Container, trunc: bool) -> String {
    let name = |mount: &model::Mount| if mount.name.is_empty() { mount.source.clone() } else { mount.name.clone() };
    let names = container.mounts.iter().map(name).filter(|name| !name.is_empty());
    names.map(|name| if trunc { human::ellipsis(&name, 15) } else { name }).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_as_dockers_and_say_what_is_not_known() {
        let at = |seconds| Some(Timestamp::new(seconds, 0));
        let now = Timestamp::new(7200, 0);
        for (status_word, code, started, finished, state_health, text) in [
            (Status::Exited, Some(3), at(0), at(0), None, "Exited (3) 2 hours ago"),
            (Status::Exited, None, None, None, None, "Exited (?)"),
            (Status::Created, Some(0), None, None, None, "Created"),
            (Status::Running, Some(0), at(3600), None, None, "Up when last written (started About an hour ago)"),
            (
                Status::Running,
                Some(0),
                at(3600),
                None,
                Some(Health::Healthy),
                "Up when last written (healthy, started About an hour ago)",
            ),
            (Status::Paused, Some(0), at(3600), None, None, "Up when last written (Paused, started About an hour ago)"),
            (
                Status::Restarting,
                Some(7),
                at(3600),
                None,
                None,
                "Restarting (7) when last written (started About an hour ago)",
            ),
            (Status::Unknown, None, None, None, None, "Unknown"),
        ] {
            let state = State {
                status: status_word,
                exit_code: code,
                started,
                finished,
                health: state_health,
                ..State::default()
            };
            assert_eq!(status(&state, now), text);
        }
    }

    #[test]
    fn what_lives_here_is_up() {
        let own = Process::of(std::process::id()).unwrap();
        let began = own.started().unwrap();
        let now = Timestamp::new(began.seconds + 7200, 0);
        let state =
            |status, health| State { status, started: Some(began), pid: own.pid.into(), health, ..State::default() };
        for (word, health, text) in [
            (Status::Running, None, "Up 2 hours"),
            (Status::Running, Some(Health::Starting), "Up 2 hours (health: starting)"),
            (Status::Paused, None, "Up 2 hours (Paused)"),
            (Status::Created, None, "Created"),
        ] {
            assert_eq!(status(&state(word, health), now), text);
        }
    }
}
