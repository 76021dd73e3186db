//! The host as a whole: stores, counts, sizes, what is orphaned, and names that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use cli::Findings;
use host::Host;
use layout::engines::Trace;
use model::{Container, Finding, HostPath, Id, Image, MountKind, Volume};
use serde_json::{Value, json};

/// Everything of a host, read once.
struct Inventory {
    containers: Vec<Container>,
    images: Vec<Image>,
    volumes: Vec<Volume>,
}

/// One object about the host, with a list of its stores.
pub fn host(host: &Host) -> (Value, Vec<Finding>) {
    let mut findings = Findings::new();
    let all = Inventory {
        containers: findings.take(host.containers()),
        images: findings.take(host.images()),
        volumes: findings.take(host.volumes()),
    };
    let networks = findings.take(host.networks());
    let indices = 0..host.stores().len();
    let of = |index| layout::plugins(host.root(), host.stores(), index);
    let plugins: Vec<Value> = indices.clone().flat_map(|index| findings.take(of(index))).collect();
    let swarms: Vec<Value> =
        indices.clone().filter_map(|index| findings.take(layout::swarm(host.root(), host.stores(), index))).collect();
    let stores: Vec<Value> = indices.map(|index| store(host, index, &all)).collect();
    let shown = json!({
        "Root": host.root().path().display().to_string(),
        "Stores": stores,
        "Networks": networks.len(),
        "Plugins": plugins,
        "Swarms": swarms,
        "Versions": versions(host),
        "Orphans": orphans(host, &all),
        "Dangling": dangling(host, &all),
        "Findings": findings.len(),
    });
    (shown, findings.into_iter().collect())
}

fn store(host: &Host, index: usize, all: &Inventory) -> Value {
    let store = host.store(index);
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for container in all.containers.iter().filter(|it| it.store == index) {
        *states.entry(container.state.status.word()).or_default() += 1;
    }
    // A layer that several images share counts once.
    let mut layers: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for layer in all.images.iter().filter(|it| it.store == index).flat_map(|it| &it.layers) {
        layers.insert(&layer.id, layer.size);
    }
    json!({
        "Store": store.to_string(),
        "Generation": store.generation.name(),
        "Driver": store.driver_name(),
        "Home": store.home.to_string(),
        "Recorded": String::from_utf8_lossy(&store.recorded),
        "Evidence": store.evidence.iter().map(HostPath::to_string).collect::<Vec<_>>(),
        "Containers": all.containers.iter().filter(|it| it.store == index).count(),
        "States": states,
        "Images": all.images.iter().filter(|it| it.store == index).count(),
        "Layers": layers.len(),
        "LayersSize": layers.values().copied().sum::<Option<u64>>(),
        "Volumes": all.volumes.iter().filter(|it| it.store == index).count(),
    })
}

/// Engine versions that the evidence names, as `version` shows them; apart those of docker that made images.
fn versions(host: &Host) -> Value {
    // What of images cannot be read was said where they were listed.
    let (engines, _) = layout::engines::engines(host.root(), host.stores());
    let built = engines.iter().filter(|it| it.name == "docker" && matches!(it.by, Trace::Images(_)));
    let built: BTreeSet<&str> = built.map(|it| it.version.as_str()).collect();
    let engine_id = host.stores().iter().find_map(|it| host.root().read(&it.home.join("engine-id"), 4096).ok());
    let engines: Vec<Value> = engines.iter().map(layout::Engine::json).collect();
    json!({ "Engines": engines, "BuiltImages": built, "EngineId": engine_id.map(|raw| String::from_utf8_lossy(&raw).trim().to_string()) })
}

/// What nothing uses: images without a name, child or container, and volumes that no container mounts.
fn orphans(host: &Host, all: &Inventory) -> Value {
    let parents: BTreeSet<Key> =
        all.images.iter().filter_map(|it| Some(key(host, it.store, it.parent.as_ref()?))).collect();
    let used: BTreeSet<Key> =
        all.containers.iter().filter_map(|it| Some(key(host, it.store, it.image_id.as_ref()?))).collect();
    let is_orphan = |it: &&Image| {
        let key = key(host, it.store, &it.id);
        let is_used = parents.contains(&key) || used.contains(&key);
        it.tags.is_empty() && it.digests.is_empty() && !is_used
    };
    let images: Vec<&str> = all.images.iter().filter(is_orphan).map(|it| it.id.as_str()).collect();
    let mounted: BTreeSet<Key> = mounts(host, all).map(|(_, volume)| volume).collect();
    let volumes = all.volumes.iter().filter(|it| !mounted.contains(&(home(host, it.store), it.name.as_str())));
    json!({ "Images": images, "Volumes": volumes.map(|it| it.name.as_str()).collect::<Vec<_>>() })
}

/// Names that lead nowhere: containers of images, and mounts of volumes, that are not there.
fn dangling(host: &Host, all: &Inventory) -> Value {
    let images: BTreeSet<Key> = all.images.iter().map(|it| key(host, it.store, &it.id)).collect();
    let volumes: BTreeSet<Key> = all.volumes.iter().map(|it| (home(host, it.store), it.name.as_str())).collect();
    let without_image = all
        .containers
        .iter()
        .filter_map(|it| Some((it, key(host, it.store, it.image_id.as_ref()?))))
        .filter(|(_, image)| !images.contains(image));
    let containers: Vec<Value> =
        without_image.map(|(it, (_, id))| json!({ "Container": it.id.as_str(), "Image": id })).collect();
    let without_volume = mounts(host, all).filter(|(_, volume)| !volumes.contains(volume));
    let mounts: Vec<Value> =
        without_volume.map(|(container, (_, name))| json!({ "Container": container, "Volume": name })).collect();
    json!({ "Containers": containers, "Mounts": mounts })
}

/// What is known by a name in one folder of one host: the same name in another is another's.
type Key<'a> = (&'a HostPath, &'a str);

fn home(host: &Host, store: usize) -> &HostPath {
    &host.store(store).home
}

fn key<'a>(host: &'a Host, store: usize, id: &'a Id) -> Key<'a> {
    (home(host, store), id.as_str())
}

/// Each container with the volume that it mounts.
fn mounts<'a>(host: &'a Host, all: &'a Inventory) -> impl Iterator<Item = (&'a str, Key<'a>)> {
    let is_volume = |mount: &&model::Mount| mount.kind == MountKind::Volume && !mount.name.is_empty();
    let of = move |it: &'a Container| {
        let home = home(host, it.store);
        it.mounts.iter().filter(is_volume).map(move |mount| (it.id.as_str(), (home, mount.name.as_str())))
    };
    all.containers.iter().flat_map(of)
}
