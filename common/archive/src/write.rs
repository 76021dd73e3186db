//! Writing an archive as a stream: first the documents that name everything, then the layers. All digests are known before
//! the first byte leaves, so nothing is held back; sizes are asked for when a layer's turn comes, but for an OCI layout,
//! whose manifest states them. Dates, owners and modes are fixed, so the same images give the same bytes.
//!
//! Two formats. *docker-archive* is the one of docker 1.10–24, which docker 1.2 to 29, podman, containerd and skopeo all
//! read (`docs/layouts/archives.md` says what each of them demands). *oci* is an OCI image layout.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use model::Digest;

use crate::digest;
use crate::gojson;
use crate::manifest::{AtMost, Config, Descriptor, DockerItem, Index, Manifest, Platform, Repositories};
use crate::v1;

/// The form of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// What `docker load` of every age reads.
    #[default]
    Docker,
    /// An OCI image layout.
    Oci,
}

/// An image to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedImage {
    /// Its config.
    pub config: Vec<u8>,
    /// Names with tags as docker shows them (`app:1`).
    pub names: Vec<String>,
    /// The same names in full (`docker.io/library/app:1`), in the same order.
    pub full_names: Vec<String>,
    /// Its layers, lowest first.
    pub layers: Vec<PlannedLayer>,
    /// The manifest under which a registry knows it, where it names exactly these layers' blobs.
    pub manifest: Option<Vec<u8>>,
}

/// A layer to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedLayer {
    /// Digest of its uncompressed tar.
    pub diff_id: Digest,
    /// Digest of the bytes that will be written: the diff id unless they are compressed.
    pub blob: Digest,
    /// How many bytes will be written. An OCI layout states it first; docker's form can do without.
    pub size: Option<u64>,
    /// OCI's media type for them.
    pub media_type: &'static str,
}

/// OCI's media type of an uncompressed layer.
pub const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// One member of the archive to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Member {
    /// A folder.
    Directory,
    /// Bytes at hand.
    Document(Vec<u8>),
    /// A layer: of which image, and which of its layers.
    Layer {
        /// Which image.
        image: usize,
        /// Which of its layers, lowest first.
        layer: usize,
        /// Bytes, where known already.
        size: Option<u64>,
    },
    /// A symbolic link.
    Link(String),
}

/// What an archive will hold, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    members: Vec<(String, Member)>,
    names: BTreeSet<String>,
}

impl Plan {
    /// Plans an archive of `images`.
    pub fn new(format: Format, images: &[PlannedImage]) -> Plan {
        match format {
            Format::Docker => docker(images),
            Format::Oci => oci(images),
        }
    }

    /// The members by name, in order.
    pub fn members(&self) -> &[(String, Member)] {
        &self.members
    }

    /// The bytes of the tar to be, where all layers' sizes are known.
    pub fn size(&self) -> Option<u64> {
        let members: Option<u64> =
            self.members.iter().map(|(_, member)| Some(512 + member.size()?.next_multiple_of(512))).sum();
        Some(members? + END.len() as u64)
    }

    /// Writes the tar, with the layers as `layers` gives them.
    pub fn write<L: Layers>(&self, out: &mut dyn Write, layers: &mut L) -> Result<(), L::Error> {
        for (name, member) in &self.members {
            let size = match member {
                Member::Layer { image, layer, size: None } => layers.size(*image, *layer)?,
                other => other.size().expect("only layers have unknown sizes"),
            };
            out.write_all(&header(name, member, size))?;
            match member {
                Member::Document(bytes) => out.write_all(bytes)?,
                Member::Layer { image, layer, .. } => layers.write(*image, *layer, out)?,
                Member::Directory | Member::Link(_) => {}
            }
            out.write_all(&END[..padding(size)])?;
        }
        out.write_all(&END)?;
        Ok(())
    }

    fn add(&mut self, name: String, member: Member) {
        if self.names.insert(name.clone()) {
            self.members.push((name, member));
        }
    }
}

impl Member {
    fn size(&self) -> Option<u64> {
        match self {
            Member::Document(bytes) => Some(bytes.len() as u64),
            Member::Layer { size, .. } => *size,
            Member::Directory | Member::Link(_) => Some(0),
        }
    }
}

