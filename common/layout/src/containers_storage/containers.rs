//! Podman's containers: from libpod's database, and those that only containers/storage knows, as buildah and CRI-O make
//! them.

use std::net::{IpAddr, Ipv4Addr};

use hostfs::Root;
use model::{Container, HostPath, Id, Mount, MountKind, PortBinding, Protocol, State, Status, Store, Timestamp};
use serde_json::Value;

use super::age::Age;
use super::libpod::{Libpod, Record};
use super::{crio, records};
use crate::json::{self, Notes};
use crate::oci::config::pairs;
use crate::oci::spec::{Spec, texts};

/// A container's records, taken apart.
pub(crate) struct Parts {
    pub config: Value,
    pub state: Value,
    /// The runtime spec: the one that it was started with where that is kept, else the one it was made with.
    pub spec: Value,
    /// Its name for itself, or that of the container whose names it shares; `None` for the first digits of its id.
    pub hostname: Option<String>,
    /// Names of its networks with their options.
    pub networks: Vec<(String, Value)>,
    /// Ports as recorded, of the container whose network it shares where it has none of its own.
    pub ports: Vec<PortBinding>,
    /// Ports exposed, not all of them published.
    pub exposed: Vec<(u16, Protocol)>,
    /// Which podman answers ([`Libpod::age`]).
    pub age: Age,
}

/// All containers of a store, newest first; with a prefix, those whose id begins with it.
pub(crate) fn read(root: &Root, stores: &[Store], index: usize, prefix: &str, notes: &mut Notes) -> Vec<Container> {
    let store = &stores[index];
    let mut out: Vec<Container> = Vec::new();
    if let Some(libpod) = own_libpod(root, stores, index, notes) {
        for record in libpod.containers(prefix, notes) {
            let Some(id) = Id::new(&record.id) else { continue };
            let mut own = Notes::new(format!("container {}", id.short()), &libpod.path);
            if let Some(parts) = parts(root, store, &libpod, &record, &mut own) {
                out.push(container(id, index, store, &parts, &libpod.path));
            }
            notes.list.append(&mut own.list);
        }
    }
    for entry in records::containers(root, store, notes) {
        let Some(id) = Id::new(&entry.id).filter(|id| id.as_str().starts_with(prefix)) else { continue };
        if !out.iter().any(|container| container.id == id) {
            let mut container = stored_only(id, index, store, &entry, notes);
            crio::complete(root, store, &mut container, notes);
            out.push(container);
        }
    }
    out.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    out
}

/// libpod's database, where its containers are in this store: it has one driver, the folder may hold several.
pub(crate) fn own_libpod(root: &Root, stores: &[Store], index: usize, notes: &mut Notes) -> Option<Libpod> {
    let store = &stores[index];
    let libpod = Libpod::open(root, &store.home, notes)?;
    let driver = libpod.setup(notes).graph_driver;
    let mut here =
        (0..stores.len()).filter(|&at| stores[at].home == store.home && stores[at].generation == store.generation);
    let owner = here.clone().find(|&at| records::prefix(&stores[at].driver) == driver).or_else(|| here.next());
    (owner == Some(index)).then_some(libpod)
}

