//! Podman, Buildah and CRI-O: containers/storage, with libpod's database beside it (docs/layouts/containers-storage.md).
//!
//! In reading order: [`records`] (the lists of layers, images and containers), [`libpod`] (the database), [`mod@containers`],
//! [`inspect`].

mod age;
mod cni;
mod containers;
mod crio;
mod detect;
mod inspect;
mod libpod;
mod records;

use hostfs::Root;
use model::{
    Container, Digest, HostPath, Id, IdMap, Image, LogForm, LogPlace, Network, Rootfs, Store, Timestamp, Volume,
};
use serde_json::Value;

use crate::containerd::repository;
use crate::engines::Trace;
use crate::json::{self, Notes};
use crate::oci::config::{ImageConfig, pairs};
use crate::{Engine, Found, LayoutError, Object, subids};

use age::Age;
pub(crate) use detect::detect;
use records::Layers;

/// The podman that made the newest container of a storage.
pub(crate) fn engine(root: &Root, store: &Store) -> Option<Engine> {
    // What is damaged is said where the containers themselves are asked for.
    let libpod = libpod::Libpod::open(root, &store.home, &mut Notes::new("", &store.home))?;
    let (major, minor, patch) = libpod.spec?;
    Some(Engine {
        name: "podman".into(),
        version: age::releases((major, minor, patch)).into(),
        by: Trace::RuntimeSpec(major, minor, patch),
        place: libpod.path,
    })
}

