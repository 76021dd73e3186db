//! How images go away: names first, then the image, then layers that nothing else needs, from the top down.
//!
//! The rules, their order and their texts are docker's (moby v20.10.24 daemon/images/image_delete.go).

use std::collections::HashSet;

use hostfs::Target;
use model::{Digest, HostPath, Id, Reference, Store};

use super::images::chains;
use super::layers::{self, layer_record};
use super::stage::{self, Stage};
use super::{EditError, Writer};
use crate::docker_content::read::{config_of, image_store, metadata_of};
use crate::json::RECORD_LIMIT;

/// One thing that a removal did, as docker prints it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Removed {
    /// A name was taken away.
    Untagged(String),
    /// An image or a layer (by its chain id) was removed.
    Deleted(Digest),
}

impl std::fmt::Display for Removed {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Removed::Untagged(name) => write!(f, "Untagged: {name}"),
            Removed::Deleted(id) => write!(f, "Deleted: {id}"),
        }
    }
}

/// What stands against removing an image.
struct Conflict {
    text: String,
    /// A container uses it.
    used: bool,
}

/// Which conflicts count.
#[derive(Clone, Copy)]
struct Mask {
    references: bool,
    stopped: bool,
}

impl Writer {
    /// Removes what `text` names: a name of an image, and the image with its last name; or an image by its id. With
    /// `force` also one that has several names or a stopped container; with `prune` also parents that nothing else needs.
    pub fn remove_image(&mut self, text: &str, force: bool, prune: bool) -> Result<Vec<Removed>, EditError> {
        let id = self.find_image(text)?;
        let names = self.names_of(&id)?;
        let mut done = Vec::new();
        let by_name = !is_id_prefix(&id, text);
        if by_name {
            if !force && is_single(&names) {
                self.refuse_last_name(text, &id)?;
            }
            if self.remove_name(&Reference::parse(text)?, &id, &mut done)? {
                return Ok(done);
            }
        } else if is_single(&names) {
            let mask = Mask { references: false, stopped: !force };
            if let Some(conflict) = self.conflict(&id, mask)? {
                return Err(EditError::Conflict(conflict.text));
            }
            self.remove_names(&names, &mut done)?;
        }
        self.remove_with_parents(id, force, prune, by_name, &mut done)?;
        Ok(done)
    }

    /// The last name of an image that a container uses stays, unless forced.
    fn refuse_last_name(&self, text: &str, id: &Digest) -> Result<(), EditError> {
        let users = self.containers();
        let Some(user) = users.iter().find(|container| container.image == Some(*id)) else { return Ok(()) };
        Err(EditError::Conflict(format!(
            "conflict: unable to remove repository reference \"{text}\" (must force) - container {} is using its referenced image {}",
            user.id.short(),
            id.short()
        )))
    }

    /// Takes one name away, and names with digests of the same repository where no tag is left in it. Says whether the
    /// image has names still.
    fn remove_name(&mut self, reference: &Reference, id: &Digest, done: &mut Vec<Removed>) -> Result<bool, EditError> {
        // Docker's record shows the tag also where a digest was given with it.
        let reference = reference.clone().or_latest();
        self.untag(&reference)?;
        done.push(Removed::Untagged(reference.familiar()));
        let mut left = self.names_of(id)?;
        let same = |name: &&Reference| name.full_repository() == reference.full_repository();
        if reference.digest().is_none() && !left.iter().filter(same).any(|name| name.digest().is_none()) {
            let orphans: Vec<Reference> = left.iter().filter(same).cloned().collect();
            self.remove_names(&orphans, done)?;
            left = self.names_of(id)?;
        }
        Ok(!left.is_empty())
    }

    fn remove_names(&mut self, names: &[Reference], done: &mut Vec<Removed>) -> Result<(), EditError> {
        for name in names {
            self.untag(name)?;
            done.push(Removed::Untagged(name.familiar()));
        }
        Ok(())
    }

    fn remove_with_parents(
        &mut self,
        id: Digest,
        force: bool,
        prune: bool,
        quiet: bool,
        done: &mut Vec<Removed>,
    ) -> Result<(), EditError> {
        let (mut id, mut force, mut quiet) = (id, force, quiet);
        loop {
            let mask = Mask { references: !force, stopped: !force };
            if let Some(conflict) = self.conflict(&id, mask)? {
                let dangling = self.names_of(&id)?.is_empty() && self.children(&id).is_empty();
                return if quiet && (!dangling || conflict.used) {
                    Ok(())
                } else {
                    Err(EditError::Conflict(conflict.text))
                };
            }
            let parent = self.parent(&id);
            self.remove_names(&self.names_of(&id)?, done)?;
            self.take_image(&id, done)?;
            match parent.filter(|_| prune) {
                None => return Ok(()),
                Some(parent) => (id, force, quiet) = (parent, false, true),
            }
        }
    }

    /// What stands against removing the image, the gravest first.
    fn conflict(&self, id: &Digest, mask: Mask) -> Result<Option<Conflict>, EditError> {
        let say = |hard: bool, used: bool, why: String| {
            let force = if hard { "cannot be forced" } else { "must be forced" };
            Ok(Some(Conflict { text: format!("conflict: unable to delete {} ({force}) - {why}", id.short()), used }))
        };
        if !self.children(id).is_empty() {
            return say(true, false, "image has dependent child images".into());
        }
        let users: Vec<_> = self.containers().into_iter().filter(|container| container.image == Some(*id)).collect();
        if let Some(user) = users.iter().find(|container| container.is_running()) {
            return say(true, true, format!("image is being used by running container {}", user.id.short()));
        }
        if mask.references && !self.names_of(id)?.is_empty() {
            return say(false, false, "image is referenced in multiple repositories".into());
        }
        match users.first().filter(|_| mask.stopped) {
            Some(user) => say(false, true, format!("image is being used by stopped container {}", user.id.short())),
            None => Ok(None),
        }
    }

