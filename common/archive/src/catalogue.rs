//! What an archive's documents say, gathered as they come in any order, and resolved into images.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Digest, EntryPath};
use serde::de::DeserializeOwned;

use crate::digest;
use crate::error::ArchiveError;
use crate::manifest::{AtMost, Config, Descriptor, DockerItem, Index, Manifest, Platform, Repositories};
use crate::v1::{self, V1Image};

pub use crate::manifest::{MAX_IMAGES, MAX_LAYERS};

/// The bytes of one document that are kept; containers/image takes 4 MiB too (`internal/iolimits`).
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// The bytes of all documents together.
pub const MAX_DOCUMENTS: u64 = 24 << 20;
/// How deep indexes may lie in indexes.
const MAX_INDEXES: usize = 4;

/// An image of an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchivedImage {
    /// The digest of the config: docker's image id.
    pub id: Digest,
    /// The config, byte for byte, or made from the v1 documents as docker does.
    pub config: Arc<[u8]>,
    /// Names with tags, as the archive has them.
    pub names: Vec<String>,
    /// The layers, lowest first.
    pub layers: Vec<ArchivedLayer>,
    /// For v1 images the one below, by id; it is among the images too. `None` elsewhere.
    pub parent: Option<Digest>,
    /// The OCI manifest, where the archive has one for this image.
    pub manifest: Option<Arc<[u8]>>,
}

/// A layer of an archived image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchivedLayer {
    /// The member that holds its tar, links followed.
    pub member: EntryPath,
    /// What its uncompressed tar must come to.
    pub diff_id: Digest,
}

/// Documents, links, and what is known of layers.
#[derive(Default)]
pub struct Catalogue {
    documents: BTreeMap<EntryPath, Arc<[u8]>>,
    kept: u64,
    links: BTreeMap<EntryPath, EntryPath>,
    /// Layers that came, with their diff ids once known.
    layers: BTreeMap<EntryPath, Option<Digest>>,
    /// Documents that were too large to keep.
    large: BTreeSet<EntryPath>,
    platform: Option<Platform>,
    stated: RefCell<Stated>,
}

/// Diff ids by member, as far as manifest and configs have come.
#[derive(Default)]
struct Stated {
    by_member: BTreeMap<EntryPath, Digest>,
    /// Whether documents came since it was last worked out in vain.
    stale: bool,
    /// How often it was worked out: bounded, so that no order of members makes the work grow with their square.
    tries: u32,
}

impl Catalogue {
    /// A catalogue that takes images of indexes for `platform`, this machine's where it is `None`.
    pub fn new(platform: Option<Platform>) -> Catalogue {
        Catalogue { platform, ..Catalogue::default() }
    }

    /// Takes a document. Blobs are checked against the digest in their name.
    pub fn document(&mut self, name: EntryPath, raw: Vec<u8>) -> Result<(), ArchiveError> {
        if blob_digest(&name).is_some_and(|stated| stated != digest(&raw)) {
            return Err(ArchiveError::Digest { found: digest(&raw), name });
        }
        self.kept += raw.len() as u64;
        if self.kept > MAX_DOCUMENTS {
            return Err(ArchiveError::TooMuch { what: "bytes of JSON", limit: MAX_DOCUMENTS });
        }
        self.stated.get_mut().stale = true;
        match self.documents.insert(name.clone(), raw.into()) {
            Some(before) if before != self.documents[&name] => Err(ArchiveError::Twice { name }),
            _ => Ok(()),
        }
    }

    /// Notes a document that is too large to keep; an error later if it is needed.
    pub fn large_document(&mut self, name: EntryPath) {
        self.large.insert(name);
    }

    /// Takes a symbolic or hard link to another member.
    pub fn link(&mut self, name: EntryPath, target: EntryPath) {
        self.stated.get_mut().stale = true;
        self.links.insert(name, target);
    }

