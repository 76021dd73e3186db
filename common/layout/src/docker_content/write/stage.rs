//! Where unfinished things lie, and how what killed writers left is swept.
//!
//! Everything is made in `tmp/dockless-<pid>-<n>/`: `tmp` is dockerd's own scratch folder, which it empties when it
//! starts (daemon/daemon.go prepareTempDir, moby v20.10.24), and on the same file system.
//!
//! What is taken out of the root is moved there first, as `gone-<kind>-<name>`. It says what else has to go: an image's
//! config names its layers, a layer's record its files. So a removal that was cut short is finished by the sweep.

use hostfs::Target;
use model::{Digest, HostPath, Id, Store};

use super::layers::{self, layer_record};
use super::{EditError, Writer, containers, remove};
use crate::docker::folders;

/// The folder of one writer.
pub(super) struct Stage {
    pub folder: HostPath,
    count: u64,
}

/// dockerd's scratch folder.
const TMP: &str = "tmp";
/// How our folders in it begin, and our files.
const PREFIX: &str = "dockless-";
const FILE: &str = ".dockless-";
/// How names in our folder begin: of marks, and of what was taken out.
const MADE: &str = "made-";
const GONE: &str = "gone-";

impl Stage {
    /// Makes the folder, and lets temporary files of `target` lie there.
    pub fn make(target: &mut Target) -> Result<Stage, EditError> {
        target.make_dirs(&TMP.into(), 0o700)?;
        let tmp = HostPath::from(TMP);
        let name = |n: u32| tmp.join(format!("{PREFIX}{}-{n}", std::process::id()));
        let folder = (0..).map(name).find(|folder| !target.root().exists(folder)).expect("numbers do not end");
        target.make_dir(&folder, 0o700)?;
        target.set_scratch(folder.clone());
        Ok(Stage { folder, count: 0 })
    }

    /// None: nothing is staged by a writer of records. Their temporary files lie in the scratch folder itself.
    pub fn none(target: &mut Target) -> Result<Stage, EditError> {
        let tmp = HostPath::from(TMP);
        if !target.root().is_dir(&tmp) {
            target.make_dirs(&tmp, 0o700)?;
        }
        target.set_scratch(tmp.clone());
        Ok(Stage { folder: tmp.join(format!("{PREFIX}{}-none", std::process::id())), count: 0 })
    }

    /// A name in the folder that nothing has yet.
    pub fn fresh(&mut self, what: &str) -> HostPath {
        self.count += 1;
        self.folder.join(format!("{what}-{}", self.count))
    }

    /// Where the mark of a driver folder, or of an image (`image-<id>`), lies: made before the thing itself. That of a
    /// folder says for which chain it is.
    pub fn made(&self, cache_id: &str) -> HostPath {
        self.folder.join(format!("{MADE}{cache_id}"))
    }

    /// Where something goes that is taken out of the root now. A layer, an image or a volume may have been taken out, made
    /// again, and go once more: it lies beside the first.
    pub fn way_out(&self, target: &Target, kind: &str, name: &str) -> HostPath {
        let again = (1u32..).map(|n| self.gone(kind, &format!("{name}.{n}")));
        let mut ways = std::iter::once(self.gone(kind, name)).chain(again);
        ways.find(|way| !target.root().exists(way)).expect("numbers do not end")
    }

    /// Where something lies that was taken out of the root, of a name that there is only once.
    pub fn gone(&self, kind: &str, name: &str) -> HostPath {
        self.folder.join(format!("{GONE}{kind}-{name}"))
    }
}

