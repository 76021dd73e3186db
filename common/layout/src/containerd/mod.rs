//! containerd alone: `io.containerd.metadata.v1.bolt/meta.db`, one store a namespace (docs/layouts/containerd.md).
//!
//! In reading order: [`metadata`] (the database that names everything), [`content`] (blobs), [`snapshots`] (layers),
//! [`mod@images`], [`mod@containers`], [`inspect`]. Leases only keep things from being collected, and are not read.

mod containers;
pub(crate) mod content;
mod detect;
pub(crate) mod images;
pub(crate) mod inspect;
pub(crate) mod metadata;
pub(crate) mod snapshots;

use hostfs::Root;
use model::{Container, Digest, HostPath, Id, Image, LogForm, LogPlace, Rootfs, Store};
use serde_json::Value;

use crate::db::bolt::Bucket;
use crate::json::Notes;
use crate::oci::config::ImageConfig;
use crate::{Found, LayoutError};

pub(crate) use detect::{OF_DOCKER, detect};
use images::{Named, Naming};
use metadata::File;

/// Does something with the bucket of a namespace; nothing where there is none.
pub(crate) fn with_namespace<T: Default>(
    root: &Root,
    folder: &HostPath,
    name: &str,
    subject: &str,
    work: impl FnOnce(&Bucket, &mut Notes) -> T,
) -> Found<T> {
    let mut notes = Notes::new(subject, &metadata::path(folder));
    let out = match File::meta(root, folder, &mut notes) {
        None => T::default(),
        Some(file) => {
            let database = file.open(&mut notes);
            let namespace = database.as_ref().and_then(|database| metadata::namespace(database, name));
            // What the database itself has was told when the store was detected.
            notes.list.clear();
            namespace.map(|namespace| work(namespace, notes.at(&metadata::path(folder)))).unwrap_or_default()
        }
    };
    (out, notes.list)
}

