//! Images of a namespace: names that share a target are one image.

use std::collections::BTreeMap;

use hostfs::Root;
use model::{Digest, HostPath, Id, Image, LayerRef, Timestamp};

use super::content::{self, Content, Resolved};
use super::metadata;
use super::snapshots::{self, Snapshots};
use crate::db::bolt::Bucket;
use crate::json::{self, Notes};
use crate::oci::config::{self, ImageConfig};

/// What `meta.db` says of one target: the names that it has.
#[derive(Clone, Default, Debug)]
pub(crate) struct Named {
    pub media_type: String,
    /// Bytes of the manifest or index.
    pub size: u64,
    /// As recorded, sorted.
    pub names: Vec<String>,
    /// Labels of the first name.
    pub labels: Vec<(String, String)>,
    /// When a name was last given.
    pub updated: Option<Timestamp>,
}

/// The targets of a namespace, by digest.
pub(crate) fn targets(namespace: &Bucket, notes: &mut Notes) -> BTreeMap<Digest, Named> {
    let mut out: BTreeMap<Digest, Named> = BTreeMap::new();
    for (name, image) in namespace.bucket("images").into_iter().flat_map(Bucket::buckets) {
        let name = String::from_utf8_lossy(name).into_owned();
        let Some((digest, media_type, size)) = content::target(image) else {
            notes.add("image-damaged", format!("image '{name}' names no target"));
            continue;
        };
        let named = out.entry(digest).or_default();
        (named.media_type, named.size) = (media_type, size);
        if named.labels.is_empty() {
            named.labels = metadata::labels(image);
        }
        named.updated = named.updated.max(metadata::time_of(image, "updatedat"));
        named.names.push(name);
    }
    out
}

/// How a store names its images.
pub(crate) trait Naming {
    /// Tags, and names with digests, as the engine shows them.
    fn shown(&self, target: &Digest, named: &Named) -> (Vec<String>, Vec<String>);
    /// The image that it was made on, where that is recorded.
    fn parent(&self, named: &Named) -> Option<Id>;
}

/// Reads all images of a namespace, newest first.
pub(crate) fn read(
    root: &Root,
    folder: &HostPath,
    namespace: &Bucket,
    store: usize,
    naming: &dyn Naming,
    notes: &mut Notes,
) -> Vec<Image> {
    let snapshotter = snapshots::main_one(namespace);
    let file = snapshots::file(root, folder, &snapshotter, notes);
    let own = file.as_ref().and_then(|file| file.open(notes));
    let snapshots = Snapshots::new(namespace, own.as_ref(), folder, &snapshotter);
    let content = Content::new(root, folder);
    let mut out: Vec<Image> = targets(namespace, notes)
        .iter()
        .map(|(target, named)| {
            let mut own = Notes::new(format!("image {}", target.short()), &content.path(target));
            let resolved = content.resolve(*target, &mut own);
            let image = image(*target, named, resolved, store, naming, &content, &snapshots, &mut own);
            notes.list.append(&mut own.list);
            image
        })
        .collect();
    out.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    out
}

#[expect(clippy::too_many_arguments, reason = "each is another part of the store, and there is one caller")]
fn image(
    target: Digest,
    named: &Named,
    resolved: Resolved,
    store: usize,
    naming: &dyn Naming,
    content: &Content,
    snapshots: &Snapshots,
    notes: &mut Notes,
) -> Image {
    let config = match resolved.config.is_empty() {
        true => None,
        false => json::value(&resolved.config, notes.at(&resolved.config_path)).map(ImageConfig::new),
    };
    let layers =
        config.as_ref().map(|config| layers(&config.diff_ids(), &resolved, content, snapshots)).unwrap_or_default();
    let (tags, digests) = naming.shown(&target, named);
    Image {
        id: target.into(),
        store,
        tags,
        digests,
        parent: naming.parent(named),
        created: config.as_ref().and_then(ImageConfig::created),
        size: Some(resolved.stored + unpacked(&layers, snapshots)),
        config: resolved.config.into(),
        record: if resolved.config_digest.is_some() { resolved.config_path } else { content.path(&target) },
        manifest: (!resolved.manifest.is_empty()).then(|| resolved.manifest.into()),
        layers,
    }
}

/// Bytes of the snapshots that the top layer stands on, those that only a build made among them, as docker counts.
fn unpacked(layers: &[LayerRef], snapshots: &Snapshots) -> u64 {
    let top = layers.first().and_then(|layer| layer.chain_id);
    let chain = top.and_then(|id| snapshots.chain(&id.to_string()).ok()).unwrap_or_default();
    chain.iter().filter_map(|snapshot| snapshot.layer.size).sum()
}

/// The layers, top first: each with its snapshot where it was unpacked, and its blob where that is kept.
fn layers(diff_ids: &[Digest], resolved: &Resolved, content: &Content, snapshots: &Snapshots) -> Vec<LayerRef> {
    let chain = config::chain_ids(diff_ids);
    let one = |index: usize| {
        let snapshot = snapshots.get(&chain[index].to_string()).map(|snapshot| snapshot.layer);
        let blob = resolved.layers.get(index).and_then(|(digest, _)| content.find(digest));
        let mut layer = snapshot.unwrap_or_else(|| snapshots.nowhere());
        layer.diff_id = Some(diff_ids[index]);
        layer.chain_id = Some(chain[index]);
        layer.blob = blob;
        layer
    };
    (0..diff_ids.len()).rev().map(one).collect()
}
