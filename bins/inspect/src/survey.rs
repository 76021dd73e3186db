//! The host as a whole: stores, counts, sizes, what is orphaned, and names that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use cli::Findings;
use host::Host;
use layout::engines::Trace;
use model::{Container, Finding, HostPath, Image, MountKind, Volume};
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
    let stores: Vec<Value> = (0..host.stores().len()).map(|index| store(host, index, &all)).collect();
    let shown = json!({
        "Root": host.root().path().display().to_string(),
        "Stores": stores,
        "Networks": networks.len(),
        "Versions": versions(host),
        "Orphans": orphans(&all),
        "Dangling": dangling(&all),
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
    let engine_id = host.root().read(&HostPath::from("engine-id"), 4096).ok();
    let engines: Vec<Value> = engines.iter().map(layout::Engine::json).collect();
    json!({ "Engines": engines, "BuiltImages": built, "EngineId": engine_id.map(|raw| String::from_utf8_lossy(&raw).trim().to_string()) })
}

/// What nothing uses: images without a name, child or container, and volumes that no container mounts.
fn orphans(all: &Inventory) -> Value {
    let parents: BTreeSet<&str> = all.images.iter().filter_map(|it| it.parent.as_ref()).map(|id| id.as_str()).collect();
    let used: BTreeSet<&str> =
        all.containers.iter().filter_map(|it| it.image_id.as_ref()).map(|id| id.as_str()).collect();
    let is_orphan = |it: &&Image| {
        it.tags.is_empty()
            && it.digests.is_empty()
            && !parents.contains(it.id.as_str())
            && !used.contains(it.id.as_str())
    };
    let images: Vec<&str> = all.images.iter().filter(is_orphan).map(|it| it.id.as_str()).collect();
    let mounted: BTreeSet<&str> = mounts(all).map(|(_, name)| name).collect();
    let volumes: Vec<&str> =
        all.volumes.iter().map(|it| it.name.as_str()).filter(|name| !mounted.contains(name)).collect();
    json!({ "Images": images, "Volumes": volumes })
}

/// Names that lead nowhere: containers of images, and mounts of volumes, that are not there.
fn dangling(all: &Inventory) -> Value {
    let images: BTreeSet<&str> = all.images.iter().map(|it| it.id.as_str()).collect();
    let volumes: BTreeSet<&str> = all.volumes.iter().map(|it| it.name.as_str()).collect();
    let without_image = all
        .containers
        .iter()
        .filter_map(|it| Some((it, it.image_id.as_ref()?)))
        .filter(|(_, id)| !images.contains(id.as_str()));
    let containers: Vec<Value> =
        without_image.map(|(it, id)| json!({ "Container": it.id.as_str(), "Image": id.as_str() })).collect();
    let without_volume = mounts(all).filter(|(_, name)| !volumes.contains(name));
    let mounts: Vec<Value> =
        without_volume.map(|(container, name)| json!({ "Container": container, "Volume": name })).collect();
    json!({ "Containers": containers, "Mounts": mounts })
}

/// Each container with the name of a volume that it mounts.
fn mounts<'a>(all: &'a Inventory) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_volume = |mount: &&model::Mount| mount.kind == MountKind::Volume && !mount.name.is_empty();
    let of =
        move |it: &'a Container| it.mounts.iter().filter(is_volume).map(|mount| (it.id.as_str(), mount.name.as_str()));
    all.containers.iter().flat_map(of)
}