/// Takes a container's records apart; `None` with a finding where its config cannot be read.
pub(crate) fn parts(root: &Root, store: &Store, libpod: &Libpod, record: &Record, notes: &mut Notes) -> Option<Parts> {
    let (config, state) = record.values(notes)?;
    let options = |raw: &[u8]| serde_json::from_slice(raw).unwrap_or_default();
    let mut networks: Vec<(String, Value)> =
        record.networks.iter().map(|(name, raw)| (name.clone(), options(raw))).collect();
    if networks.is_empty() {
        let recorded = config.get("newNetworks").and_then(Value::as_object);
        networks = recorded.into_iter().flatten().map(|(name, options)| (name.clone(), options.clone())).collect();
    }
    networks.sort_by(|a, b| a.0.cmp(&b.0));
    let was_started = time(state.get("startedTime")).is_some();
    let spec = started_spec(root, store, &record.id, was_started, notes)
        .unwrap_or_else(|| config.get("spec").cloned().unwrap_or_default());
    let network = shared(libpod, &config, "netNsCtr");
    let network = network.as_ref().unwrap_or(&config);
    let names = shared(libpod, &config, "utsNsCtr");
    let hostname = match &names {
        Some(other) => other.pointer("/spec/hostname").and_then(Value::as_str),
        None => spec.get("hostname").and_then(Value::as_str),
    };
    // With the host's names the environment alone says what it was called.
    let hostname =
        hostname.filter(|name| !name.is_empty()).map(str::to_string).or_else(|| variable(&spec, "HOSTNAME="));
    let age = libpod.age();
    Some(Parts { ports: ports(network, age), exposed: exposed(network), hostname, config, state, spec, networks, age })
}

fn variable(spec: &Value, key: &str) -> Option<String> {
    let all = texts(spec.pointer("/process/env")?);
    all.iter().find_map(|variable| variable.strip_prefix(key)).map(str::to_string)
}

/// The config of another container whose namespace this one shares.
fn shared(libpod: &Libpod, config: &Value, key: &str) -> Option<Value> {
    let id = config.get(key)?.as_str().filter(|id| !id.is_empty())?;
    let mut notes = Notes::new("", &libpod.path);
    let other = libpod.containers(id, &mut notes).pop()?;
    other.values(&mut notes).map(|(config, _)| config)
}

/// The spec that the container was last started with (podman libpod/container_internal_common.go `specFromState`,
/// v5.8.2). Absent for one that never was; for one that was, its absence is damage.
fn started_spec(root: &Root, store: &Store, id: &str, was_started: bool, notes: &mut Notes) -> Option<Value> {
    let path = userdata(store, id)?.join("config.json");
    let raw = if was_started { json::read(root, &path, notes) } else { json::read_if_there(root, &path, notes) }?;
    json::value(&raw, notes.at(&path))
}

/// Where libpod keeps what belongs to one container.
pub(crate) fn userdata(store: &Store, id: &str) -> Option<HostPath> {
    let id = Id::new(id)?;
    Some(records::folder_of(store, "containers").join(id.as_str()).join("userdata"))
}

fn container(id: Id, index: usize, store: &Store, parts: &Parts, path: &HostPath) -> Container {
    let config = &parts.config;
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    // Podman's own list shows the command without the entrypoint.
    let mut command = texts(config.get("command").unwrap_or(&Value::Null)).into_iter();
    Container {
        store: index,
        names: Some(text("name")).filter(|name| !name.is_empty()).into_iter().collect(),
        image: text("rootfsImageName"),
        image_id: Id::new(&text("rootfsImageID")),
        path: command.next().unwrap_or_default(),
        args: command.collect(),
        created: time(config.get("createdTime")),
        state: state(&parts.state),
        labels: pairs(config.get("labels")),
        ports: listed(parts),
        mounts: mounts(store, parts),
        networks: parts.networks.iter().map(|(name, _)| name.clone()).collect(),
        driver: records::prefix(&store.driver).into(),
        record: path.clone(),
        id,
    }
}

/// A container that has no more than a layer, a name and what its maker wrote beside them (CRI-O and libpod both write
/// JSON with `image-name`, `name`, `created-at`; containers/storage keeps it as it is).
fn stored_only(id: Id, index: usize, store: &Store, entry: &records::Container, notes: &mut Notes) -> Container {
    let metadata: Value = serde_json::from_str(&entry.metadata).unwrap_or_default();
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    if entry.layer.is_empty() {
        notes.add("layer-missing", format!("container {} has no layer", id.short()));
    }
    let labels = ["pod-name", "pod-id", "metadata-name"].map(|key| (key.to_string(), text(key)));
    Container {
        store: index,
        names: entry.names.clone().unwrap_or_default(),
        image: text("image-name"),
        image_id: Id::new(&entry.image),
        path: String::new(),
        args: Vec::new(),
        created: Timestamp::parse_rfc3339(&entry.created),
        state: State::default(),
        labels: labels.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        ports: Vec::new(),
        mounts: Vec::new(),
        networks: Vec::new(),
        driver: records::prefix(&store.driver).into(),
        record: records::folder_of(store, "containers").join("containers.json"),
        id,
    }
}

