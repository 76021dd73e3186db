//! Layers: staged whole, then moved into place together.
//!
//! What a layer needs to be opened, run and saved by dockerd: moby v20.10.24 daemon/graphdriver/overlay2/overlay.go,
//! layer/filestore.go; each file's absence was tried on a real daemon.

use std::os::fd::OwnedFd;

use hostfs::Target;
use model::{Digest, Driver, HostPath, LayerRef, Store};
use ring::rand::{SecureRandom, SystemRandom};

use super::stage::Stage;
use super::{EditError, Writer};
use crate::docker_content::read::{driver_folder, image_store};
use crate::docker_content::records::sha256;

/// Layers that one image may have (moby v20.10.24 layer/layer_store.go maxLayerDepth).
const MAX_DEPTH: usize = 125;

/// A layer in the making: its folder is filled, then it is committed.
#[derive(Debug)]
pub struct StagedLayer {
    folder: HostPath,
    driver: Driver,
    parent: Option<Digest>,
}

impl StagedLayer {
    /// The folder to unpack into, below the root. With overlay2 it is empty and takes what the layer itself says; with
    /// vfs it holds the whole parent already, and the layer is applied over it.
    pub fn diff(&self) -> HostPath {
        match self.driver {
            Driver::Vfs => self.files(),
            _ => self.files().join("diff"),
        }
    }

    /// The file that takes the layer's tar-split, below the root; it is not there yet.
    pub fn tar_split(&self) -> HostPath {
        self.record().join("tar-split.json.gz")
    }

    fn files(&self) -> HostPath {
        self.folder.join("files")
    }

    fn record(&self) -> HostPath {
        self.folder.join("record")
    }
}

/// A whole layer that waits for its image.
pub(super) struct Pending {
    staged: StagedLayer,
    chain: Digest,
    cache_id: String,
    link: Option<String>,
}

impl Writer {
    /// Whether the layer is there, whole as far as dockerd looks: its record, and its files; or staged by this writer.
    pub fn layer_exists(&self, chain: &Digest) -> bool {
        self.pending.iter().any(|layer| layer.chain == *chain) || self.is_in_place(chain)
    }

    fn is_in_place(&self, chain: &Digest) -> bool {
        let record = layer_record(&self.store, chain);
        let has = |name: &str| text(&self.target, &record.join(name));
        let Some(cache_id) = has("cache-id").filter(|_| has("diff").is_some() && has("size").is_some()) else {
            return false;
        };
        let files = driver_place(&self.store, &cache_id);
        match self.store.driver {
            Driver::Vfs => self.root().is_dir(&files),
            _ => self.root().is_dir(&files.join("diff")) && self.root().exists(&files.join("link")),
        }
    }

    /// The bytes of a layer that is there, as recorded.
    pub fn layer_size(&self, chain: &Digest) -> Option<u64> {
        let pending = self.pending.iter().find(|layer| layer.chain == *chain).map(|layer| layer.staged.record());
        text(&self.target, &pending.unwrap_or_else(|| layer_record(&self.store, chain)).join("size"))?.parse().ok()
    }

    /// Begins a layer on `parent` (a chain id, which must be there), or a lowest one.
    pub fn stage_layer(&mut self, parent: Option<&Digest>) -> Result<StagedLayer, EditError> {
        if let Some(parent) = parent
            && !self.layer_exists(parent)
        {
            return Err(EditError::Invalid(format!("the layer below, {parent}, is not there")));
        }
        let folder = self.stage.fresh("layer");
        let staged = StagedLayer { folder, driver: self.store.driver.clone(), parent: parent.copied() };
        self.target.make_dir(&staged.folder, 0o700)?;
        self.target.make_dir(&staged.record(), 0o755)?;
        match (&self.store.driver, parent) {
            (Driver::Vfs, Some(parent)) => self.target.copy_tree(&self.files_of(parent)?, &staged.files())?,
            (Driver::Vfs, None) => self.target.make_dir(&staged.files(), 0o755)?,
            _ => {
                self.target.make_dir(&staged.files(), 0o710)?;
                self.target.make_dir(&staged.files().join("diff"), 0o755)?;
            }
        }
        Ok(staged)
    }

    /// Puts a staged layer on `parent`, which must be there. Only with overlay2, where a layer's files do not depend on
    /// what lies below; so a layer can be unpacked before it is known where it belongs.
    pub fn set_parent_layer(&self, staged: &mut StagedLayer, parent: Option<&Digest>) -> Result<(), EditError> {
        if staged.driver == Driver::Vfs && staged.parent.as_ref() != parent {
            return Err(EditError::Invalid(
                "a layer of vfs holds what lies below it, and cannot be put elsewhere".into(),
            ));
        }
        match parent {
            Some(parent) if !self.layer_exists(parent) => {
                Err(EditError::Invalid(format!("the layer below, {parent}, is not there")))
            }
            _ => {
                staged.parent = parent.copied();
                Ok(())
            }
        }
    }

    /// Removes a staged layer that is not needed after all.
    pub fn discard_layer(&mut self, staged: StagedLayer) -> Result<(), EditError> {
        Ok(self.target.remove_tree(&staged.folder)?)
    }

