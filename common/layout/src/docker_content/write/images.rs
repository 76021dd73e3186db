//! Images: configs named by their digest (moby v20.10.24 image/fs.go), and how they are looked up.

use model::{Digest, HostPath, Id, Reference};

use super::{EditError, Writer, stage};
use crate::docker_content::read::{config_of, image_store, metadata_of};
use crate::docker_content::records::{ImageRecord, chain_ids, sha256};
use crate::json::{Notes, RECORD_LIMIT};

impl Writer {
    /// Makes an image of its config and of the layers that this names, which must be there or committed. Gives its id.
    /// Where that fails, nothing of it is left.
    pub fn put_image(&mut self, config: &[u8]) -> Result<Digest, EditError> {
        let id = sha256(config);
        for chain in chains(config, &config_of(&self.store, &id.into()))? {
            if !self.layer_exists(&chain) {
                return Err(EditError::Invalid(format!("the image names a layer that is not there: chain {chain}")));
            }
        }
        let done = self.publish_layers().and_then(|()| self.publish_image(&id, config));
        if done.is_err() {
            // What the first error says counts; what cannot be undone now is undone by the next writer.
            let _ = stage::undo_made(&self.target, &self.store, &self.stage);
        }
        done.map(|()| id)
    }

    fn publish_image(&self, id: &Digest, config: &[u8]) -> Result<(), EditError> {
        for folder in ["content", "metadata"] {
            self.target.make_dirs(&image_store(&self.store).join(format!("imagedb/{folder}/sha256")), 0o700)?;
        }
        if self.image_exists(id) {
            return Ok(());
        }
        let mark = self.made_mark(id);
        if !self.root().exists(&mark) {
            self.target.write_new(&mark, b"", 0o600)?;
        }
        Ok(self.target.write(&config_of(&self.store, &Id::from(*id)), config, 0o600)?)
    }

    /// Says that this writer made the image.
    fn made_mark(&self, id: &Digest) -> HostPath {
        self.stage.made(&format!("image-{}", id.hex()))
    }

    /// Removes an image that this writer made, when it could not be finished.
    pub(super) fn undo_image(&mut self, id: &Digest) -> Result<(), EditError> {
        if self.root().exists(&self.made_mark(id)) { self.take_if_loose(id) } else { Ok(()) }
    }

    /// Records that an image was made on another one (`history`, `images -a`).
    pub fn set_parent(&mut self, id: &Digest, parent: &Digest) -> Result<(), EditError> {
        let path = metadata_of(&self.store, &Id::from(*id), "parent");
        self.target.make_dirs(&path.parent(), 0o700)?;
        Ok(self.target.write(&path, parent.to_string().as_bytes(), 0o600)?)
    }

    /// Whether the image is there, its config as its id says.
    pub fn image_exists(&self, id: &Digest) -> bool {
        self.config(id).is_ok_and(|config| sha256(&config) == *id)
    }

    pub(super) fn config(&self, id: &Digest) -> Result<Vec<u8>, EditError> {
        Ok(self.root().read(&config_of(&self.store, &Id::from(*id)), RECORD_LIMIT)?)
    }

    /// The ids of all images, sorted; damaged ones too.
    pub(super) fn image_ids(&self) -> Vec<Digest> {
        let folder = image_store(&self.store).join("imagedb/content/sha256");
        stage::names(&self.target, &folder).iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The image that a person means: a name, an id, or the beginning of one (daemon/images/image.go GetImage).
    pub fn find_image(&self, text: &str) -> Result<Digest, EditError> {
        let not_found = |shown: String| Err(EditError::NoImage(shown));
        if let Ok(id) = text.parse::<Digest>() {
            return if self.image_exists(&id) { Ok(id) } else { not_found(id.to_string()) };
        }
        let reference = Reference::parse(text)?;
        if let Some(id) = self.names()?.get(&reference)
            && self.image_exists(&id)
        {
            return Ok(id);
        }
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        let mut found = self.image_ids().into_iter().filter(|id| id.hex().starts_with(prefix));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(EditError::Ambiguous(text.into())),
            _ => not_found(reference.or_latest().familiar()),
        }
    }
}

/// The layers that a config names, as chain ids, lowest first.
pub(super) fn chains(config: &[u8], path: &HostPath) -> Result<Vec<Digest>, EditError> {
    let mut notes = Notes::new("", path);
    let record = ImageRecord::parse(config, &mut notes);
    let diff_ids = ImageRecord::diff_ids(record.rootfs, &mut notes);
    match notes.list.into_iter().find(|finding| finding.code != "key-twice") {
        Some(finding) => {
            Err(EditError::Record { path: path.clone(), why: format!("is no image's config: {}", finding.detail) })
        }
        None => Ok(chain_ids(&diff_ids)),
    }
}
