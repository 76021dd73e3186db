//! Docker 23 to 29 with the containerd image store: containers, volumes and networks as with a graph driver, images and
//! layers in containerd's namespace `moby` (docs/layouts/containerd.md; moby daemon/containerd, v29.7.2).

use hostfs::Root;
use model::{Container, Digest, Generation, HostPath, Id, Image, Reference, Rootfs, Store};
use serde_json::{Value, json};

use crate::containerd::images::{self, Named, Naming};
use crate::containerd::metadata::{self, File};
use crate::containerd::{self, inspect, snapshots};
use crate::db::bolt::Bucket;
use crate::docker::folders;
use crate::home::{Home, usual};
use crate::json::Notes;
use crate::oci::config as oci_config;
use crate::{Found, HistoryEntry, LayoutError, Object, docker_content};

/// The namespace that docker uses (moby daemon/config/config.go `DefaultContainersNamespace`, v29.7.2).
const NAMESPACE: &str = "moby";

/// Whether docker keeps its images in containerd here, and for each folder of remapped users.
pub(crate) fn detect(home: &Home) -> Found<Vec<Store>> {
    let mut out: Found<Vec<Store>> = Default::default();
    for home in std::iter::once(home).chain(home.remapped()) {
        let (store, findings) = detect_home(home);
        out.0.extend(store);
        out.1.extend(findings);
    }
    out
}

fn detect_home(it: &Home) -> Found<Option<Store>> {
    let (root, home) = (it.root, &it.path);
    let folder = folder(root, home);
    let mut notes = Notes::new("", &metadata::path(&folder));
    let file = File::meta(root, &folder, &mut notes);
    if file.is_none() && !root.is_dir(&home.join("containerd")) {
        return (None, notes.list);
    }
    let sample = it.sample(folders::SINCE_1_10);
    let database = file.as_ref().and_then(|file| file.open(&mut notes));
    let empty = Bucket::default();
    let namespace = database.as_ref().and_then(|database| metadata::namespace(database, NAMESPACE)).unwrap_or(&empty);
    let has_images = namespace.bucket("images").is_some_and(|images| images.items().next().is_some());
    // Docker always runs on containerd: without images in it, it is the store only where no graph driver has any.
    let is_docker = root.is_dir(&home.join("containers"));
    let has_graph = || !docker_content::detect::detect(it).0.is_empty();
    let is_store = is_docker && (has_images || (file.is_some() || sample.is_some()) && !has_graph());
    if is_store && file.is_none() && notes.list.is_empty() {
        notes.add(
            "image-store-missing",
            "containerd's database is not there: no image and no container's files can be told",
        );
    }
    let driver =
        sample.map(|sample| sample.driver.clone()).filter(|name| metadata::has_snapshotter(root, &folder, name));
    let store = is_store.then(|| Store {
        generation: Generation::DockerContainerd,
        driver: snapshots::driver(&driver.unwrap_or_else(|| snapshots::main_one(namespace))),
        home: home.clone(),
        recorded: sample.and_then(|it| it.recorded.clone()).unwrap_or_else(|| usual(home)),
        namespace: NAMESPACE.into(),
        evidence: vec![metadata::path(&folder), home.join("containers")],
        host: None,
    });
    (store, notes.list)
}

/// containerd's folder: docker's own, else the system's beside docker's.
fn folder(root: &Root, home: &HostPath) -> HostPath {
    let own = home.join(containerd::OF_DOCKER);
    let beside = home.parent().join("containerd");
    if !metadata::is_here(root, &own) && home.name() == b"docker" && metadata::is_here(root, &beside) {
        beside
    } else {
        own
    }
}

fn with_namespace<T: Default>(
    root: &Root,
    store: &Store,
    subject: &str,
    work: impl FnOnce(&HostPath, &Bucket, &mut Notes) -> T,
) -> Found<T> {
    let folder = folder(root, &store.home);
    containerd::with_namespace(root, &folder, NAMESPACE, subject, |namespace, notes| work(&folder, namespace, notes))
}