    /// The chain ids of all layers that have a record or are committed, in no order that means anything.
    pub fn layer_chains(&self) -> Vec<Digest> {
        let records = super::stage::names(&self.target, &image_store(&self.store).join("layerdb/sha256"));
        let placed = records.iter().filter_map(|name| name.parse().ok());
        placed.chain(self.pending.iter().map(|layer| layer.chain)).collect()
    }

    /// A layer that is there or committed, as drivers open it.
    pub fn layer_ref(&self, chain: &Digest) -> Option<LayerRef> {
        let (record, folder, id) = match self.pending.iter().find(|layer| layer.chain == *chain) {
            Some(layer) => (layer.staged.record(), layer.staged.folder.clone(), "files".to_string()),
            None => {
                let record = layer_record(&self.store, chain);
                let cache_id = text(&self.target, &record.join("cache-id"))?;
                (record, driver_folder(&self.store, &self.store.driver), cache_id)
            }
        };
        Some(LayerRef {
            driver: self.store.driver.clone(),
            id: id.into(),
            folder,
            diff_id: text(&self.target, &record.join("diff"))?.parse().ok(),
            chain_id: Some(*chain),
            tar_split: Some(record.join("tar-split.json.gz")),
            blob: None,
            size: self.layer_size(chain),
        })
    }

    /// A file for bytes that have to wait, gone when this writer is.
    pub fn scratch_file(&mut self) -> Result<(HostPath, std::fs::File), EditError> {
        let path = self.stage.fresh("wait");
        let file = self.target.create_file(&path, 0o600)?;
        Ok((path, file))
    }

    /// Opens the folder that a layer is unpacked into.
    pub fn open_diff(&self, staged: &StagedLayer) -> Result<OwnedFd, EditError> {
        Ok(self.target.open_dir(&staged.diff())?)
    }

    /// Takes a filled layer: `diff_id` is the digest of its tar, `size` its bytes as docker counts them (overlay2: its
    /// files, each once; vfs: the sizes in the tar's headers). Its tar-split must have been written. Gives its chain id.
    ///
    /// It becomes part of the root with the image that names it; a writer that ends before leaves nothing of it.
    pub fn commit_layer(&mut self, staged: StagedLayer, diff_id: Digest, size: u64) -> Result<Digest, EditError> {
        let chain = staged.parent.map_or(diff_id, |parent| sha256(format!("{parent} {diff_id}").as_bytes()));
        if self.layer_exists(&chain) {
            self.target.remove_tree(&staged.folder)?;
            return Ok(chain);
        }
        self.root().stat(&staged.tar_split())?;
        let cache_id = random_hex()?;
        let link = match self.store.driver {
            Driver::Vfs => None,
            _ => Some(self.finish_overlay(&staged)?),
        };
        match self.store.driver {
            Driver::Vfs => self.shift_tree(&staged.files())?,
            _ => {
                self.open_to_inside(&staged.files())?;
                self.shift_tree(&staged.diff())?;
                let work = staged.files().join("work");
                if self.root().exists(&work) {
                    self.shift_tree(&work)?;
                }
            }
        }
        self.finish_record(&staged, diff_id, size, &cache_id)?;
        self.target.write_new(&self.stage.made(&cache_id), chain.to_string().as_bytes(), 0o600)?;
        self.pending.push(Pending { staged, chain, cache_id, link });
        Ok(chain)
    }

    /// What overlay2 keeps beside `diff`; gives the short name for mounts.
    fn finish_overlay(&self, staged: &StagedLayer) -> Result<String, EditError> {
        let files = staged.files();
        let link = random_link()?;
        self.target.write_new(&files.join("link"), link.as_bytes(), 0o644)?;
        if let Some(parent) = &staged.parent {
            self.target.write_new(&files.join("lower"), self.lower(parent)?.as_bytes(), 0o644)?;
            self.target.make_dir(&files.join("work"), 0o700)?;
        }
        // Says that the layer is read-only, so that its diff may be read without a mount (20.10 and later).
        self.target.write_new(&files.join("committed"), b"", 0o600)?;
        Ok(link)
    }

    /// The layer's own record. Files are as layer/filestore.go writes them; a newline after `size` loses the image.
    fn finish_record(&self, staged: &StagedLayer, diff_id: Digest, size: u64, cache_id: &str) -> Result<(), EditError> {
        let write = |name: &str, text: &str| self.target.write_new(&staged.record().join(name), text.as_bytes(), 0o644);
        write("diff", &diff_id.to_string())?;
        write("size", &size.to_string())?;
        write("cache-id", cache_id)?;
        if let Some(parent) = staged.parent {
            write("parent", &parent.to_string())?;
        }
        Ok(())
    }