/// Gives the bytes of layers by image and layer, lowest first.
pub trait Layers {
    /// What may go wrong.
    type Error: From<io::Error>;

    /// How many bytes [`Layers::write`] will write.
    fn size(&mut self, image: usize, layer: usize) -> Result<u64, Self::Error>;

    /// Writes a layer: exactly as many bytes as were said.
    fn write(&mut self, image: usize, layer: usize, out: &mut dyn Write) -> Result<(), Self::Error>;
}

const END: [u8; 1024] = [0; 1024];

fn padding(size: u64) -> usize {
    (size.next_multiple_of(512) - size) as usize
}

fn docker(images: &[PlannedImage]) -> Plan {
    let folders: Vec<Vec<v1::Folder>> = images.iter().map(v1_folders).collect();
    let places = places(images, &folders);
    let mut plan = Plan::default();
    let items: Vec<DockerItem> = images.iter().map(|image| item(image, &places)).collect();
    plan.add("manifest.json".to_string(), Member::Document(line(&items)));
    for image in images {
        plan.add(format!("{}.json", digest(&image.config).hex()), Member::Document(image.config.clone()));
    }
    if let Some(repositories) = repositories(images, &folders) {
        plan.add("repositories".to_string(), Member::Document(line(&repositories)));
    }
    for (n, (image, folders)) in images.iter().zip(&folders).enumerate() {
        for (m, (layer, folder)) in image.layers.iter().zip(folders).enumerate() {
            plan.folder(folder, &places[&layer.blob], Member::Layer { image: n, layer: m, size: layer.size });
        }
    }
    plan
}

impl Plan {
    /// The folder in which docker before 1.10 looks for a layer. A layer that stands in another one already is a link
    /// there, as docker made it; `manifest.json` names the place itself, so that no later reader has to follow it.
    fn folder(&mut self, folder: &v1::Folder, place: &str, layer: Member) {
        let id = &folder.id;
        let own = format!("{id}/layer.tar");
        self.add(format!("{id}/"), Member::Directory);
        self.add(format!("{id}/VERSION"), Member::Document(b"1.0".to_vec()));
        self.add(format!("{id}/json"), Member::Document(folder.json.clone()));
        let member = if own == place { layer } else { Member::Link(format!("../{place}")) };
        self.add(own, member);
    }
}

/// Where each layer's bytes stand, by their digest: in the first folder that needs them.
fn places(images: &[PlannedImage], folders: &[Vec<v1::Folder>]) -> BTreeMap<Digest, String> {
    let mut places = BTreeMap::new();
    for (image, folders) in images.iter().zip(folders) {
        for (layer, folder) in image.layers.iter().zip(folders) {
            places.entry(layer.blob).or_insert_with(|| format!("{}/layer.tar", folder.id));
        }
    }
    places
}

fn item(image: &PlannedImage, places: &BTreeMap<Digest, String>) -> DockerItem {
    DockerItem {
        config: format!("{}.json", digest(&image.config).hex()),
        repo_tags: (!image.names.is_empty()).then(|| image.names.clone()),
        layers: Some(AtMost(image.layers.iter().map(|layer| places[&layer.blob].clone()).collect())),
        parent: None,
    }
}

/// docker's v1 folders. A config that does not read as docker's gives folders without one: only docker before 1.10
/// looks at them.
fn v1_folders(image: &PlannedImage) -> Vec<v1::Folder> {
    let diff_ids: Vec<Digest> = image.layers.iter().map(|layer| layer.diff_id).collect();
    v1::folders(&image.config, &diff_ids)
        .or_else(|_| v1::folders(b"{}", &diff_ids))
        .expect("an empty config reads as docker's")
}

fn repositories(images: &[PlannedImage], folders: &[Vec<v1::Folder>]) -> Option<Repositories> {
    let mut repositories = Repositories::new();
    for (image, folders) in images.iter().zip(folders) {
        let Some(top) = folders.last() else { continue };
        for (repository, tag) in image.names.iter().filter_map(|name| name.rsplit_once(':')) {
            repositories.entry(repository.to_string()).or_default().insert(tag.to_string(), top.id.clone());
        }
    }
    (!repositories.is_empty()).then_some(repositories)
}