pub(crate) fn images(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Image>> {
    with_namespace(root, &stores[index], "", |folder, namespace, notes| {
        images::read(root, folder, namespace, index, &Familiar, notes)
    })
}

/// Docker's names: short where that is clear, none for what lost its name.
struct Familiar;

/// A name that docker gives to what has none (moby daemon/containerd/image.go `danglingImageName`, v29.7.2).
fn is_dangling(name: &str) -> bool {
    name.starts_with("moby-dangling@")
}

impl Naming for Familiar {
    fn shown(&self, target: &Digest, named: &Named) -> (Vec<String>, Vec<String>) {
        let has_tag = |name: &&String| !is_dangling(name) && !name.contains('@');
        let mut tags: Vec<String> = named.names.iter().filter(has_tag).map(|name| familiar(name)).collect();
        tags.sort();
        // Of several names, the list of images has the digest with the last one only (image_list.go, v29.7.2).
        let last = named.names.iter().rev().find(|name| !is_dangling(name));
        (tags, last.map(|name| with_digest(name, target)).into_iter().collect())
    }

    fn parent(&self, named: &Named) -> Option<Id> {
        let (_, parent) = named.labels.iter().find(|(key, _)| key == "org.mobyproject.image.parent")?;
        Id::new(parent)
    }
}

fn familiar(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_string(), |reference| reference.familiar())
}

fn with_digest(name: &str, target: &Digest) -> String {
    let bare = name.split('@').next().unwrap_or(name);
    format!("{}@{target}", containerd::repository(&familiar(bare)))
}

pub(crate) fn rootfs(root: &Root, store: &Store, container: &Container) -> Result<Found<Rootfs>, LayoutError> {
    let folder = folder(root, &store.home);
    let mut out = containerd::snapshot_rootfs(root, &folder, NAMESPACE, container, container.id.as_str())?;
    out.0.ids = docker_content::read::id_map(root, store);
    Ok(out)
}

/// Docker shows the ids of the images that a build made on its way, as far as they are kept (image_history.go, v29.7.2).
pub(crate) fn history(root: &Root, store: &Store, image: &Image) -> Found<Vec<HistoryEntry>> {
    let (mut steps, mut findings) = oci_config::history(image);
    let (targets, more) = with_namespace(root, store, "", |_, namespace, notes| images::targets(namespace, notes));
    findings.extend(more);
    let mut next = image.id.as_str().parse::<Digest>().ok();
    for step in &mut steps {
        let Some((digest, named)) = next.and_then(|digest| Some((digest, targets.get(&digest)?))) else { break };
        step.id = Some(digest.into());
        step.tags = Familiar.shown(&digest, named).0;
        next = Familiar.parent(named).and_then(|id| id.as_str().parse().ok());
    }
    (steps, findings)
}

/// As with a graph driver, but for where the files lie and which manifest was chosen.
pub(crate) fn inspect_container(root: &Root, stores: &[Store], container: &Container) -> Found<Value> {
    let (mut value, findings) = crate::docker::inspect::container(root, stores, container);
    if let Some(keys) = value.as_object_mut() {
        keys.insert("GraphDriver".into(), json!({"Data": null, "Name": &*container.driver}));
        keys.insert("Storage".into(), json!({"RootFS": {"Snapshot": {"Name": &*container.driver}}}));
    }
    (value, findings)
}

pub(crate) fn inspect_image(root: &Root, stores: &[Store], image: &Image) -> Found<Value> {
    let subject = format!("image {}", image.id.short());
    with_namespace(root, &stores[image.store], &subject, |folder, namespace, notes| {
        let named = containerd::named(namespace, image);
        let target: Option<Digest> = image.id.as_str().parse().ok();
        let names = named.names.iter().filter(|name| !is_dangling(name));
        let mut digests: Vec<String> = names.filter_map(|name| Some(with_digest(name, &target?))).collect();
        digests.sort();
        digests.dedup();
        let stored = containerd::stored(root, folder, image);
        inspect::image(
            image,
            &named,
            &oci_config::ImageConfig::of(image, notes.at(&image.record)),
            stored,
            &image.tags,
            &digests,
        )
    })
}

pub(crate) fn raw_records(root: &Root, stores: &[Store], object: Object) -> Vec<HostPath> {
    match object {
        Object::Image(image) => vec![image.record.clone(), metadata::path(&folder(root, &stores[image.store].home))],
        other => docker_content::raw_records(root, stores, other),
    }
}
