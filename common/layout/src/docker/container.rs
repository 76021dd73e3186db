//! A container's record (`config.json` before 1.10, `config.v2.json` since): bytes to [`Container`].
//!
//! The fields and the versions that have them: docs/layouts/docker-content.md (moby container/container.go,
//! container/state.go from v1.13.0, daemon/container.go before).

use model::{Container, Health, HostPath, Id, Mount, MountKind, State, Status, Timestamp};
use serde::Deserialize;

use crate::docker::ports::{self, PortMapping, Ports};
use crate::json::{self, Loose, Notes, Pairs};

/// What lists need of the record. The rest is kept by `inspect`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Record {
    #[serde(rename = "ID")]
    id: Loose<String>,
    #[serde(rename = "Created")]
    created: Loose<String>,
    #[serde(rename = "Path")]
    path: Loose<String>,
    #[serde(rename = "Args")]
    args: Loose<Vec<String>>,
    #[serde(rename = "Name")]
    name: Loose<String>,
    #[serde(rename = "Image")]
    image: Loose<String>,
    #[serde(rename = "Driver")]
    driver: Loose<String>,
    #[serde(rename = "State")]
    state: Loose<StateRecord>,
    #[serde(rename = "Config")]
    config: Loose<ConfigRecord>,
    #[serde(rename = "NetworkSettings")]
    network: Loose<NetworkRecord>,
    #[serde(rename = "MountPoints")]
    mount_points: Loose<Pairs<Loose<MountRecord>>>,
    #[serde(rename = "Volumes")]
    volumes: Loose<Pairs<String>>,
    #[serde(rename = "VolumesRW")]
    volumes_rw: Loose<Pairs<bool>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct StateRecord {
    running: Loose<bool>,
    paused: Loose<bool>,
    restarting: Loose<bool>,
    #[serde(rename = "OOMKilled")]
    oom_killed: Loose<bool>,
    removal_in_progress: Loose<bool>,
    dead: Loose<bool>,
    pid: Loose<i64>,
    exit_code: Loose<i64>,
    error: Loose<String>,
    started_at: Loose<String>,
    finished_at: Loose<String>,
    health: Loose<HealthRecord>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct HealthRecord {
    status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct ConfigRecord {
    image: Loose<String>,
    labels: Loose<Pairs<Option<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct NetworkRecord {
    ports: Loose<Ports>,
    port_mapping: Loose<PortMapping>,
    networks: Loose<Pairs<serde::de::IgnoredAny>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct MountRecord {
    name: Option<String>,
    source: Option<String>,
    destination: Option<String>,
    driver: Option<String>,
    #[serde(rename = "RW")]
    writable: Option<bool>,
    r#type: Option<String>,
}

/// A container from the bytes of its record. `folder` is the name of its folder, which is its id; `None` with a finding
/// where the record says nothing at all.
pub(crate) fn parse(raw: &[u8], folder: &Id, store: usize, path: &HostPath, notes: &mut Notes) -> Option<Container> {
    let record = record(raw, notes)?;
    let id = record.id.take("ID", notes);
    if id != folder.as_str() {
        notes.add("id-differs", format!("the record says ID '{id}', its folder is '{folder}'; the folder counts"));
    }
    let config = record.config.take("Config", notes);
    let network = record.network.take("NetworkSettings", notes);
    let image = record.image.take("Image", notes);
    let named = config.image.take("Config.Image", notes);
    let name = record.name.take("Name", notes);
    let mut networks: Vec<String> =
        network.networks.take("NetworkSettings.Networks", notes).0.into_iter().map(|(name, _)| name).collect();
    networks.sort();
    Some(Container {
        id: folder.clone(),
        store,
        names: if name.is_empty() { Vec::new() } else { vec![name.strip_prefix('/').unwrap_or(&name).to_string()] },
        image: if named.is_empty() { image.clone() } else { named },
        image_id: Id::new(&image),
        path: record.path.take("Path", notes),
        args: record.args.take("Args", notes),
        created: time(record.created, "Created", notes),
        state: state(record.state, notes),
        labels: labels(config.labels, notes),
        ports: ports::either(network.ports, network.port_mapping, notes),
        mounts: mounts(record.mount_points, record.volumes, record.volumes_rw, notes),
        networks,
        driver: record.driver.take("Driver", notes).into(),
        record: path.clone(),
    })
}

/// The typed record. A key that is there twice, or bytes that are not UTF-8, make a second, slower reading necessary.
fn record(raw: &[u8], notes: &mut Notes) -> Option<Record> {
    if let Ok(record) = json::fits(raw) {
        return Some(record);
    }
    let text = String::from_utf8_lossy(raw);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        notes.add("not-utf8", "it holds bytes that are not UTF-8; they are shown as U+FFFD");
    }
    let value = json::value(text.as_bytes(), notes)?;
    if !value.is_object() {
        notes.add("record-damaged", "it is JSON, but no object");
        return None;
    }
    let again = serde_json::to_vec(&value).ok()?;
    json::parse(&again, notes)
}

fn labels(found: Loose<Pairs<Option<String>>>, notes: &mut Notes) -> Vec<(String, String)> {
    found.take("Config.Labels", notes).0.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect()
}

fn state(found: Loose<StateRecord>, notes: &mut Notes) -> State {
    let record = match found {
        Loose::Absent => {
            notes.add("value-missing", "State is not there: whether it ran cannot be told");
            return State::default();
        }
        Loose::Null => {
            notes.add("value-missing", "State is null: whether it ran cannot be told");
            return State::default();
        }
        other => match other.get("State", notes) {
            Some(record) => record,
            None => return State::default(),
        },
    };
    let odd_start = matches!(record.started_at, Loose::Bad(_));
    let started = time(record.started_at, "State.StartedAt", notes);
    let flags = Flags {
        running: record.running.take("State.Running", notes),
        paused: record.paused.take("State.Paused", notes),
        restarting: record.restarting.take("State.Restarting", notes),
        removing: record.removal_in_progress.take("State.RemovalInProgress", notes),
        dead: record.dead.take("State.Dead", notes),
        started: started.is_some() || odd_start,
    };
    State {
        status: flags.status(),
        exit_code: record.exit_code.get("State.ExitCode", notes),
        started,
        finished: time(record.finished_at, "State.FinishedAt", notes),
        pid: record.pid.take("State.Pid", notes),
        error: record.error.take("State.Error", notes),
        oom_killed: record.oom_killed.take("State.OOMKilled", notes),
        health: record.health.take("State.Health", notes).status.as_deref().and_then(health),
    }
}

/// The flags that make docker's one word (container/state.go StateString, v20.10.24).
struct Flags {
    running: bool,
    paused: bool,
    restarting: bool,
    removing: bool,
    dead: bool,
    started: bool,
}

impl Flags {
    fn status(&self) -> Status {
        match self {
            Flags { running: true, paused: true, .. } => Status::Paused,
            Flags { restarting: true, .. } => Status::Restarting,
            Flags { running: true, .. } => Status::Running,
            Flags { removing: true, .. } => Status::Removing,
            Flags { dead: true, .. } => Status::Dead,
            Flags { started: false, .. } => Status::Created,
            _ => Status::Exited,
        }
    }
}

fn health(word: &str) -> Option<Health> {
    match word {
        "starting" => Some(Health::Starting),
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        _ => None,
    }
}

/// A time; `None` for Go's zero, which means never.
fn time(found: Loose<String>, key: &str, notes: &mut Notes) -> Option<Timestamp> {
    let text = found.get(key, notes)?;
    match Timestamp::parse_rfc3339(&text) {
        Some(time) => (!time.is_zero()).then_some(time),
        None if text.is_empty() => None,
        None => {
            notes.add("value-odd", format!("{key} holds '{text}', which is no time; it is left out"));
            None
        }
    }
}

/// What is mounted, by destination: `MountPoints` from 1.7 on, `Volumes` and `VolumesRW` before.
fn mounts(
    points: Loose<Pairs<Loose<MountRecord>>>,
    volumes: Loose<Pairs<String>>,
    writable: Loose<Pairs<bool>>,
    notes: &mut Notes,
) -> Vec<Mount> {
    let mut out: Vec<Mount> = Vec::new();
    for (destination, point) in points.take("MountPoints", notes).0 {
        if let Some(point) = point.get(&format!("MountPoints '{destination}'"), notes) {
            out.push(mount(destination, point));
        }
    }
    if out.is_empty() {
        let writable = writable.take("VolumesRW", notes).0;
        for (destination, source) in volumes.take("Volumes", notes).0 {
            let writable = writable.iter().find(|(key, _)| *key == destination).is_none_or(|(_, rw)| *rw);
            out.push(old_mount(destination, source, writable));
        }
    }
    out.sort_by(|a, b| a.destination.cmp(&b.destination));
    out
}

fn mount(destination: String, point: MountRecord) -> Mount {
    let name = point.name.unwrap_or_default();
    let driver = point.driver.unwrap_or_default();
    let kind = match point.r#type.as_deref() {
        Some("volume") => MountKind::Volume,
        Some("bind") => MountKind::Bind,
        Some("tmpfs") => MountKind::Tmpfs,
        Some("") | None if name.is_empty() && driver.is_empty() => MountKind::Bind,
        Some("") | None => MountKind::Volume,
        Some(_) => MountKind::Other,
    };
    let destination = point.destination.filter(|it| !it.is_empty()).unwrap_or(destination);
    Mount {
        kind,
        name,
        source: point.source.unwrap_or_default(),
        destination,
        driver,
        writable: point.writable.unwrap_or(false),
    }
}

/// Before 1.7 a volume is told by where it lies (docs/layouts/docker-graph.md, volumes).
fn old_mount(destination: String, source: String, writable: bool) -> Mount {
    let name = volume_name(&source).unwrap_or_default().to_string();
    let (kind, driver) = if name.is_empty() { (MountKind::Bind, "") } else { (MountKind::Volume, "local") };
    Mount { kind, name, source, destination, driver: driver.into(), writable }
}

/// The id of the volume whose files lie at a path that docker before 1.7 recorded.
pub(crate) fn volume_name(source: &str) -> Option<&str> {
    let rest = source.split_once("/vfs/dir/").or_else(|| source.split_once("/volumes/")).map(|(_, rest)| rest)?;
    let name = rest.split('/').next().unwrap_or(rest);
    (name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())).then_some(name)
}