/// libpod's numbers of states (podman libpod/define/containerstate.go, v5.8.2).
fn state(value: &Value) -> State {
    let number = |key: &str| value.get(key).and_then(Value::as_i64).unwrap_or(0);
    State {
        status: match number("state") {
            1 | 2 => Status::Created,
            // 8: being stopped.
            3 | 8 => Status::Running,
            4 | 6 => Status::Exited,
            5 => Status::Paused,
            7 => Status::Removing,
            _ => Status::Unknown,
        },
        exit_code: (!value.is_null()).then(|| number("exitCode")),
        started: time(value.get("startedTime")),
        finished: time(value.get("finishedTime")),
        pid: number("pid"),
        error: value.get("error").and_then(Value::as_str).unwrap_or_default().to_string(),
        oom_killed: value.get("oomKilled").and_then(Value::as_bool).unwrap_or(false),
        health: None,
    }
}

/// A time; `None` for Go's zero.
pub(crate) fn time(value: Option<&Value>) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value?.as_str()?).filter(|time| !time.is_zero())
}

/// Ports published, ranges taken apart, by port.
fn ports(config: &Value, age: Age) -> Vec<PortBinding> {
    let recorded = ["newPortMappings", "portMappings"].iter().find_map(|key| config.get(*key)?.as_array());
    let mut out: Vec<PortBinding> = recorded.into_iter().flatten().flat_map(binding).collect();
    for (address, _) in out.iter_mut().filter_map(|binding| binding.host.as_mut()).filter(|_| age >= Age::From5_0) {
        // libpod/util.go makeInspectPortBindings, from v5.0.0 on.
        address.get_or_insert(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    out.sort_by_key(|binding| (binding.port, binding.protocol, binding.host));
    out
}

/// Ports as lists show them: from 5.5 on those too that are exposed but not published, unless the network is another
/// one's (pkg/api/handlers/compat/containers.go, v5.5.0; libpod/container_inspect.go, v5.8.2).
fn listed(parts: &Parts) -> Vec<PortBinding> {
    let text = |key: &str| parts.config.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut out = parts.ports.clone();
    if parts.age >= Age::From5_5 && text("netNsCtr").is_empty() && text("networkMode") != "host" {
        let published: Vec<_> = out.iter().map(|binding| (binding.port, binding.protocol)).collect();
        let more = parts.exposed.iter().filter(|port| !published.contains(port));
        out.extend(more.map(|&(port, protocol)| PortBinding { port, protocol, host: None }));
        out.sort_by_key(|binding| (binding.port, binding.protocol, binding.host));
    }
    out
}

/// One mapping. Before 3.4 the keys were those of CNI, without ranges.
fn binding(mapping: &Value) -> Vec<PortBinding> {
    let number = |keys: [&str; 2]| keys.iter().find_map(|key| u16::try_from(mapping.get(*key)?.as_u64()?).ok());
    let (Some(inside), outside) =
        (number(["container_port", "containerPort"]), number(["host_port", "hostPort"]).unwrap_or(0))
    else {
        return Vec::new();
    };
    let text = |keys: [&str; 2]| keys.iter().find_map(|key| mapping.get(*key)?.as_str()).unwrap_or_default();
    let address: Option<IpAddr> = text(["host_ip", "hostIP"]).parse().ok();
    let protocols = text(["protocol", "protocol"]);
    let protocols = if protocols.is_empty() { "tcp" } else { protocols };
    let range = number(["range", "range"]).unwrap_or(1).max(1);
    let each = |protocol: Protocol| {
        (0..range).filter_map(move |n| {
            Some(PortBinding { port: inside.checked_add(n)?, protocol, host: Some((address, outside.checked_add(n)?)) })
        })
    };
    protocols.split(',').filter_map(Protocol::parse).flat_map(each).collect()
}

/// Ports that the image or the command exposed: `{"80": ["tcp"]}`.
fn exposed(config: &Value) -> Vec<(u16, Protocol)> {
    let all = config.get("exposedPorts").and_then(Value::as_object).into_iter().flatten();
    let mut out: Vec<(u16, Protocol)> = all
        .filter_map(|(port, protocols)| Some((port.parse().ok()?, protocols)))
        .flat_map(|(port, protocols)| {
            texts(protocols).into_iter().filter_map(move |word| Some((port, Protocol::parse(&word)?)))
        })
        .collect();
    out.sort();
    out
}

/// What inspect shows as mounted (podman libpod/container_inspect.go, v5.8.2): named volumes, image volumes, and binds
/// that somebody asked for; memory is left out there. An image's files stand there twice, as what was asked for and as the
/// overlay that podman made of them.
pub(crate) fn mounts(store: &Store, parts: &Parts) -> Vec<Mount> {
    let config = &parts.config;
    let mut out: Vec<Mount> = entries(config, "namedVolumes").filter_map(|volume| named(store, volume)).collect();
    let named: Vec<String> = out.iter().map(|mount| mount.destination.clone()).collect();
    out.extend(entries(config, "ctrImageVolumes").filter_map(from_image));
    let wanted = texts(config.get("userVolumes").unwrap_or(&Value::Null));
    let overlays: Vec<&str> =
        entries(config, "overlayVolumes").filter_map(|volume| volume.get("dest")?.as_str()).collect();
    let is_wanted = |destination: &str| wanted.iter().any(|it| it == destination) || overlays.contains(&destination);
    for mount in Spec::new(&parts.spec).mounts() {
        if mount.kind == MountKind::Bind && is_wanted(&mount.destination) && !named.contains(&mount.destination) {
            out.push(mount);
        }
    }
    out.sort_by(|a, b| a.destination.cmp(&b.destination));
    out
}

fn entries<'a>(config: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    config.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn is_writable(volume: &Value) -> bool {
    !texts(volume.get("options").unwrap_or(&Value::Null)).iter().any(|option| option == "ro")
}

fn named(store: &Store, volume: &Value) -> Option<Mount> {
    let name = volume.get("volumeName")?.as_str()?.to_string();
    let source = format!("{}/volumes/{name}/_data", String::from_utf8_lossy(&store.recorded));
    Some(Mount {
        kind: MountKind::Volume,
        name,
        source,
        destination: volume.get("dest")?.as_str()?.to_string(),
        driver: "local".into(),
        writable: is_writable(volume),
    })
}

fn from_image(volume: &Value) -> Option<Mount> {
    let text = |key: &str| volume.get(key).and_then(Value::as_str).map(str::to_string);
    let (source, destination) = (text("source").unwrap_or_default(), text("dest")?);
    let writable = volume.get("rw").and_then(Value::as_bool).unwrap_or(false);
    Some(Mount { kind: MountKind::Image, name: String::new(), source, destination, driver: String::new(), writable })
}

/// Where a container's log lies, with the driver's name. The form is that of Kubernetes whatever the driver is called
/// (podman libpod/container_log.go, v5.8.2).
pub(crate) fn log(store: &Store, container: &Container, config: &Value) -> (String, Option<HostPath>) {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let (driver, recorded) = (text("logDriver"), text("logPath"));
    match driver.as_str() {
        "k8s-file" | "json-file" | "file" => {
            let usual = || userdata(store, container.id.as_str()).map(|folder| folder.join("ctr.log"));
            (driver, store.evidence_of(recorded.as_bytes()).or_else(usual))
        }
        "" => ("none".into(), None),
        _ => (driver, None),
    }
}
