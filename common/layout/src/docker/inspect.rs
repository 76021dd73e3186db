//! A container's records of any age in the shape of docker's inspect of today (docs/layouts/inspect.md).
//!
//! The shape: api/types/container InspectResponse, moby v28.5.2, with the keys that older engines answered and later
//! ones dropped. Whatever else a record holds is kept under its own name.

use hostfs::Root;
use model::{Container, Finding, Generation, LayerRef, Store};
use serde_json::{Map, Value, json};

use crate::Found;
use crate::docker::{folders, graph_driver, links, network_settings, ports, settings};
use crate::docker_graph::{linkgraph, runtime};
use crate::json::{self as record, Notes};
use crate::paths::Paths;

/// Keys of the answer, in docker's order. What else the record has follows.
const ORDER: [&str; 24] = [
    "Id",
    "Created",
    "Path",
    "Args",
    "State",
    "Image",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "Name",
    "RestartCount",
    "Driver",
    "Platform",
    "MountLabel",
    "ProcessLabel",
    "AppArmorProfile",
    "ExecIDs",
    "HostConfig",
    "GraphDriver",
    "Mounts",
    "Config",
    "NetworkSettings",
    "ImageManifestDescriptor",
];

/// A container of a store, with its hostconfig.json and what its runtime left.
pub(crate) fn container(root: &Root, stores: &[Store], container: &Container) -> Found<Value> {
    let store = &stores[container.store];
    let mut notes = Notes::new(format!("container {}", container.id.short()), &container.record);
    let mut record = match record::read_value(root, &container.record, &mut notes) {
        Some(Value::Object(record)) => record,
        _ => Map::new(),
    };
    let mut host = host_config(root, store, container, &mut notes);
    shown_links(root, store, container, &mut host, &mut notes);
    let old = matches!(store.generation, Generation::DockerFirst | Generation::DockerGraph);
    let runtime = if old { runtime::read(root, store, container, &record, &mut notes) } else { Value::Null };
    record.insert("Id".into(), container.id.as_str().into());
    record.shift_remove("ID");
    driver(&mut record, container);
    let (graph_driver, own) = graph_driver::container(root, store, container, &mut notes);
    record.insert("GraphDriver".into(), graph_driver);
    if let Some(descriptor) = record.get("ImageManifest").filter(|it| !it.is_null()) {
        record.insert("ImageManifestDescriptor".into(), descriptor.clone());
    }
    log_path(&mut record, store, container);
    let mut shown = shape(record, host, Some(container), store, &mut notes);
    let added = added(root, store, container, &shown, own, runtime, &notes.list);
    shown.insert("Dockless".into(), added);
    (shown.into(), notes.list)
}

/// A record alone, as the bytes of a `config.json` or `config.v2.json` give it.
pub(crate) fn alone(mut record: Map<String, Value>, store: &Store, notes: &mut Notes) -> Map<String, Value> {
    if let Some(id) = record.shift_remove("ID") {
        record.insert("Id".into(), id);
    }
    shape(record, Map::new(), None, store, notes)
}

fn host_config(root: &Root, store: &Store, container: &Container, notes: &mut Notes) -> Map<String, Value> {
    let path = folders::of(store, &container.id).join("hostconfig.json");
    let read = record::read_if_there(root, &path, notes).and_then(|raw| record::value(&raw, notes.at(&path)));
    match read {
        Some(Value::Object(host)) => host,
        Some(Value::Null) | None => Map::new(),
        Some(_) => {
            notes.at(&path).add("record-damaged", "it is JSON, but no object");
            Map::new()
        }
    }
}

/// Links as docker shows them, `/web:/linked/w`: from linkgraph.db before 1.10, from `name:alias` since.
fn shown_links(root: &Root, store: &Store, container: &Container, host: &mut Map<String, Value>, notes: &mut Notes) {
    let user = container.names.first().cloned().unwrap_or_default();
    let recorded: Vec<String> = host
        .get("Links")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|it| it.as_str().map(String::from))
        .collect();
    // Docker looked them up for inspect from 1.2 on, as it had restart policies (daemon/inspect.go, v1.2.0).
    let asks = host.contains_key("RestartPolicy");
    let mode = host.get("NetworkMode").and_then(Value::as_str).unwrap_or_default();
    let shown: Vec<String> = match store.generation {
        Generation::DockerFirst | Generation::DockerGraph if recorded.is_empty() && asks => {
            linkgraph::links_of(root, store, container, notes)
        }
        Generation::DockerFirst | Generation::DockerGraph if recorded.is_empty() => Vec::new(),
        Generation::DockerContent | Generation::DockerContainerd if links::on_own_network(mode) => Vec::new(),
        _ => recorded.iter().map(|link| shown_link(link, &user)).collect(),
    };
    if !shown.is_empty() || !recorded.is_empty() {
        host.insert("Links".into(), shown.into());
    }
}