    /// Notes a layer. `diff_id` is `None` while it is not known.
    pub fn layer(&mut self, name: EntryPath, diff_id: Option<Digest>) -> Result<(), ArchiveError> {
        match self.layers.insert(name.clone(), diff_id) {
            Some(before) if before != diff_id && before.is_some() => Err(ArchiveError::Twice { name }),
            _ => Ok(()),
        }
    }

    /// Whether such a layer came before.
    pub fn has_layer(&self, name: &EntryPath) -> bool {
        self.layers.contains_key(name)
    }

    /// What a layer came to, where that was said.
    pub fn diff_id(&self, name: &EntryPath) -> Option<Digest> {
        self.layers.get(name).copied().flatten()
    }

    /// What the layer in that member must come to, if the documents that say so came already.
    pub fn stated_diff_id(&self, name: &EntryPath) -> Option<Digest> {
        let mut stated = self.stated.borrow_mut();
        if stated.stale && stated.by_member.is_empty() && stated.tries < 64 {
            let images =
                self.docker_images().ok().flatten().or_else(|| self.oci_images().ok().flatten()).unwrap_or_default();
            stated.by_member =
                images.into_iter().flat_map(|image| image.layers).map(|layer| (layer.member, layer.diff_id)).collect();
            stated.tries += u32::from(self.documents.contains_key(&path("manifest.json")));
            stated.stale = false;
        }
        stated.by_member.get(name).copied()
    }

    /// The images that can be told now; an error where documents are missing or wrong. Layers need not have come, but
    /// for v1 images.
    pub fn images(&self) -> Result<Vec<ArchivedImage>, ArchiveError> {
        // manifest.json first: where an archive has both, docker reads that one, and in 25.0.0 the order of layers in
        // the OCI manifest is random.
        if let Some(images) = self.docker_images()? {
            return Ok(images);
        }
        if let Some(images) = self.oci_images()? {
            return Ok(images);
        }
        self.v1_images()
    }

    fn docker_images(&self) -> Result<Option<Vec<ArchivedImage>>, ArchiveError> {
        let by = path("manifest.json");
        if self.documents.get(&by).is_none_or(|raw| first_byte(raw) != Some(b'[')) {
            return Ok(None);
        }
        let items: AtMost<DockerItem, MAX_IMAGES> = self.read(&by, "docker's manifest")?;
        items.0.into_iter().map(|item| self.docker_image(&by, item)).collect::<Result<_, _>>().map(Some)
    }

    fn docker_image(&self, by: &EntryPath, item: DockerItem) -> Result<ArchivedImage, ArchiveError> {
        let config = self.find(by, &item.config)?;
        let members = item.layers.unwrap_or_default().0;
        let members = members.iter().map(|name| self.member(by, name)).collect::<Result<Vec<_>, _>>()?;
        let image = self.image(&config, members, item.repo_tags.unwrap_or_default())?;
        Ok(ArchivedImage { parent: item.parent.and_then(|id| id.parse().ok()), ..image })
    }

    fn image(
        &self,
        config: &EntryPath,
        members: Vec<EntryPath>,
        names: Vec<String>,
    ) -> Result<ArchivedImage, ArchiveError> {
        let raw = &self.documents[config];
        let parsed: Config = self.read(config, "an image's config")?;
        let diff_ids = parsed.rootfs.unwrap_or_default().diff_ids.unwrap_or_default().0;
        if diff_ids.len() != members.len() {
            return Err(ArchiveError::LayerCount {
                config: config.clone(),
                diff_ids: diff_ids.len(),
                layers: members.len(),
            });
        }
        check_depth(diff_ids.len())?;
        let layers = members.into_iter().zip(&diff_ids).map(|(member, text)| {
            let diff_id = text
                .parse()
                .map_err(|_| senseless(config, format!("has the diff id '{text}', which is no sha256 digest")))?;
            Ok(ArchivedLayer { member, diff_id })
        });
        Ok(ArchivedImage {
            id: digest(raw),
            config: raw.clone(),
            names,
            layers: layers.collect::<Result<_, _>>()?,
            parent: None,
            manifest: None,
        })
    }