impl Writer {
    /// Finishes or undoes what killed writers left. Only folders of ours are touched; the lock is held, so nobody is at
    /// work in them.
    pub(super) fn sweep(&mut self) -> Result<(), EditError> {
        let all = names(&self.target, &TMP.into());
        for name in all.iter().filter(|name| name.starts_with(FILE)) {
            self.target.remove_file(&HostPath::from(TMP).join(name))?;
        }
        for name in all.iter().filter(|name| name.starts_with(PREFIX)) {
            let stage = Stage { folder: HostPath::from(TMP).join(name), count: 0 };
            if stage.folder == self.stage.folder {
                continue;
            }
            // Whoever has it removes it, and is out of the root.
            let Ok(_own) = self.target.lock_folder(&stage.folder) else { continue };
            let marks = named(&self.target, &stage, MADE);
            for id in marks.iter().filter_map(|name| name.strip_prefix("image-")?.parse().ok()) {
                self.take_if_loose(&id)?;
            }
            undo_made(&self.target, &self.store, &stage)?;
            finish_gone(&self.target, &self.store, &stage)?;
            self.target.remove_tree(&stage.folder)?;
        }
        Ok(())
    }
}

/// Removes layers that were made and that nothing needs: driver folders without a record, and whole layers whose image
/// never came; and the layers of containers that never got their folder.
pub(super) fn undo_made(target: &Target, store: &Store, stage: &Stage) -> Result<(), EditError> {
    for cache_id in named(target, stage, MADE).iter().filter(|name| is_ours(name)) {
        let Some(mark) = layers::text(target, &stage.made(cache_id)) else { continue };
        if let Some(id) = mark.strip_prefix("container ").and_then(Id::new) {
            undo_container(target, store, stage, cache_id, &id)?;
            continue;
        }
        let Ok(chain) = mark.parse::<Digest>() else { continue };
        if layers::text(target, &layer_record(store, &chain).join("cache-id")).as_ref() == Some(cache_id) {
            remove::release(target, store, stage, chain)?;
        } else {
            layers::take_files(target, store, stage, cache_id)?;
        }
    }
    Ok(())
}

/// Removes the layers of a container that never got its folder.
fn undo_container(target: &Target, store: &Store, stage: &Stage, mount_id: &str, id: &Id) -> Result<(), EditError> {
    if target.root().exists(&folders::of(store, id)) || !is_ours(mount_id) {
        return Ok(());
    }
    containers::take_mount(target, store, stage, id)?;
    layers::take_files(target, store, stage, &format!("{mount_id}-init"))?;
    layers::take_files(target, store, stage, mount_id)
}

/// Finishes removals: whatever lies in `gone` is out of the root already, what it names may not be.
fn finish_gone(target: &Target, store: &Store, stage: &Stage) -> Result<(), EditError> {
    let list = named(target, stage, GONE);
    let of = |kind: &str| -> Vec<String> {
        list.iter().filter_map(|name| name.strip_prefix(kind)?.strip_prefix('-').map(str::to_string)).collect()
    };
    for id in of("container").iter().filter_map(|name| Id::new(name)) {
        containers::take_mount(target, store, stage, &id)?;
    }
    for name in of("mount") {
        containers::take_mount_files(target, store, stage, &stage.gone("mount", &name))?;
    }
    for name in of("layer") {
        if let Some(cache_id) = layers::text(target, &stage.gone("layer", &name).join("cache-id")) {
            layers::take_files(target, store, stage, &cache_id)?;
        }
    }
    for name in of("image") {
        remove::release_of_config(target, store, stage, &stage.gone("image", &name))?;
    }
    Ok(())
}

/// Whether a cache id is of the form that we make: 64 hex digits.
fn is_ours(cache_id: &str) -> bool {
    Id::new(cache_id).is_some_and(|id| id.is_full())
}

/// What is behind `prefix` in the names of a writer's folder.
fn named(target: &Target, stage: &Stage, prefix: &str) -> Vec<String> {
    names(target, &stage.folder).iter().filter_map(|name| Some(name.strip_prefix(prefix)?.to_string())).collect()
}

/// The names of a folder that are UTF-8; none where it is not there.
pub(super) fn names(target: &Target, folder: &HostPath) -> Vec<String> {
    let entries = target.root().open_dir(folder).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    entries.into_iter().filter_map(|entry| String::from_utf8(entry.name.into_vec()).ok()).collect()
}