    /// The `lower` of a layer on `parent`: short names, nearest first.
    pub(super) fn lower(&self, parent: &Digest) -> Result<String, EditError> {
        let files = self.files_of(parent)?;
        let read = |name: &str| {
            self.root().read(&files.join(name), 64 << 10).map(|raw| String::from_utf8_lossy(&raw).into_owned())
        };
        let below = if self.root().exists(&files.join("lower")) { read("lower")? } else { String::new() };
        if below.split(':').filter(|part| !part.is_empty()).count() + 2 > MAX_DEPTH {
            return Err(EditError::Invalid("max depth exceeded".into()));
        }
        let own = format!("l/{}", read("link")?);
        Ok(if below.is_empty() { own } else { format!("{own}:{below}") })
    }

    /// The driver's folder of a layer, in place or staged.
    pub(super) fn files_of(&self, chain: &Digest) -> Result<HostPath, EditError> {
        if let Some(layer) = self.pending.iter().find(|layer| layer.chain == *chain) {
            return Ok(layer.staged.files());
        }
        let path = layer_record(&self.store, chain).join("cache-id");
        match text(&self.target, &path) {
            Some(cache_id) => Ok(driver_place(&self.store, &cache_id)),
            None => Err(EditError::Record { path, why: "names no folder of the driver".into() }),
        }
    }

    /// Moves all staged layers into place, lowest first, each layer's files before its record.
    pub(super) fn publish_layers(&mut self) -> Result<(), EditError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.waits_for_disk {
            // One call for all the files of all layers.
            self.target.sync_all()?;
        }
        self.make_places()?;
        for layer in std::mem::take(&mut self.pending) {
            self.publish(&layer)?;
        }
        let records = image_store(&self.store).join("layerdb/sha256");
        for folder in [driver_folder(&self.store, &self.store.driver), records] {
            self.target.sync_dir(&folder)?;
        }
        Ok(())
    }

    fn publish(&self, layer: &Pending) -> Result<(), EditError> {
        let record = layer_record(&self.store, &layer.chain);
        if self.root().exists(&record) {
            // Its files are missing, else it would have been taken as it is.
            self.target.rename(&record, &self.stage.folder.join(format!("broken-{}", layer.chain.hex())))?;
        }
        self.target.rename(&layer.staged.files(), &driver_place(&self.store, &layer.cache_id))?;
        if let Some(link) = &layer.link {
            let place = driver_folder(&self.store, &self.store.driver).join("l").join(link);
            self.target.symlink(format!("../{}/diff", layer.cache_id).as_bytes(), &place)?;
        }
        Ok(self.target.rename(&layer.staged.record(), &record)?)
    }

    /// The folders that hold layers, with the modes that dockerd gives them.
    fn make_places(&self) -> Result<(), EditError> {
        let folder = driver_folder(&self.store, &self.store.driver);
        self.target.make_dirs(&folder, 0o710)?;
        self.open_to_inside(&folder)?;
        if self.store.driver == Driver::Overlay2 {
            self.target.make_dirs(&"overlay2/l".into(), 0o700)?;
        }
        Ok(self.target.make_dirs(&image_store(&self.store).join("layerdb/sha256"), 0o700)?)
    }
}

/// Takes a driver's folder out of the root, with its short name; that it is not there is no error.
pub(super) fn take_files(target: &Target, store: &Store, stage: &Stage, cache_id: &str) -> Result<(), EditError> {
    if model::Id::new(cache_id).is_none() {
        return Ok(());
    }
    let files = driver_place(store, cache_id);
    let gone = stage.gone("files", cache_id);
    let here = if target.root().exists(&files) { &files } else { &gone };
    if let Some(link) = text(target, &here.join("link")).filter(|link| model::Id::new(link).is_some()) {
        target.remove_file(&driver_folder(store, &store.driver).join("l").join(&link))?;
    }
    if here == &files && target.root().exists(&files) {
        target.rename(&files, &gone)?;
    }
    Ok(())
}

/// `image/<driver>/layerdb/sha256/<chain>`.
pub(super) fn layer_record(store: &Store, chain: &Digest) -> HostPath {
    image_store(store).join("layerdb/sha256").join(chain.hex())
}

/// Where the driver keeps a layer's files.
pub(super) fn driver_place(store: &Store, cache_id: &str) -> HostPath {
    driver_folder(store, &store.driver).join(cache_id)
}

/// A short text file, trimmed; `None` where it is missing, empty or unreadable.
pub(super) fn text(target: &Target, path: &HostPath) -> Option<String> {
    let raw = target.root().read(path, 4096).ok()?;
    let text = String::from_utf8(raw).ok()?.trim().to_string();
    (!text.is_empty()).then_some(text)
}

/// 64 hex digits, as docker's cache ids are (layer/layer_store.go, stringid.GenerateRandomID).
pub(super) fn random_hex() -> Result<String, EditError> {
    random().map(|bytes| Digest(bytes).hex())
}

/// 26 characters of base32, as overlay2's links are (daemon/graphdriver/overlay2/randomid.go).
pub(super) fn random_link() -> Result<String, EditError> {
    Ok(random()?
        .iter()
        .take(26)
        .map(|byte| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(byte % 32)]))
        .collect())
}

fn random() -> Result<[u8; 32], EditError> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| EditError::Invalid("the system gives no random numbers".into()))?;
    Ok(bytes)
}
