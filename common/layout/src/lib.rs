//! What exists on a host, as recorded.
//!
//! [`detect()`] finds the stores of a root; every other function takes one of them by its index and dispatches on its
//! generation. One folder per generation, each with the same files: `detect` (is it here), `records` (bytes to data),
//! `read` (which files, and what they add up to), `inspect` (docker's JSON of today).
//!
//! In reading order: [`error`], `json` (limits of what is parsed), the generations, and what they share.
//!
//! Damage costs the object that it is in and no other: it becomes a [`Finding`], the rest is read. Nothing here may
//! know how drivers lay out files, tar, or how anything is printed.

use hostfs::Root;
use model::{
    Container, Driver, Finding, Generation, HostPath, Id, Image, LayerRef, LogPlace, Network, Rootfs, Store, Timestamp,
    Volume,
};
use serde_json::Value;

mod containerd;
mod containers_storage;
pub mod db;
pub mod discover;
mod docker;
mod docker_containerd;
pub mod docker_content;
mod docker_graph;
mod document;
pub mod engines;
pub mod error;
mod home;
mod json;
mod oci;
mod paths;
mod subids;

pub use docker::build_cache::CacheRecord;
pub use engines::Engine;
pub use error::LayoutError;

use crate::home::Home;

/// Something read, with what could not be.
pub type Found<T> = (T, Vec<Finding>);

/// One step of an image's history, newest first in lists.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HistoryEntry {
    /// The image that this step made, where the store still knows it (docker shows `<missing>` otherwise).
    pub id: Option<Id>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The command that made it.
    pub created_by: String,
    /// Bytes that it added; 0 for a step without a layer, `None` where not recorded.
    pub size: Option<u64>,
    /// The author's remark.
    pub comment: String,
    /// Names with tags of that image, sorted.
    pub tags: Vec<String>,
}