pub(crate) fn containers(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Container>> {
    container(root, stores, index, "")
}

pub(crate) fn container(root: &Root, stores: &[Store], index: usize, prefix: &str) -> Found<Vec<Container>> {
    let store = &stores[index];
    with_namespace(root, &store.home, &store.namespace, "", |namespace, notes| {
        containers::read(root, &store.home, namespace, index, prefix, notes)
    })
}

pub(crate) fn images(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Image>> {
    let store = &stores[index];
    with_namespace(root, &store.home, &store.namespace, "", |namespace, notes| {
        images::read(root, &store.home, namespace, index, &AsRecorded, notes)
    })
}

/// containerd's own tools show names as they are recorded.
struct AsRecorded;

impl Naming for AsRecorded {
    fn shown(&self, target: &Digest, named: &Named) -> (Vec<String>, Vec<String>) {
        let (digests, tags): (Vec<String>, Vec<String>) =
            named.names.iter().cloned().partition(|name| name.contains("@sha256:"));
        // CRI also names each image by its config's digest.
        let tags: Vec<String> = tags.into_iter().filter(|name| !name.starts_with("sha256:")).collect();
        let by_tag = tags.iter().map(|tag| format!("{}@{target}", repository(tag)));
        let mut digests: Vec<String> = digests.into_iter().chain(by_tag).collect();
        digests.sort();
        digests.dedup();
        (tags, digests)
    }

    fn parent(&self, _named: &Named) -> Option<Id> {
        None
    }
}

/// A name without its tag.
pub(crate) fn repository(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

pub(crate) fn rootfs(root: &Root, store: &Store, container: &Container) -> Result<Found<Rootfs>, LayoutError> {
    let (key, _) = with_namespace(root, &store.home, &store.namespace, "", |namespace, _| {
        namespace
            .at([b"containers", container.id.as_str().as_bytes()])
            .map(|bucket| bucket.text("snapshotKey"))
            .unwrap_or_default()
    });
    snapshot_rootfs(root, &store.home, &store.namespace, container, &key)
}

/// The layers of a container whose own snapshot has the key `key`.
pub(crate) fn snapshot_rootfs(
    root: &Root,
    folder: &HostPath,
    namespace: &str,
    container: &Container,
    key: &str,
) -> Result<Found<Rootfs>, LayoutError> {
    let subject = format!("container {}", container.id.short());
    let fail = |why: String| LayoutError::NoRootfs { subject: subject.clone(), why };
    if key.is_empty() {
        return Err(fail("it has no snapshot".into()));
    }
    let (chain, findings) = with_namespace(root, folder, namespace, &subject, |bucket, notes| {
        let file = snapshots::file(root, folder, &container.driver, notes);
        let own = file.as_ref().and_then(|file| file.open(notes));
        Some(snapshots::Snapshots::new(bucket, own.as_ref(), folder, &container.driver).chain(key))
    });
    let chain = chain.unwrap_or_else(|| Err(format!("namespace '{namespace}' is not recorded"))).map_err(fail)?;
    // Docker 25 and later puts a snapshot `<id>-init` below a container's own.
    let has_init = chain.first().is_some_and(|top| top.parent == format!("{key}-init"));
    let layers = chain.into_iter().map(|snapshot| snapshot.layer).collect();
    Ok((Rootfs { layers, own: if has_init { 2 } else { 1 }, ..Rootfs::default() }, findings))
}

pub(crate) fn inspect_container(root: &Root, stores: &[Store], container: &Container) -> Found<Value> {
    let store = &stores[container.store];
    let subject = format!("container {}", container.id.short());
    with_namespace(root, &store.home, &store.namespace, &subject, |namespace, notes| {
        let bucket = namespace.at([b"containers", container.id.as_str().as_bytes()]);
        bucket
            .map(|bucket| inspect::container(container, &store.namespace, bucket, &containers::spec(bucket, notes)))
            .unwrap_or_default()
    })
}

pub(crate) fn inspect_image(root: &Root, stores: &[Store], image: &Image) -> Found<Value> {
    let store = &stores[image.store];
    let subject = format!("image {}", image.id.short());
    with_namespace(root, &store.home, &store.namespace, &subject, |namespace, notes| {
        let named = named(namespace, image);
        let stored = stored(root, &store.home, image);
        inspect::image(
            image,
            &named,
            &ImageConfig::of(image, notes.at(&image.record)),
            stored,
            &image.tags,
            &image.digests,
        )
    })
}

/// Bytes of an image's blobs that are here.
pub(crate) fn stored(root: &Root, folder: &HostPath, image: &Image) -> u64 {
    let target = image.id.as_str().parse().ok();
    let resolve = |digest| content::Content::new(root, folder).resolve(digest, &mut Notes::new("", folder)).stored;
    target.map(resolve).unwrap_or(0)
}

/// What `meta.db` says of an image.
pub(crate) fn named(namespace: &Bucket, image: &Image) -> Named {
    let mut targets = images::targets(namespace, &mut Notes::new("", &HostPath::default()));
    image.id.as_str().parse().ok().and_then(|digest: Digest| targets.remove(&digest)).unwrap_or_default()
}

/// Kubernetes has the log outside of containerd's folder; where it lies is in an extension of the record
/// (containerd internal/cri/store/container/metadata.go `LogPath`, v2.3.3).
pub(crate) fn log_place(root: &Root, store: &Store, container: &Container) -> Found<LogPlace> {
    const EXTENSION: &[u8] = b"io.cri-containerd.container.metadata";
    let (file, findings) = with_namespace(root, &store.home, &store.namespace, "", |namespace, _| {
        let bucket = namespace.at([b"containers", container.id.as_str().as_bytes(), b"extensions"])?;
        let value: Value = serde_json::from_slice(crate::db::protobuf::bytes_of(bucket.get(EXTENSION)?, 2)?).ok()?;
        let recorded = value.pointer("/Metadata/LogPath")?.as_str()?.to_string();
        Some(HostPath::new(recorded.as_bytes())).filter(|path| root.exists(path))
    });
    let driver = if file.is_some() { "cri" } else { "none" };
    (LogPlace { driver: driver.into(), file, form: LogForm::Cri, terminal: false, whole_seconds: false }, findings)
}