fn shown_link(link: &str, user: &str) -> String {
    let (target, alias) = link.split_once(':').unwrap_or((link, link));
    if alias.starts_with('/') {
        link.to_string()
    } else {
        format!("/{}:/{user}/{alias}", target.trim_start_matches('/'))
    }
}

fn driver(record: &mut Map<String, Value>, container: &Container) {
    record.insert("Driver".into(), container.driver.to_string().into());
}

/// Before 1.6 the log lay at one place, which no record named.
fn log_path(record: &mut Map<String, Value>, store: &Store, container: &Container) {
    if !record.contains_key("LogPath") {
        let home = String::from_utf8_lossy(&store.recorded).into_owned();
        let id = container.id.as_str();
        record.insert("LogPath".into(), format!("{home}/containers/{id}/{id}-json.log").into());
    }
}

/// The record and the host's side of it, in today's shape.
fn shape(
    mut record: Map<String, Value>,
    mut host: Map<String, Value>,
    known: Option<&Container>,
    store: &Store,
    notes: &mut Notes,
) -> Map<String, Value> {
    if !record.contains_key("Name") {
        let name = known.and_then(|it| it.names.first()).map(|name| format!("/{name}")).unwrap_or_default();
        record.insert("Name".into(), name.into());
    }
    let started = known.is_none_or(|it| it.state.status != model::Status::Created);
    if let Some(state) = record.get_mut("State") {
        state_shape(state, known);
    }
    let mut config = take_object(&mut record, "Config");
    settings::moved(&mut config, &mut host);
    if let Some(specs) = config.get("PortSpecs").and_then(Value::as_array).cloned() {
        ports::from_specs(&specs, &mut config, &mut host, notes);
    }
    settings::complete(&mut host);
    let platform = ["OS", "Platform"]
        .into_iter()
        .find_map(|key| record.get(key)?.as_str().filter(|os| !os.is_empty()))
        .unwrap_or("linux")
        .to_string();
    record.insert("Platform".into(), platform.into());
    record.entry("RestartCount").or_insert(0.into());
    record.entry("ExecIDs").or_insert(Value::Null);
    for key in ["MountLabel", "ProcessLabel", "AppArmorProfile"] {
        record.entry(key).or_insert("".into());
    }
    let mounts = mounts(&record, known, store);
    record.insert("Mounts".into(), mounts);
    let network = take_object(&mut record, "NetworkSettings");
    record.insert("NetworkSettings".into(), network_settings::shape(network, &host, started, notes).into());
    record.insert("HostConfig".into(), host.into());
    record.insert("Config".into(), config.into());
    ordered(record, &ORDER)
}

fn take_object(record: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match record.shift_remove(key) {
        Some(Value::Object(table)) => table,
        _ => Map::new(),
    }
}

/// The same object with these keys first.
pub(crate) fn ordered(mut record: Map<String, Value>, order: &[&str]) -> Map<String, Value> {
    let mut out = Map::new();
    for key in order {
        if let Some(value) = record.shift_remove(*key) {
            out.insert((*key).into(), value);
        }
    }
    out.extend(record);
    out
}

/// `State`: with docker's word for it, and what older engines had no key for. An exit code that is not recorded (1.12)
/// stays away: nothing is known of it.
fn state_shape(state: &mut Value, known: Option<&Container>) {
    let Value::Object(table) = state else { return };
    let status = known.map(|it| it.state.status.word()).unwrap_or_default();
    if !status.is_empty() {
        table.entry("Status").or_insert(status.into());
    }
    for key in ["Running", "Paused", "Restarting", "OOMKilled", "Dead"] {
        table.entry(key).or_insert(false.into());
    }
    table.entry("Pid").or_insert(0.into());
    table.entry("Error").or_insert("".into());
    for key in ["StartedAt", "FinishedAt"] {
        table.entry(key).or_insert(model::Timestamp::ZERO.rfc3339().into());
    }
    match table.get_mut("Health") {
        Some(Value::Object(health)) if health.get("Log").is_some_and(Value::is_null) => {
            drop(health.insert("Log".into(), json!([])))
        }
        Some(Value::Null) => drop(table.shift_remove("Health")),
        _ => {}
    }
    const ORDER: [&str; 12] = [
        "Status",
        "Running",
        "Paused",
        "Restarting",
        "OOMKilled",
        "Dead",
        "Pid",
        "ExitCode",
        "Error",
        "StartedAt",
        "FinishedAt",
        "Health",
    ];
    *table = ordered(std::mem::take(table), &ORDER);
}