    fn oci_images(&self) -> Result<Option<Vec<ArchivedImage>>, ArchiveError> {
        let (index, flat) = (path("index.json"), path("manifest.json"));
        if self.documents.contains_key(&index) {
            let parsed: Index = self.read(&index, "an OCI index")?;
            let mut images: Vec<ArchivedImage> = Vec::new();
            for descriptor in parsed.manifests.0.iter().filter(|descriptor| !descriptor.is_attestation()) {
                let found = self.described_image(&index, descriptor, 0)?;
                merge(&mut images, found);
            }
            return Ok(Some(images));
        }
        // skopeo's `dir:`: the image's manifest, and blobs beside it by their bare digests.
        if self.documents.contains_key(&flat) {
            return Ok(Some(vec![self.oci_image(&flat, Vec::new(), |hex| hex.to_string())?]));
        }
        Ok(None)
    }

    fn described_image(
        &self,
        by: &EntryPath,
        descriptor: &Descriptor,
        depth: usize,
    ) -> Result<ArchivedImage, ArchiveError> {
        let name = self.find(by, &blob_name(by, &descriptor.digest)?)?;
        let names: Vec<String> = descriptor.name().map(str::to_string).into_iter().collect();
        if !descriptor.is_index() {
            return self.oci_image(&name, names, |hex| format!("blobs/sha256/{hex}"));
        }
        if depth == MAX_INDEXES {
            return Err(ArchiveError::TooMuch { what: "indexes inside each other", limit: MAX_INDEXES as u64 });
        }
        let index: Index = self.read(&name, "an OCI index")?;
        let chosen = self.choose(&name, &index)?;
        let image = self.described_image(&name, chosen, depth + 1)?;
        Ok(ArchivedImage { names, ..image })
    }