pub(crate) fn containers(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Container>> {
    container(root, stores, index, "")
}

pub(crate) fn container(root: &Root, stores: &[Store], index: usize, prefix: &str) -> Found<Vec<Container>> {
    let mut notes = Notes::new("", &stores[index].home);
    let list = containers::read(root, stores, index, prefix, &mut notes);
    (list, notes.list)
}

pub(crate) fn images(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Image>> {
    let store = &stores[index];
    let mut notes = Notes::new("", &store.home);
    let layers = Layers::read(root, store, &mut notes);
    let entries = records::images(root, store, &mut notes);
    let mut out: Vec<Image> =
        entries.iter().filter_map(|entry| image(root, store, index, &layers, entry, &mut notes)).collect();
    out.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    (out, notes.list)
}

fn image(
    root: &Root,
    store: &Store,
    index: usize,
    layers: &Layers,
    entry: &records::Image,
    notes: &mut Notes,
) -> Option<Image> {
    let Some(id) = Id::new(&entry.id) else {
        notes.add("id-odd", format!("image '{}' has an id that no path can hold; it is left out", entry.id));
        return None;
    };
    let folder = records::folder_of(store, "images").join(id.as_str());
    let record = records::big_data(&folder, &format!("sha256:{}", id.as_str()));
    let mut own = Notes::new(format!("image {}", id.short()), &record);
    let config = json::read(root, &record, &mut own).unwrap_or_default();
    let value = if config.is_empty() { Value::Null } else { json::value(&config, own.at(&record)).unwrap_or_default() };
    let chain: Vec<_> =
        layers.chain(&entry.layer, own.at(&record)).into_iter().map(|layer| layers.reference(layer)).collect();
    let manifest = json::read_if_there(root, &records::big_data(&folder, "manifest"), &mut own);
    notes.list.append(&mut own.list);
    let (tags, digests) = names(entry);
    Some(Image {
        id,
        store: index,
        tags,
        digests,
        parent: None,
        created: ImageConfig::new(value).created().or_else(|| Timestamp::parse_rfc3339(&entry.created)),
        size: chain.iter().map(|layer| layer.size).sum(),
        config: config.into(),
        record,
        manifest: manifest.map(Into::into),
        layers: chain,
    })
}

/// Names with tags as podman shows them, and each repository with the image's digest.
fn names(entry: &records::Image) -> (Vec<String>, Vec<String>) {
    let all = entry.names.clone().unwrap_or_default();
    let (mut digests, mut tags): (Vec<String>, Vec<String>) =
        all.into_iter().partition(|name| name.contains("@sha256:"));
    if entry.digest.parse::<Digest>().is_ok() {
        digests.extend(tags.iter().map(|tag| format!("{}@{}", repository(tag), entry.digest)));
    }
    tags.sort();
    digests.sort();
    digests.dedup();
    (tags, digests)
}

pub(crate) fn rootfs(root: &Root, store: &Store, container: &Container) -> Result<Found<Rootfs>, LayoutError> {
    let subject = format!("container {}", container.id.short());
    let mut notes = Notes::new(subject.clone(), &store.home);
    let entries = records::containers(root, store, &mut notes);
    let Some(entry) = entries.iter().find(|entry| entry.id == container.id.as_str()) else {
        let why = "containers.json does not have it: its files lay outside of the storage".to_string();
        return Err(LayoutError::NoRootfs { subject, why });
    };
    let layers = Layers::read(root, store, &mut notes);
    let chain = layers.chain(&entry.layer, &mut notes);
    if chain.is_empty() {
        return Err(LayoutError::NoRootfs { subject, why: format!("layer {} is not recorded", entry.layer) });
    }
    let recorded = records::id_map(&entry.uidmap, &entry.gidmap);
    let of_layer = chain.first().map(|layer| records::id_map(&layer.uidmap, &layer.gidmap)).unwrap_or_default();
    let ids = if recorded == IdMap::default() { of_layer } else { recorded };
    let user_xattrs = is_rootless(root, store);
    let ids = if user_xattrs && ids == IdMap::default() { ids_of_user(root, store, &mut notes) } else { ids };
    let layers = chain.into_iter().map(|layer| layers.reference(layer)).collect();
    Ok((Rootfs { layers, own: 1, ids, user_xattrs }, notes.list))
}

pub(crate) fn image_rootfs(root: &Root, store: &Store, image: &Image) -> Found<Rootfs> {
    let mut notes = Notes::new(format!("image {}", image.id.short()), &store.home);
    let user_xattrs = is_rootless(root, store);
    let ids = if user_xattrs { ids_of_user(root, store, &mut notes) } else { IdMap::default() };
    (Rootfs { layers: image.layers.clone(), own: 0, ids, user_xattrs }, notes.list)
}

/// How owners of files are shifted that no container has as its own.
pub(crate) fn id_map(root: &Root, store: &Store) -> Found<IdMap> {
    let mut notes = Notes::new("", &store.home);
    let ids = if is_rootless(root, store) { ids_of_user(root, store, &mut notes) } else { IdMap::default() };
    (ids, notes.list)
}

/// How the ids of the user who owns the storage lie on disk.
fn ids_of_user(root: &Root, store: &Store, notes: &mut Notes) -> IdMap {
    let owner = root.stat(&records::driver_folder(store));
    owner.map_or_else(|_| IdMap::default(), |owner| subids::ids(root, store, &owner, notes))
}

/// Whether the storage belongs to an ordinary user: then the kernel's overlay writes its marks as `user.overlay.*`.
fn is_rootless(root: &Root, store: &Store) -> bool {
    root.stat(&records::driver_folder(store)).is_ok_and(|stat| stat.uid != 0)
}

pub(crate) fn volumes(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Volume>> {
    let store = &stores[index];
    let mut notes = Notes::new("", &store.home);
    let Some(libpod) = containers::own_libpod(root, stores, index, &mut notes) else { return (Vec::new(), notes.list) };
    let configs = libpod.volumes(&mut notes);
    let mut out: Vec<Volume> = configs
        .iter()
        .filter_map(|raw| volume(root, store, index, &json::value(raw, notes.at(&libpod.path))?))
        .collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    (out, notes.list)
}

fn volume(root: &Root, store: &Store, index: usize, config: &Value) -> Option<Volume> {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let name = Some(text("name")).filter(|name| !name.is_empty())?;
    let data = Id::new(&name)
        .map(|name| store.home.join("volumes").join(name.as_str()).join("_data"))
        .filter(|path| root.is_dir(path));
    let driver = Some(text("volumeDriver")).filter(|driver| !driver.is_empty()).unwrap_or_else(|| "local".into());
    // A volume of an image lies where the image is mounted, only while it is in use (libpod/volume.go mountPoint, v5.8.2).
    let mountpoint = if driver == "image" { String::new() } else { text("mountPoint") };
    Some(Volume {
        store: index,
        driver,
        mountpoint,
        data,
        labels: pairs(config.get("labels")),
        options: pairs(config.get("volumeOptions")),
        created: containers::time(config.get("createdAt")),
        name,
    })
}

/// Networks: netavark's files, one a network, in the storage of an ordinary user and in `/etc/containers` of root
/// (containers/common libnetwork/netavark/config.go, v0.64). Podman's own default network has none until it is changed.
pub(crate) fn networks(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Network>> {
    let store = &stores[index];
    let mut notes = Notes::new("", &store.home);
    let mut out: Vec<Network> = Vec::new();
    for path in network_files(root, store) {
        let network = network_config(root, &path, &mut notes).and_then(|config| network(index, &path, &config));
        out.extend(network);
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    (out, notes.list)
}

fn network_files(root: &Root, store: &Store) -> Vec<HostPath> {
    let folders = [store.home.join("networks"), HostPath::new("etc/containers/networks")];
    let netavark = folders.iter().flat_map(|folder| names_in(root, folder, b".json"));
    netavark.chain(cni::files(root, store)).collect()
}

/// Names in a folder that end in a certain way.
fn names_in(root: &Root, folder: &HostPath, end: &[u8]) -> Vec<HostPath> {
    let entries = root.open_dir(folder).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    entries.iter().filter(|entry| entry.name.ends_with(end)).map(|entry| folder.join(&entry.name)).collect()
}

fn network_config(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<Value> {
    if cni::is_one(path) { cni::read(root, path, notes) } else { json::read_value(root, path, notes.at(path)) }
}

fn network(index: usize, path: &HostPath, config: &Value) -> Option<Network> {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let flag = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
    Some(Network {
        id: Id::new(&text("id"))?,
        store: index,
        name: text("name"),
        driver: text("driver"),
        scope: "local".into(),
        created: containers::time(config.get("created")),
        labels: pairs(config.get("labels")),
        internal: flag("internal"),
        ipv6: flag("ipv6_enabled"),
        record: path.clone(),
    })
}

pub(crate) fn inspect_container(root: &Root, stores: &[Store], container: &Container) -> Found<Value> {
    let store = &stores[container.store];
    let mut notes = Notes::new(format!("container {}", container.id.short()), &container.record);
    let value = if inspect::is_stored_only(container) {
        let all = json::read_value(root, &container.record, &mut notes).unwrap_or_default();
        inspect::stored_only(container, inspect::entry(&all, container.id.as_str()))
    } else {
        inspect_known(root, store, container, &mut notes).unwrap_or_default()
    };
    layer_is_there(root, store, container, &mut notes);
    (value, notes.list)
}

/// Notes a layer of a container's own that is not where all others are.
fn layer_is_there(root: &Root, store: &Store, container: &Container, notes: &mut Notes) {
    let entries = records::containers(root, store, notes);
    let Some(entry) = entries.iter().find(|entry| entry.id == container.id.as_str()) else { return };
    let folder = records::driver_folder(store).join(&entry.layer);
    if root.is_dir(&folder.parent()) && !root.exists(&folder) {
        notes.add("layer-missing", format!("its layer '{folder}' is not there"));
    }
}

fn inspect_known(root: &Root, store: &Store, container: &Container, notes: &mut Notes) -> Option<Value> {
    let libpod = libpod::Libpod::open(root, &store.home, notes)?;
    let record = libpod.containers(container.id.as_str(), notes).pop()?;
    let parts = containers::parts(root, store, &libpod, &record, notes)?;
    let pod = parts.config.get("pod").and_then(Value::as_str).filter(|id| !id.is_empty());
    let pods = pod.map(|_| libpod.pods(notes)).unwrap_or_default();
    let parsed = pods.iter().filter_map(|raw| serde_json::from_slice::<Value>(raw).ok());
    let pod = parsed.into_iter().find(|config| config.get("id").and_then(Value::as_str) == pod);
    Some(inspect::container(store, container, &parts, &pod.unwrap_or_default()))
}

pub(crate) fn inspect_image(root: &Root, stores: &[Store], image: &Image) -> Found<Value> {
    let store = &stores[image.store];
    let mut notes = Notes::new(format!("image {}", image.id.short()), &image.record);
    let entries = records::images(root, store, &mut notes);
    let entry = entries.into_iter().find(|entry| entry.id == image.id.as_str()).unwrap_or_default();
    let config = ImageConfig::of(image, notes.at(&image.record));
    (inspect::image(image, store, &entry, &config), notes.list)
}

pub(crate) fn inspect_volume(root: &Root, stores: &[Store], volume: &Volume) -> Found<Value> {
    let store = &stores[volume.store];
    let mut notes = Notes::new(format!("volume {}", volume.name), &store.home);
    let libpod = libpod::Libpod::open(root, &store.home, &mut notes);
    let configs = libpod.map(|libpod| libpod.volumes(&mut notes)).unwrap_or_default();
    let parsed = configs.iter().filter_map(|raw| serde_json::from_slice::<Value>(raw).ok());
    let config = parsed.into_iter().find(|config| config.get("name").and_then(Value::as_str) == Some(&volume.name));
    (inspect::volume(volume, &config.unwrap_or_default()), notes.list)
}

pub(crate) fn inspect_network(root: &Root, network: &Network) -> Found<Value> {
    let mut notes = Notes::new(format!("network {}", network.name), &network.record);
    let config = network_config(root, &network.record, &mut notes).unwrap_or_default();
    (inspect::network(network, &config), notes.list)
}

pub(crate) fn log_place(root: &Root, store: &Store, container: &Container) -> Found<LogPlace> {
    let mut notes = Notes::new(format!("container {}", container.id.short()), &container.record);
    let libpod = libpod::Libpod::open(root, &store.home, &mut notes);
    let whole_seconds = libpod.as_ref().is_none_or(|libpod| libpod.age() != Age::From5_5);
    let record = libpod.and_then(|libpod| libpod.containers(container.id.as_str(), &mut notes).pop());
    let config = record.and_then(|record| record.values(&mut notes)).map(|(config, _)| config).unwrap_or_default();
    let (driver, file) = containers::log(store, container, &config);
    let terminal = config.pointer("/spec/process/terminal").and_then(Value::as_bool).unwrap_or(false);
    (LogPlace { driver, file, form: LogForm::K8sFile, terminal, whole_seconds }, notes.list)
}

pub(crate) fn raw_records(root: &Root, stores: &[Store], object: Object) -> Vec<HostPath> {
    match object {
        Object::Container(container) => {
            let folder = containers::userdata(&stores[container.store], container.id.as_str());
            let spec = folder.map(|folder| folder.join("config.json")).filter(|path| root.exists(path));
            std::iter::once(container.record.clone()).chain(spec).collect()
        }
        Object::Image(image) => {
            vec![image.record.clone(), records::folder_of(&stores[image.store], "images").join("images.json")]
        }
        Object::Volume(volume) => {
            let home = &stores[volume.store].home;
            [home.join("db.sql"), home.join("libpod/bolt_state.db")]
                .into_iter()
                .filter(|path| root.exists(path))
                .collect()
        }
        Object::Network(network) => vec![network.record.clone()],
    }
}
