//! What each object takes, in bytes.

use std::collections::{HashMap, HashSet};

use cli::Findings;
use host::Host;
use layout::CacheRecord;
use model::{Container, Digest, Finding, Generation, Image, LayerRef, Rootfs, Volume};
use storage::Room;

/// Every object of a host with the room that it takes.
pub struct Survey {
    /// Images that have a name or that no other was made on, newest first.
    pub images: Vec<ImageRoom>,
    /// All layers and records of those images, each once.
    pub layers: u64,
    /// Containers, newest first.
    pub containers: Vec<ContainerRoom>,
    /// Volumes, by name.
    pub volumes: Vec<VolumeRoom>,
    /// The build cache, newest first.
    pub cache: Vec<CacheRoom>,
}

/// A record of the build cache.
pub struct CacheRoom {
    /// The record.
    pub record: CacheRecord,
    /// Whether an image has the same layer: then its bytes are counted there.
    pub shared: bool,
}

/// An image.
pub struct ImageRoom {
    /// The image.
    pub image: Image,
    /// Bytes of its layers.
    pub size: u64,
    /// Bytes of those that another image has too.
    pub shared: u64,
    /// Bytes that are in no layer, where the store counts its config and manifest.
    pub records: u64,
    /// Containers that were made of it.
    pub containers: usize,
}

/// A container.
pub struct ContainerRoom {
    /// The container.
    pub container: Container,
    /// What it wrote; `None` where its layer cannot be read.
    pub room: Option<Room>,
    /// What the engine counts of it.
    pub size: u64,
}

/// A volume.
pub struct VolumeRoom {
    /// The volume.
    pub volume: Volume,
    /// What lies in it; `None` where it is not there.
    pub room: Option<Room>,
    /// Containers that have it.
    pub links: usize,
}

impl ImageRoom {
    /// Bytes that no other image has.
    pub fn unique(&self) -> u64 {
        self.size.saturating_sub(self.shared)
    }
}

impl Survey {
    /// Counts a host.
    pub fn new(host: &Host, findings: &mut Findings) -> Survey {
        let containers = findings.take(host.containers());
        let (images, layers) = images(host, &containers, findings);
        let volumes = volumes(host, &containers, findings);
        let cache = cache(host, &images, findings);
        let containers = containers.into_iter().map(|container| written(host, container, findings)).collect();
        Survey { images, layers, containers, volumes, cache }
    }
}

/// A layer by what names it in its store.
type Key = (usize, Box<str>, Box<str>);

fn key(store: usize, layer: &LayerRef) -> Key {
    (store, layer.driver.name().into(), layer.id.clone())
}

fn images(host: &Host, containers: &[Container], findings: &mut Findings) -> (Vec<ImageRoom>, u64) {
    let mut images = findings.take(host.images());
    let parents: HashSet<_> = images.iter().filter_map(|image| Some((image.store, image.parent.clone()?))).collect();
    // The steps of a build are not images of their own (moby v28 daemon/images/images.go) …
    let is_shown = |image: &Image| {
        let is_named = !image.tags.is_empty() || !image.digests.is_empty();
        is_named || !parents.contains(&(image.store, image.id.clone()))
    };
    // … and count as sharers of a layer for some engines.
    let sharers = images.iter().filter(|image| is_shown(image) || steps_share(host, image.store));
    let users = users(host, sharers, findings);
    images.retain(is_shown);
    let layers: u64 = users.values().map(|layer| layer.files + layer.tar).sum();
    let images: Vec<ImageRoom> = images.into_iter().map(|image| image_room(host, image, &users, containers)).collect();
    let records: u64 = images.iter().map(|it| it.records).sum();
    (images, layers + records)
}

/// A layer, by what its images have of it.
struct LayerRoom {
    /// Images that have it.
    users: usize,
    /// Bytes of its files.
    files: u64,
    /// Bytes of its tar, where the store keeps that.
    tar: u64,
}

fn users<'a>(host: &Host, images: impl Iterator<Item = &'a Image>, findings: &mut Findings) -> HashMap<Key, LayerRoom> {
    let mut users: HashMap<Key, LayerRoom> = HashMap::new();
    for image in images {
        for at in 0..image.layers.len() {
            let entry = users.entry(key(image.store, &image.layers[at]));
            entry.or_insert_with(|| layer_room(host, image, at, findings)).users += 1;
        }
    }
    users
}

fn image_room(host: &Host, image: Image, users: &HashMap<Key, LayerRoom>, containers: &[Container]) -> ImageRoom {
    let layers = || image.layers.iter().map(|layer| &users[&key(image.store, layer)]);
    let counts_tars = counts_shared_tars(host, image.store);
    let common = layers().filter(|layer| layer.users > 1);
    let shared = common.map(|layer| layer.files + if counts_tars { layer.tar } else { 0 }).sum();
    let all: u64 = layers().map(|layer| layer.files + layer.tar).sum();
    let size = image.size.unwrap_or(all);
    let records = size.saturating_sub(all);
    let is_of =
        |container: &&Container| container.store == image.store && container.image_id.as_ref() == Some(&image.id);
    let containers = containers.iter().filter(is_of).count();
    ImageRoom { image, size, shared, records, containers }
}