    /// The image of an index for the platform asked for; else the only one whose manifest is there.
    fn choose<'i>(&self, name: &EntryPath, index: &'i Index) -> Result<&'i Descriptor, ArchiveError> {
        let there = |d: &&Descriptor| {
            !d.is_attestation()
                && self.documents.contains_key(&path(&format!("blobs/{}", d.digest.replacen(':', "/", 1))))
        };
        let present: Vec<&Descriptor> = index.manifests.0.iter().filter(there).collect();
        let wanted = self.platform.clone().unwrap_or_else(this_machine);
        if let Some(found) = present.iter().find(|d| d.platform.as_ref().is_some_and(|p| matches(p, &wanted))) {
            return Ok(found);
        }
        match present.as_slice() {
            [only] if self.platform.is_none() => Ok(only),
            _ => Err(ArchiveError::NoPlatform {
                name: name.clone(),
                wanted: shown(&wanted),
                found: present.iter().filter_map(|d| d.platform.as_ref()).map(shown).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    fn oci_image(
        &self,
        name: &EntryPath,
        names: Vec<String>,
        place: impl Fn(&str) -> String,
    ) -> Result<ArchivedImage, ArchiveError> {
        let manifest: Manifest = self.read(name, "an OCI image manifest")?;
        let config = self.find(name, &place(hex(name, &manifest.config.digest)?))?;
        let members = manifest.layers.0.iter().map(|layer| self.member(name, &place(hex(name, &layer.digest)?)));
        let image = self.image(&config, members.collect::<Result<_, _>>()?, names)?;
        if manifest.config.digest != image.id.to_string() {
            return Err(ArchiveError::Digest { name: config, found: image.id });
        }
        Ok(ArchivedImage { manifest: Some(self.documents[name].clone()), ..image })
    }

    /// Every folder with a `json` is an image, and `repositories` names some.
    fn v1_images(&self) -> Result<Vec<ArchivedImage>, ArchiveError> {
        let jsons: BTreeMap<String, EntryPath> = self.documents.keys().filter_map(v1_folder).collect();
        let repositories = path("repositories");
        if jsons.is_empty() {
            return Err(ArchiveError::NoImages);
        }
        if jsons.len() > MAX_IMAGES {
            return Err(ArchiveError::TooMuch { what: "images", limit: MAX_IMAGES as u64 });
        }
        let names = match self.documents.contains_key(&repositories) {
            true => self.v1_names(&repositories, &jsons)?,
            false => BTreeMap::new(),
        };
        let mut images: BTreeMap<String, ArchivedImage> = BTreeMap::new();
        for id in jsons.keys() {
            self.v1_image(id, &jsons, &mut images)?;
        }
        for (id, names) in names {
            images.get_mut(&id).expect("names were checked against the folders").names = names;
        }
        Ok(images.into_values().collect())
    }

    fn v1_names(
        &self,
        by: &EntryPath,
        jsons: &BTreeMap<String, EntryPath>,
    ) -> Result<BTreeMap<String, Vec<String>>, ArchiveError> {
        let repositories: Repositories = self.read(by, "docker's repositories")?;
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (repository, tags) in repositories {
            for (tag, id) in tags {
                if !jsons.contains_key(&id) {
                    return Err(ArchiveError::Missing { by: by.clone(), name: format!("{id}/json") });
                }
                names.entry(id).or_default().push(format!("{repository}:{tag}"));
            }
        }
        Ok(names)
    }

    fn v1_image(
        &self,
        id: &str,
        jsons: &BTreeMap<String, EntryPath>,
        images: &mut BTreeMap<String, ArchivedImage>,
    ) -> Result<(), ArchiveError> {
        let mut chain = self.v1_chain(id, jsons)?;
        chain.reverse();
        let raws: Vec<&[u8]> = chain.iter().map(|id| &*self.documents[&jsons[id]]).collect();
        let members = chain
            .iter()
            .map(|id| self.member(&jsons[id], &format!("{id}/layer.tar")))
            .collect::<Result<Vec<_>, _>>()?;
        let diff_ids = members
            .iter()
            .map(|member| self.layers.get(member).copied().flatten().ok_or_else(|| missing(&jsons[id], member)));
        let diff_ids = diff_ids.collect::<Result<Vec<_>, _>>()?;
        let converted = v1::convert(&raws, &diff_ids).map_err(|source| document(&jsons[id], "a v1 image", source))?;
        let layers: Vec<ArchivedLayer> =
            members.into_iter().zip(diff_ids).map(|(member, diff_id)| ArchivedLayer { member, diff_id }).collect();
        let mut below = None;
        for (n, (id, image)) in chain.iter().zip(converted).enumerate() {
            let parent = below.replace(image.id);
            images.entry(id.clone()).or_insert_with(|| ArchivedImage {
                id: image.id,
                config: image.config.into(),
                names: Vec::new(),
                layers: layers[..=n].to_vec(),
                parent,
                manifest: None,
            });
        }
        Ok(())
    }

    /// The ids of a v1 image and all below it, the image first.
    fn v1_chain(&self, id: &str, jsons: &BTreeMap<String, EntryPath>) -> Result<Vec<String>, ArchiveError> {
        let mut chain = vec![id.to_string()];
        loop {
            let name = &jsons[chain.last().expect("it begins with one")];
            let image: V1Image = self.read(name, "a v1 image")?;
            if image.parent.is_empty() {
                return Ok(chain);
            }
            if !jsons.contains_key(&image.parent) {
                return Err(ArchiveError::Missing { by: name.clone(), name: format!("{}/json", image.parent) });
            }
            chain.push(image.parent);
            check_depth(chain.len())?;
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &EntryPath, what: &'static str) -> Result<T, ArchiveError> {
        let text = String::from_utf8_lossy(&self.documents[name]);
        serde_json::from_str(&text).map_err(|source| document(name, what, source))
    }

    /// The document that `name` means, links followed.
    fn find(&self, by: &EntryPath, name: &str) -> Result<EntryPath, ArchiveError> {
        let found = self.member(by, name)?;
        if self.large.contains(&found) {
            return Err(ArchiveError::TooMuch {
                what: "bytes in one JSON document that is needed",
                limit: MAX_DOCUMENT,
            });
        }
        if !self.documents.contains_key(&found) {
            return Err(ArchiveError::Missing { by: by.clone(), name: name.to_string() });
        }
        Ok(found)
    }

    /// The member that `name` means, links followed. It need not have come yet.
    fn member(&self, by: &EntryPath, name: &str) -> Result<EntryPath, ArchiveError> {
        let mut at =
            EntryPath::parse(name.as_bytes()).map_err(|why| senseless(by, format!("names '{name}': {why}")))?;
        for _ in 0..8 {
            match self.links.get(&at) {
                Some(target) => at = target.clone(),
                None => return Ok(at),
            }
        }
        Err(senseless(by, format!("names '{name}', a link that leads in circles")))
    }
}

fn document(name: &EntryPath, what: &'static str, source: serde_json::Error) -> ArchiveError {
    ArchiveError::Document { name: name.clone(), what, source }
}

fn senseless(name: &EntryPath, why: String) -> ArchiveError {
    ArchiveError::Senseless { name: name.clone(), why }
}

fn missing(by: &EntryPath, member: &EntryPath) -> ArchiveError {
    ArchiveError::Missing { by: by.clone(), name: member.to_string() }
}

fn check_depth(layers: usize) -> Result<(), ArchiveError> {
    match layers > MAX_LAYERS {
        true => Err(ArchiveError::TooMuch { what: "layers in one image", limit: MAX_LAYERS as u64 }),
        false => Ok(()),
    }
}

/// One image under several names is one image.
fn merge(images: &mut Vec<ArchivedImage>, found: ArchivedImage) {
    match images.iter_mut().find(|image| image.id == found.id) {
        Some(image) => {
            image.names.extend(found.names.into_iter().filter(|name| !image.names.contains(name)).collect::<Vec<_>>())
        }
        None => images.push(found),
    }
}

fn first_byte(raw: &[u8]) -> Option<u8> {
    raw.iter().copied().find(|b| !b.is_ascii_whitespace())
}

fn path(name: &str) -> EntryPath {
    EntryPath::parse(name.as_bytes()).unwrap_or_default()
}

/// The digest that a blob's name promises.
pub fn blob_digest(name: &EntryPath) -> Option<Digest> {
    let hex = name.as_bytes().strip_prefix(b"blobs/sha256/")?;
    std::str::from_utf8(hex).ok()?.parse().ok()
}

fn hex<'d>(by: &EntryPath, text: &'d str) -> Result<&'d str, ArchiveError> {
    match text.parse::<Digest>() {
        Ok(_) if text.starts_with("sha256:") => Ok(&text[7..]),
        _ => Err(senseless(by, format!("names '{text}', which is no sha256 digest"))),
    }
}

fn blob_name(by: &EntryPath, digest: &str) -> Result<String, ArchiveError> {
    Ok(format!("blobs/sha256/{}", hex(by, digest)?))
}

fn v1_folder(name: &EntryPath) -> Option<(String, EntryPath)> {
    let id = name.as_bytes().strip_suffix(b"/json")?;
    let id = std::str::from_utf8(id).ok().filter(|id| !id.contains('/'))?;
    Some((id.to_string(), name.clone()))
}

fn matches(platform: &Platform, wanted: &Platform) -> bool {
    platform.os == wanted.os
        && platform.architecture == wanted.architecture
        && (wanted.variant.is_empty() || platform.variant.is_empty() || platform.variant == wanted.variant)
}

fn shown(platform: &Platform) -> String {
    let variant = if platform.variant.is_empty() { String::new() } else { format!("/{}", platform.variant) };
    format!("{}/{}{variant}", platform.os, platform.architecture)
}

/// Go's words for the machine that this runs on.
pub fn this_machine() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    };
    Platform { architecture: architecture.to_string(), os: "linux".to_string(), variant: String::new() }
}