    /// Images that were made on this one.
    fn children(&self, id: &Digest) -> Vec<Digest> {
        self.image_ids().into_iter().filter(|child| self.parent(child) == Some(*id)).collect()
    }

    fn parent(&self, id: &Digest) -> Option<Digest> {
        let parent: Digest =
            layers::text(&self.target, &metadata_of(&self.store, &Id::from(*id), "parent"))?.parse().ok()?;
        self.image_exists(&parent).then_some(parent)
    }

    /// Takes an image that has no name, no child and no container.
    pub(super) fn take_if_loose(&mut self, id: &Digest) -> Result<(), EditError> {
        let is_used = || self.containers().iter().any(|container| container.image == Some(*id));
        if !self.image_exists(id) || !self.names_of(id)?.is_empty() || !self.children(id).is_empty() || is_used() {
            return Ok(());
        }
        self.take_image(id, &mut Vec::new())
    }

    /// Takes the image itself, then what only it needed.
    fn take_image(&mut self, id: &Digest, done: &mut Vec<Removed>) -> Result<(), EditError> {
        let gone = self.stage.way_out(&self.target, "image", &id.hex());
        self.target.rename(&config_of(&self.store, &Id::from(*id)), &gone)?;
        done.push(Removed::Deleted(*id));
        let metadata = metadata_of(&self.store, &Id::from(*id), "parent").parent();
        if self.root().exists(&metadata) {
            self.target.rename(&metadata, &self.stage.way_out(&self.target, "metadata", &id.hex()))?;
        }
        let released = release_of_config(&self.target, &self.store, &self.stage, &gone)?;
        done.extend(released.into_iter().map(Removed::Deleted));
        Ok(())
    }
}

/// Whether a text is the beginning of an id, with or without `sha256:`.
fn is_id_prefix(id: &Digest, text: &str) -> bool {
    id.to_string().starts_with(text) || id.hex().starts_with(text)
}

/// Whether the names count as one: at most one tag, and digests of its repository only.
fn is_single(names: &[Reference]) -> bool {
    if names.len() <= 1 {
        return true;
    }
    let tags: Vec<&Reference> = names.iter().filter(|name| name.digest().is_none()).collect();
    let with_digest: HashSet<String> =
        names.iter().filter(|name| name.digest().is_some()).map(Reference::full_repository).collect();
    let only = tags.first().copied().unwrap_or(&names[0]);
    tags.len() <= 1 && with_digest.len() == 1 && with_digest.contains(&only.full_repository())
}

/// Releases the layers that a removed image's config names.
pub(super) fn release_of_config(
    target: &Target,
    store: &Store,
    stage: &Stage,
    config: &HostPath,
) -> Result<Vec<Digest>, EditError> {
    let raw = target.root().read(config, RECORD_LIMIT)?;
    let chain = chains(&raw, config).ok().and_then(|chains| chains.last().copied());
    chain.map_or(Ok(Vec::new()), |chain| release(target, store, stage, chain))
}

/// Removes a layer and those below it, as far as no image, container or other layer needs them; gives their chain ids,
/// top first.
pub(super) fn release(target: &Target, store: &Store, stage: &Stage, top: Digest) -> Result<Vec<Digest>, EditError> {
    let needed = needed(target, store);
    let mut out = Vec::new();
    let mut next = Some(top);
    while let Some(chain) = next.filter(|chain| !needed.contains(chain) && !is_parent(target, store, chain)) {
        let record = layer_record(store, &chain);
        let Some(cache_id) = layers::text(target, &record.join("cache-id")) else { break };
        next = layers::text(target, &record.join("parent")).and_then(|text| text.parse().ok());
        target.rename(&record, &stage.way_out(target, "layer", &chain.hex()))?;
        layers::take_files(target, store, stage, &cache_id)?;
        out.push(chain);
    }
    Ok(out)
}

/// The layers that images and containers stand on directly, as chain ids; every layer of an image counts, so that a
/// record without its `parent` costs nothing below it.
fn needed(target: &Target, store: &Store) -> HashSet<Digest> {
    let mut out = HashSet::new();
    let configs = image_store(store).join("imagedb/content/sha256");
    for name in stage::names(target, &configs) {
        let path = configs.join(&name);
        let raw = target.root().read(&path, RECORD_LIMIT).unwrap_or_default();
        out.extend(chains(&raw, &path).unwrap_or_default());
    }
    let mounts = image_store(store).join("layerdb/mounts");
    for name in stage::names(target, &mounts) {
        out.extend(
            layers::text(target, &mounts.join(&name).join("parent")).and_then(|text| text.parse::<Digest>().ok()),
        );
    }
    out
}

/// Whether another layer stands on this one.
fn is_parent(target: &Target, store: &Store, chain: &Digest) -> bool {
    let records = image_store(store).join("layerdb/sha256");
    let parent = |name: &String| layers::text(target, &records.join(name).join("parent"));
    stage::names(target, &records).iter().any(|name| parent(name).is_some_and(|text| text == chain.to_string()))
}