/// An object of a store, for what is asked of any.
#[derive(Clone, Copy, Debug)]
pub enum Object<'a> {
    /// A container.
    Container(&'a Container),
    /// An image.
    Image(&'a Image),
    /// A volume.
    Volume(&'a Volume),
    /// A network.
    Network(&'a Network),
}

impl Object<'_> {
    /// Which of the root's stores it is in.
    pub fn store(&self) -> usize {
        match self {
            Object::Container(it) => it.store,
            Object::Image(it) => it.store,
            Object::Volume(it) => it.store,
            Object::Network(it) => it.store,
        }
    }
}

/// Finds the stores of a root. Several are normal; the newest generation comes first.
///
/// A root that holds none itself may be a whole host's disk: then its data roots are looked for where settings say and
/// where engines keep them. Where there are none either, it may hold data roots or disks further down ([`discover`]).
pub fn detect(root: &Root) -> Found<Vec<Store>> {
    let here = HostPath::default();
    let mut all = detect_in(root, &here);
    if all.0.is_empty() {
        join(&mut all, detect_on_host(root, &here));
    }
    if all.0.is_empty() {
        let (candidates, findings) = discover::search(root);
        all.1.extend(findings);
        for candidate in candidates {
            let more = match candidate {
                discover::Candidate::Home(home) => detect_in(root, &home),
                discover::Candidate::Host(host) => detect_on_host(root, &host),
            };
            join(&mut all, more);
        }
    }
    all
}

/// Finds the stores of the host whose `/` is `host`.
fn detect_on_host(root: &Root, host: &HostPath) -> Found<Vec<Store>> {
    let mut all = Found::default();
    for place in discover::places(root, host) {
        join(&mut all, detect_in(root, &place));
    }
    for store in &mut all.0 {
        store.host = Some(host.clone());
    }
    all
}

fn join<T>(all: &mut Found<Vec<T>>, more: Found<Vec<T>>) {
    all.0.extend(more.0);
    all.1.extend(more.1);
}

/// Finds the stores whose folder is `home` or lies in a known place below it.
pub fn detect_in(root: &Root, home: &HostPath) -> Found<Vec<Store>> {
    let home = Home::new(root, home.clone());
    let finders: [fn(&Home) -> Found<Vec<Store>>; 5] = [
        docker_content::detect::detect,
        docker_containerd::detect,
        docker_graph::detect::detect,
        containerd::detect,
        containers_storage::detect,
    ];
    let mut all = Found::default();
    for find in finders {
        join(&mut all, find(&home));
    }
    all
}

/// The containers of a store, newest first, as docker lists them.
pub fn containers(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Container>> {
    match stores[index].generation {
        Generation::DockerFirst | Generation::DockerGraph => docker_graph::containers(root, stores, index),
        Generation::DockerContent | Generation::DockerContainerd => {
            docker::folders::read_all(root, stores, index, docker::links::Links::Followed)
        }
        Generation::Containerd => containerd::containers(root, stores, index),
        Generation::ContainersStorage => containers_storage::containers(root, stores, index),
    }
}

/// The same, without the names that other containers' links give them since docker 1.10: those stand in the others' settings,
/// which this leaves closed.
pub fn containers_without_links(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Container>> {
    match stores[index].generation {
        Generation::DockerContent | Generation::DockerContainerd => {
            docker::folders::read_all(root, stores, index, docker::links::Links::Left)
        }
        _ => containers(root, stores, index),
    }
}

/// The containers of a store whose id begins with `prefix`. Opens their records only, however many others there are.
pub fn container(root: &Root, stores: &[Store], index: usize, prefix: &str) -> Found<Vec<Container>> {
    match stores[index].generation {
        Generation::DockerFirst
        | Generation::DockerGraph
        | Generation::DockerContent
        | Generation::DockerContainerd => docker::folders::read_some(root, stores, index, prefix),
        Generation::Containerd => containerd::container(root, stores, index, prefix),
        Generation::ContainersStorage => containers_storage::container(root, stores, index, prefix),
    }
}

/// The images of a store, newest first.
pub fn images(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Image>> {
    match stores[index].generation {
        Generation::DockerFirst | Generation::DockerGraph => docker_graph::read::images(root, stores, index),
        Generation::DockerContent => docker_content::read::images(root, stores, index),
        Generation::DockerContainerd => docker_containerd::images(root, stores, index),
        Generation::Containerd => containerd::images(root, stores, index),
        Generation::ContainersStorage => containers_storage::images(root, stores, index),
    }
}

/// The volumes of a store, by name.
pub fn volumes(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Volume>> {
    match stores[index].generation {
        Generation::DockerFirst
        | Generation::DockerGraph
        | Generation::DockerContent
        | Generation::DockerContainerd => docker::volumes::read(root, stores, index),
        Generation::ContainersStorage => containers_storage::volumes(root, stores, index),
        _ => Default::default(),
    }
}

/// The networks of a store, by name.
pub fn networks(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Network>> {
    match stores[index].generation {
        Generation::DockerFirst
        | Generation::DockerGraph
        | Generation::DockerContent
        | Generation::DockerContainerd => docker::networks::read(root, stores, index),
        Generation::ContainersStorage => containers_storage::networks(root, stores, index),
        _ => Default::default(),
    }
}

/// Docker's managed plugins of a store, in the shape of docker's inspect. Stores that share a folder share them: the first one
/// has them.
pub fn plugins(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Value>> {
    if is_first_of_docker(stores, index) { docker::plugins::plugins(root, &stores[index]) } else { Found::default() }
}

/// What a store's host tells of the swarm that it was in.
pub fn swarm(root: &Root, stores: &[Store], index: usize) -> Found<Option<Value>> {
    if is_first_of_docker(stores, index) { docker::swarm::membership(root, &stores[index]) } else { Found::default() }
}

/// Whether a store is docker's, and the first of those in its folder.
fn is_first_of_docker(stores: &[Store], index: usize) -> bool {
    let shares = |other: &Store| other.home == stores[index].home && docker::volumes::is_docker(other.generation);
    stores.iter().position(shares) == Some(index)
}

/// Names of the network interfaces that were made for a store's containers, each with the container's id, where docker's
/// network database records them.
pub fn interfaces(root: &Root, store: &Store) -> Found<Vec<(String, String)>> {
    match store.generation {
        Generation::DockerGraph | Generation::DockerContent | Generation::DockerContainerd => {
            docker::networks::interfaces(root, store)
        }
        _ => Default::default(),
    }
}

/// The records of docker's build cache, newest first. Stores that share a folder share it: the first one has it.
pub fn build_cache(root: &Root, stores: &[Store], index: usize) -> Found<Vec<CacheRecord>> {
    if is_first_of_docker(stores, index) {
        docker::build_cache::records(root, &stores[index])
    } else {
        Found::default()
    }
}

/// The layers that make a container's filesystem, its own on top.
pub fn rootfs(root: &Root, store: &Store, container: &Container) -> Result<Found<Rootfs>, LayoutError> {
    match store.generation {
        Generation::DockerFirst | Generation::DockerGraph => docker_graph::read::rootfs(root, store, container),
        Generation::DockerContent => docker_content::read::rootfs(root, store, container),
        Generation::DockerContainerd => docker_containerd::rootfs(root, store, container),
        Generation::Containerd => containerd::rootfs(root, store, container),
        Generation::ContainersStorage => containers_storage::rootfs(root, store, container),
    }
}

/// The layers that make an image's filesystem.
pub fn image_rootfs(root: &Root, store: &Store, image: &Image) -> Result<Found<Rootfs>, LayoutError> {
    match store.generation {
        Generation::DockerFirst | Generation::DockerGraph => {
            Ok((docker_graph::read::image_rootfs(root, store, image), Vec::new()))
        }
        Generation::DockerContent => Ok((docker_content::read::image_rootfs(root, store, image), Vec::new())),
        Generation::ContainersStorage => Ok(containers_storage::image_rootfs(root, store, image)),
        _ => Ok((Rootfs { layers: image.layers.clone(), ..Rootfs::default() }, Vec::new())),
    }
}

/// A volume's files as a tree of one layer; `None` where they are not in the evidence.
pub fn volume_rootfs(root: &Root, store: &Store, volume: &Volume) -> Option<Found<Rootfs>> {
    let data = volume.data.as_ref()?;
    let files = LayerRef::new(Driver::Vfs, std::str::from_utf8(data.name()).ok()?, data.parent());
    let (ids, findings) = match store.generation {
        Generation::DockerContent => (docker_content::read::id_map(root, store), Vec::new()),
        Generation::ContainersStorage => containers_storage::id_map(root, store),
        _ => Default::default(),
    };
    Some((Rootfs { layers: vec![files], ids, ..Rootfs::default() }, findings))
}

/// Where a container's log lies.
pub fn log_place(root: &Root, store: &Store, container: &Container) -> Found<LogPlace> {
    match store.generation {
        Generation::Containerd => containerd::log_place(root, store, container),
        Generation::ContainersStorage => containers_storage::log_place(root, store, container),
        _ => docker::log::place(root, store, container),
    }
}

/// The steps by which an image was made, newest first.
pub fn history(root: &Root, store: &Store, image: &Image) -> Found<Vec<HistoryEntry>> {
    match store.generation {
        Generation::DockerFirst | Generation::DockerGraph => docker_graph::read::history(root, store, image),
        Generation::DockerContent => docker_content::read::history(root, store, image),
        Generation::DockerContainerd => docker_containerd::history(root, store, image),
        Generation::Containerd | Generation::ContainersStorage => oci::config::history(image),
    }
}

/// A container in the shape of docker's inspect of today. `docs/layouts/inspect.md` has the mapping.
pub fn inspect_container(root: &Root, stores: &[Store], container: &Container) -> Found<Value> {
    let store = &stores[container.store];
    let (mut shown, findings) = match store.generation {
        Generation::DockerFirst | Generation::DockerGraph | Generation::DockerContent => {
            return docker::inspect::container(root, stores, container);
        }
        Generation::DockerContainerd => return docker_containerd::inspect_container(root, stores, container),
        Generation::Containerd => containerd::inspect_container(root, stores, container),
        Generation::ContainersStorage => containers_storage::inspect_container(root, stores, container),
    };
    if let Value::Object(keys) = &mut shown {
        let added = paths::added(root, store, container, keys, &findings);
        keys.insert("Dockless".into(), added);
    }
    (shown, findings)
}

/// An image in the shape of docker's inspect of today.
pub fn inspect_image(root: &Root, stores: &[Store], image: &Image) -> Found<Value> {
    match stores[image.store].generation {
        Generation::DockerFirst | Generation::DockerGraph | Generation::DockerContent => {
            docker::inspect_image::image(root, stores, image)
        }
        Generation::DockerContainerd => docker_containerd::inspect_image(root, stores, image),
        Generation::Containerd => containerd::inspect_image(root, stores, image),
        Generation::ContainersStorage => containers_storage::inspect_image(root, stores, image),
    }
}

/// A volume in the shape of docker's inspect of today.
pub fn inspect_volume(root: &Root, stores: &[Store], volume: &Volume) -> Found<Value> {
    match stores[volume.store].generation {
        Generation::DockerFirst
        | Generation::DockerGraph
        | Generation::DockerContent
        | Generation::DockerContainerd => docker::volumes::inspect(root, stores, volume),
        Generation::ContainersStorage => containers_storage::inspect_volume(root, stores, volume),
        _ => Default::default(),
    }
}

/// A network in the shape of docker's inspect of today.
pub fn inspect_network(root: &Root, stores: &[Store], network: &Network) -> Found<Value> {
    match stores[network.store].generation {
        Generation::DockerFirst
        | Generation::DockerGraph
        | Generation::DockerContent
        | Generation::DockerContainerd => docker::networks::inspect(root, stores, network),
        Generation::ContainersStorage => containers_storage::inspect_network(root, network),
        _ => Default::default(),
    }
}

/// What inspect shows of a document by itself: a config.json, hostconfig.json, state.json or image config. `Null` with a
/// finding where the bytes are no JSON.
pub fn inspect_bytes(raw: &[u8]) -> Found<Value> {
    document::inspect(raw)
}

/// The files that hold what is recorded of an object, the main one first.
pub fn raw_records(root: &Root, stores: &[Store], object: Object) -> Vec<HostPath> {
    match stores[object.store()].generation {
        Generation::DockerFirst | Generation::DockerGraph => docker_graph::raw_records(root, stores, object),
        Generation::DockerContent => docker_content::raw_records(root, stores, object),
        Generation::DockerContainerd => docker_containerd::raw_records(root, stores, object),
        Generation::Containerd => vec![containerd::metadata::path(&stores[object.store()].home)],
        Generation::ContainersStorage => containers_storage::raw_records(root, stores, object),
    }
}
