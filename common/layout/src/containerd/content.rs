//! The content store: blobs named by their digest, and the way from an image's target to its config and layers
//! (docs/layouts/containerd.md; containerd core/images/image.go, v2.3.3).

use hostfs::Root;
use model::{Digest, HostPath};
use serde_json::Value;

use crate::db::bolt::Bucket;
use crate::json::{self, Notes};

/// How deep an index may name another. More than one level is not made by any tool.
const DEEPEST: usize = 4;

/// What an image's target leads to.
#[derive(Default)]
pub(crate) struct Resolved {
    /// The manifest that was chosen, and its digest.
    pub manifest: Vec<u8>,
    pub manifest_digest: Option<Digest>,
    /// The config's bytes, where they lie, and their digest.
    pub config: Vec<u8>,
    pub config_path: HostPath,
    pub config_digest: Option<Digest>,
    /// Digest and size of each layer's blob, lowest first.
    pub layers: Vec<(Digest, u64)>,
    /// Bytes of all blobs that are there.
    pub stored: u64,
}

/// The content store of a containerd folder.
pub(crate) struct Content<'a> {
    root: &'a Root,
    blobs: HostPath,
}

impl<'a> Content<'a> {
    pub fn new(root: &'a Root, folder: &HostPath) -> Content<'a> {
        Content { root, blobs: folder.join("io.containerd.content.v1.content/blobs/sha256") }
    }

    /// Where a blob lies, whether or not it is there.
    pub fn path(&self, digest: &Digest) -> HostPath {
        self.blobs.join(digest.hex())
    }

    /// Where a blob lies; `None` where it is not there.
    pub fn find(&self, digest: &Digest) -> Option<HostPath> {
        let path = self.path(digest);
        self.root.exists(&path).then_some(path)
    }

    /// Follows an image's target to manifest, config and layers. What is missing or damaged is a finding.
    pub fn resolve(&self, target: Digest, notes: &mut Notes) -> Resolved {
        let mut out = Resolved::default();
        let Some((digest, manifest)) = self.manifest(target, 0, &mut out.stored, notes) else { return out };
        out.manifest_digest = Some(digest);
        out.manifest = manifest;
        let Some(value) = json::value(&out.manifest, notes.at(&self.path(&digest))) else { return out };
        out.layers = descriptors(value.get("layers")).into_iter().map(|it| (it.digest, it.size)).collect();
        out.stored +=
            out.layers.iter().filter(|(digest, _)| self.find(digest).is_some()).map(|(_, size)| size).sum::<u64>();
        match value.get("config").and_then(Descriptor::read) {
            Some(config) => self.config(&config, &mut out, notes),
            None => notes.add("manifest-damaged", "it names no config"),
        }
        out
    }

    fn config(&self, config: &Descriptor, out: &mut Resolved, notes: &mut Notes) {
        out.config_path = self.path(&config.digest);
        out.config_digest = Some(config.digest);
        if let Some(raw) = self.blob(&config.digest, notes) {
            out.stored += raw.len() as u64;
            out.config = raw;
        }
    }

    /// The manifest that a target is or, where it is an index, the one of it that is there.
    fn manifest(&self, target: Digest, depth: usize, stored: &mut u64, notes: &mut Notes) -> Option<(Digest, Vec<u8>)> {
        let raw = self.blob(&target, notes)?;
        *stored += raw.len() as u64;
        let value = json::value(&raw, notes)?;
        if value.get("manifests").is_none() {
            return Some((target, raw));
        }
        if depth == DEEPEST {
            notes.add("manifest-damaged", "indexes name each other without end");
            return None;
        }
        let chosen = self.choose(&descriptors(value.get("manifests")));
        if chosen.is_none() {
            notes.add("manifest-missing", "none of the manifests that the index names is here");
        }
        self.manifest(chosen?, depth + 1, stored, notes)
    }

    /// Of an index: manifests of images that are here, linux on amd64 before others, which most hosts are; attestations
    /// (platform unknown) never.
    fn choose(&self, manifests: &[Descriptor]) -> Option<Digest> {
        let here = manifests.iter().filter(|it| !it.is_attestation() && self.find(&it.digest).is_some());
        here.min_by_key(|it| (it.os() != "linux", !self.is_unpacked(it), it.architecture() != "amd64"))
            .map(|it| it.digest)
    }

    /// Whether a manifest's config is here too: of other platforms often only the manifest is.
    fn is_unpacked(&self, manifest: &Descriptor) -> bool {
        let mut notes = Notes::new("", &self.blobs);
        let value = self.blob(&manifest.digest, &mut notes).and_then(|raw| json::value(&raw, &mut notes));
        let config = value.as_ref().and_then(|value| value.get("config")).and_then(Descriptor::read);
        config.is_some_and(|config| self.find(&config.digest).is_some())
    }

    /// Reads a blob that is a record; its digest is checked, and a wrong one is a finding.
    pub fn blob(&self, digest: &Digest, notes: &mut Notes) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let raw = json::read(self.root, &path, notes)?;
        if crate::oci::config::sha256(&raw) != *digest {
            notes.at(&path).add("digest-differs", "its digest is not its name");
        }
        Some(raw)
    }
}

/// What a descriptor says (OCI image spec v1.1, descriptor.md).
struct Descriptor<'a> {
    digest: Digest,
    size: u64,
    value: &'a Value,
}

impl<'a> Descriptor<'a> {
    fn read(value: &'a Value) -> Option<Descriptor<'a>> {
        let digest = value.get("digest")?.as_str()?.parse().ok()?;
        Some(Descriptor { digest, size: value.get("size").and_then(Value::as_u64).unwrap_or(0), value })
    }

    fn text(&self, path: &str) -> &'a str {
        self.value.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    fn os(&self) -> &'a str {
        self.text("/platform/os")
    }

    fn architecture(&self) -> &'a str {
        self.text("/platform/architecture")
    }

    fn is_attestation(&self) -> bool {
        self.text("/annotations/vnd.docker.reference.type") == "attestation-manifest" || self.os() == "unknown"
    }
}

fn descriptors(list: Option<&Value>) -> Vec<Descriptor<'_>> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Descriptor::read).collect()
}

/// An image's target as `meta.db` has it: digest, media type, size.
pub(crate) fn target(image: &Bucket) -> Option<(Digest, String, u64)> {
    let target = image.bucket("target")?;
    let digest = target.text("digest").parse().ok()?;
    Some((digest, target.text("mediatype"), super::metadata::size_of(target, "size").unwrap_or(0)))
}