fn oci(images: &[PlannedImage]) -> Plan {
    let manifests: Vec<Vec<u8>> =
        images.iter().map(|image| image.manifest.clone().unwrap_or_else(|| gojson::to_vec(&manifest(image)))).collect();
    let mut plan = Plan::default();
    plan.add("oci-layout".to_string(), Member::Document(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    plan.add("index.json".to_string(), Member::Document(gojson::to_vec(&index(images, &manifests))));
    plan.add("blobs/".to_string(), Member::Directory);
    plan.add("blobs/sha256/".to_string(), Member::Directory);
    for (image, manifest) in images.iter().zip(manifests) {
        plan.add(blob(&digest(&manifest)), Member::Document(manifest));
        plan.add(blob(&digest(&image.config)), Member::Document(image.config.clone()));
    }
    for (n, image) in images.iter().enumerate() {
        for (m, layer) in image.layers.iter().enumerate() {
            plan.add(blob(&layer.blob), Member::Layer { image: n, layer: m, size: layer.size });
        }
    }
    plan
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn manifest(image: &PlannedImage) -> Manifest {
    let describe = |media_type: &str, digest: Digest, size: u64| Descriptor {
        media_type: media_type.to_string(),
        digest: digest.to_string(),
        size,
        ..Descriptor::default()
    };
    Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_string()),
        config: describe(CONFIG, digest(&image.config), image.config.len() as u64),
        layers: AtMost(
            image
                .layers
                .iter()
                .map(|layer| describe(layer.media_type, layer.blob, layer.size.unwrap_or_default()))
                .collect(),
        ),
    }
}

/// One descriptor for each name, as docker 25 and podman write it. The name stands in full under both keys: containerd
/// and docker read theirs, podman and skopeo OCI's.
fn index(images: &[PlannedImage], manifests: &[Vec<u8>]) -> Index {
    let described = images.iter().zip(manifests).flat_map(|(image, manifest)| {
        let one = Descriptor {
            media_type: media_type(manifest),
            digest: digest(manifest).to_string(),
            size: manifest.len() as u64,
            platform: platform(&image.config),
            ..Descriptor::default()
        };
        let named = image.full_names.iter().map(|name| Descriptor { annotations: annotations(name), ..one.clone() });
        let named: Vec<Descriptor> = named.collect();
        if named.is_empty() { vec![one] } else { named }
    });
    Index {
        schema_version: 2,
        media_type: Some("application/vnd.oci.image.index.v1+json".to_string()),
        manifests: AtMost(described.collect()),
    }
}

fn annotations(name: &str) -> BTreeMap<String, String> {
    ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
        .map(|key| (key.to_string(), name.to_string()))
        .into()
}

fn media_type(manifest: &[u8]) -> String {
    let stated = serde_json::from_slice::<Manifest>(manifest).ok().and_then(|manifest| manifest.media_type);
    stated.unwrap_or_else(|| MANIFEST.to_string())
}

fn platform(config: &[u8]) -> Option<Platform> {
    let config: Config = serde_json::from_slice(config).ok()?;
    Some(Platform { architecture: config.architecture?, os: config.os?, variant: String::new() })
}

/// docker ends these documents with a line feed.
fn line(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = gojson::to_vec(value);
    bytes.push(b'\n');
    bytes
}

/// A ustar header; sizes over 8 GiB in base 256, as GNU and Go's readers take them.
fn header(name: &str, member: &Member, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    let (kind, mode) = match member {
        Member::Directory => (b'5', "0000755\0"),
        Member::Link(_) => (b'2', "0000777\0"),
        Member::Document(_) | Member::Layer { .. } => (b'0', "0000644\0"),
    };
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, mode.as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, &number(size));
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    if let Member::Link(target) = member {
        put(157, target.as_bytes());
    }
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn number(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if size < 1 << 33 {
        field[..11].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        field[4..].copy_from_slice(&size.to_be_bytes());
        field[0] = 0x80;
    }
    field
}