/// Whether the steps of a build count where the engine says what images share: with docker 28 and 29 they do, with 20.10 not.
/// Since 23 there is `engine-id`.
fn steps_share(host: &Host, store: usize) -> bool {
    let store = host.store(store);
    store.generation == Generation::DockerContent && host.root().exists(&store.home.join("engine-id"))
}

/// Whether the engine counts a shared layer's tar as shared too: docker with containerd's store since 29, which is the
/// first to keep `image/identity-cache.db` (moby v28 and v29 daemon/containerd/image_list.go).
fn counts_shared_tars(host: &Host, store: usize) -> bool {
    let store = host.store(store);
    store.generation != Generation::DockerContainerd || host.root().exists(&store.home.join("image/identity-cache.db"))
}

/// Bytes of an image's layer: its files, and its tar where the store keeps that (moby v29 daemon/containerd/image_list.go).
fn layer_room(host: &Host, image: &Image, at: usize, findings: &mut Findings) -> LayerRoom {
    let blob = image.layers[at].blob.as_ref().and_then(|path| host.root().stat(path).ok());
    LayerRoom { users: 0, files: files_size(host, image, at, findings), tar: blob.map_or(0, |stat| stat.size) }
}

/// Bytes of a layer's files: as recorded, else as they lie.
fn files_size(host: &Host, image: &Image, at: usize, findings: &mut Findings) -> u64 {
    let layer = &image.layers[at];
    if let Some(size) = layer.size {
        return size;
    }
    let measured = host.image_rootfs(image).map_err(anyhow::Error::from).and_then(|(rootfs, _)| {
        let rootfs = Rootfs { layers: image.layers[at..].to_vec(), own: 0, ..rootfs };
        Ok(storage::room(host.root(), &rootfs)?)
    });
    match measured {
        Ok(found) => findings.take(found).counted(&layer.driver),
        Err(error) => {
            let subject = format!("layer {}", storage::drivers::short(&layer.id));
            findings.add(unreadable(subject, &error));
            0
        }
    }
}

fn written(host: &Host, container: Container, findings: &mut Findings) -> ContainerRoom {
    let measured = host.rootfs(&container).map_err(anyhow::Error::from).and_then(|(rootfs, notes)| {
        let (room, more) = storage::room(host.root(), &rootfs)?;
        let size = rootfs.layers.first().map_or(room.size, |layer| room.counted(&layer.driver));
        Ok(((room, size), [notes, more].concat()))
    });
    let found = match measured {
        Ok(found) => Some(findings.take(found)),
        Err(error) => {
            findings.add(unreadable(format!("container {}", container.id.short()), &error));
            None
        }
    };
    ContainerRoom { container, room: found.map(|(room, _)| room), size: found.map_or(0, |(_, size)| size) }
}

fn volumes(host: &Host, containers: &[Container], findings: &mut Findings) -> Vec<VolumeRoom> {
    let mut volumes = findings.take(host.volumes());
    volumes.retain(|volume| !is_mounted(host, volume));
    let mut out = Vec::with_capacity(volumes.len());
    for volume in volumes {
        let has = |container: &&Container| {
            host.in_one_folder(container.store, volume.store)
                && container.mounts.iter().any(|mount| mount.name == volume.name)
        };
        let links = containers.iter().filter(has).count();
        let room = data(host, &volume, findings);
        out.push(VolumeRoom { volume, room, links });
    }
    out
}

/// Whether a volume's data lies elsewhere, since its options mount something: docker does not count those
/// (moby v28 volume/service/service.go, LocalVolumesSize).
fn is_mounted(host: &Host, volume: &Volume) -> bool {
    let is_docker = host.store(volume.store).generation != Generation::ContainersStorage;
    is_docker && volume.options.iter().any(|(name, _)| matches!(name.as_str(), "type" | "device" | "o"))
}

fn data(host: &Host, volume: &Volume, findings: &mut Findings) -> Option<Room> {
    let path = volume.data.as_ref()?;
    match host.root().open_dir(path) {
        Ok(dir) => Some(findings.take(storage::written::folder(dir, path.clone()))),
        Err(error) => {
            findings.add(unreadable(format!("volume {}", volume.name), &error.into()));
            None
        }
    }
}

fn cache(host: &Host, images: &[ImageRoom], findings: &mut Findings) -> Vec<CacheRoom> {
    let layers = images.iter().flat_map(|it| &it.image.layers);
    let chains: HashSet<Digest> = layers.filter_map(|layer| layer.chain_id).collect();
    let records = findings.take(host.build_cache());
    let room = |record: CacheRecord| {
        let shared = record.chain_id.is_some_and(|chain| chains.contains(&chain));
        CacheRoom { record, shared }
    };
    records.into_iter().map(room).collect()
}

fn unreadable(subject: String, error: &anyhow::Error) -> Finding {
    Finding::new("files-unreadable", cli::message::causes(error.as_ref())).about(subject)
}