/// `Mounts` from the record's mounts (daemon/inspect.go, api/types/container MountPoint, v28.5.2).
fn mounts(record: &Map<String, Value>, known: Option<&Container>, store: &Store) -> Value {
    let points = record.get("MountPoints").and_then(Value::as_object);
    let raw = |destination: &str, key: &str| {
        points.and_then(|all| all.get(destination)?.get(key)?.as_str()).unwrap_or_default().to_string()
    };
    let mut out = Vec::new();
    for mount in known.map(|it| it.mounts.as_slice()).unwrap_or_default() {
        let kind = match mount.kind {
            model::MountKind::Bind => "bind".into(),
            model::MountKind::Volume => "volume".into(),
            model::MountKind::Tmpfs => "tmpfs".into(),
            model::MountKind::Image => "image".into(),
            model::MountKind::Other => raw(&mount.destination, "Type"),
        };
        let mut shown = Map::new();
        shown.insert("Type".into(), kind.into());
        if !mount.name.is_empty() {
            shown.insert("Name".into(), mount.name.clone().into());
        }
        shown.insert("Source".into(), source(mount, store).into());
        shown.insert("Destination".into(), mount.destination.clone().into());
        if !mount.driver.is_empty() {
            shown.insert("Driver".into(), mount.driver.clone().into());
        }
        // The Go field is called Mode, its key is still that of 1.7 (volume/mounts/mounts.go, v20.10.24).
        shown.insert("Mode".into(), raw(&mount.destination, "Relabel").into());
        shown.insert("RW".into(), mount.writable.into());
        shown.insert("Propagation".into(), raw(&mount.destination, "Propagation").into());
        out.push(shown.into());
    }
    Value::Array(out)
}

/// A volume that was never mounted has no source yet; docker asks the volume, which lies where all do.
fn source(mount: &model::Mount, store: &Store) -> String {
    if mount.source.is_empty()
        && mount.kind == model::MountKind::Volume
        && matches!(mount.driver.as_str(), "" | "local")
    {
        return format!("{}/volumes/{}/_data", String::from_utf8_lossy(&store.recorded), mount.name);
    }
    mount.source.clone()
}

/// What dockless knows beside the records: where they lie, and where in the evidence is what they name.
fn added(
    root: &Root,
    store: &Store,
    container: &Container,
    shown: &Map<String, Value>,
    own: Option<LayerRef>,
    runtime: Value,
    findings: &[Finding],
) -> Value {
    let mut paths = Paths::new(root, store, folders::of(store, &container.id));
    let mut out = Map::new();
    out.insert("Store".into(), store.to_string().into());
    out.insert("Record".into(), container.record.to_string().into());
    let written = paths.stat(&container.record);
    out.insert("WrittenAt".into(), written.map_or(Value::Null, |stat| stat.mtime.rfc3339().into()));
    paths.add_shown(shown);
    for mount in &container.mounts {
        paths.add(&source(mount, store), Some(&mount.destination));
    }
    if let Some(own) = own.or_else(|| snapshot(root, store, container)) {
        paths.add_files(&own);
    }
    out.insert("Paths".into(), paths.take());
    if !runtime.is_null() {
        out.insert("Runtime".into(), runtime);
    }
    out.insert("Findings".into(), findings.iter().map(Finding::to_string).collect::<Vec<_>>().into());
    out.into()
}

/// The own layer of a container whose files containerd keeps.
fn snapshot(root: &Root, store: &Store, container: &Container) -> Option<LayerRef> {
    let is_here = store.generation == Generation::DockerContainerd;
    let (rootfs, _) = is_here.then(|| crate::rootfs(root, store, container).ok())??;
    rootfs.layers.into_iter().next()
}
