//! Containers, as far as edits need them: who uses an image, and how a container goes away.

use std::collections::HashSet;

use hostfs::Target;
use hostfs::process::Process;
use model::{Digest, HostPath, Id, Status, Store, Timestamp};

use super::layers::{self, take_files};
use super::stage::Stage;
use super::{EditError, Writer, remove};
use crate::docker::folders;
use crate::docker_content::read::mount_of;
use crate::docker_content::records::mount_id;
use crate::json::{Notes, read_value};

/// A process that began this many seconds before or after its container did is another one under the same number.
const SAME_START: i64 = 60;

/// A container, as far as edits need it.
pub(super) struct Known {
    pub id: Id,
    pub image: Option<Digest>,
    names: Vec<String>,
    live: bool,
    pid: i64,
    started: Option<Timestamp>,
}

impl Known {
    /// Whether it has this name.
    pub fn has_name(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// Whether it runs now: recorded as running, and its process is still there. On a host that was cut off, records
    /// say "running" for ever; dockerd corrects them when it starts.
    pub fn is_running(&self) -> bool {
        let process = u32::try_from(self.pid).ok().filter(|pid| *pid > 0).and_then(Process::of);
        let Some(process) = process.filter(|_| self.live) else { return false };
        match (process.started(), self.started) {
            (Some(a), Some(b)) => (a.seconds - b.seconds).abs() <= SAME_START,
            _ => true,
        }
    }
}

impl Writer {
    /// All containers of the store's driver, those with damaged records left out: they keep their layers all the same.
    pub(super) fn containers(&self) -> Vec<Known> {
        let (list, _) = crate::containers(self.root(), std::slice::from_ref(&self.store), 0);
        let known = |it: model::Container| Known {
            image: it.image_id.as_ref().and_then(|id| id.as_str().parse().ok()),
            id: it.id,
            names: it.names,
            live: it.state.status.is_live() || it.state.status == Status::Removing,
            pid: it.state.pid,
            started: it.state.started,
        };
        list.into_iter().map(known).collect()
    }

    /// The container that a person means: an id, a name, or the beginning of an id (daemon/container.go GetContainer).
    pub fn find_container(&self, text: &str) -> Result<Id, EditError> {
        Ok(self.known(text)?.id)
    }

    fn known(&self, text: &str) -> Result<Known, EditError> {
        let mut all = self.containers();
        let name = text.strip_prefix('/').unwrap_or(text);
        let exact = all
            .iter()
            .position(|it| it.id.as_str() == text)
            .or_else(|| all.iter().position(|it| it.names.iter().any(|own| own == name)));
        if let Some(at) = exact {
            return Ok(all.swap_remove(at));
        }
        let mut found: Vec<Known> =
            all.into_iter().filter(|it| !text.is_empty() && it.id.as_str().starts_with(text)).collect();
        match found.len() {
            0 => Err(EditError::NoContainer(text.into())),
            1 => Ok(found.remove(0)),
            _ => Err(EditError::Ambiguous(text.into())),
        }
    }

    /// Removes a container with its files, and its anonymous volumes too where `volumes` says so. A running one is
    /// refused.
    pub fn remove_container(&mut self, text: &str, volumes: bool) -> Result<(), EditError> {
        let container = self.known(text)?;
        if container.is_running() {
            return Err(EditError::Conflict(format!(
                "You cannot remove a running container {}. Stop the container before attempting removal or force remove",
                container.id
            )));
        }
        self.remove_ended(&container.id, volumes)
    }

    /// Removes a container whose end the caller saw, however it is recorded.
    pub fn remove_ended(&mut self, id: &Id, volumes: bool) -> Result<(), EditError> {
        let anonymous = if volumes { self.anonymous_volumes(id) } else { Vec::new() };
        self.target.rename(&folders::of(&self.store, id), &self.stage.gone("container", id.as_str()))?;
        take_mount(&self.target, &self.store, &self.stage, id)?;
        let used = if anonymous.is_empty() { HashSet::new() } else { self.used_volumes() };
        for name in anonymous.iter().filter(|name| !used.contains(name.as_str())) {
            let volume = HostPath::from("volumes").join(name);
            if self.root().exists(&volume) {
                self.target.rename(&volume, &self.stage.way_out(&self.target, "volume", name))?;
            }
        }
        Ok(())
    }

    /// Volumes that were made for the container without a name (daemon/mounts.go removeMountPoints).
    fn anonymous_volumes(&self, id: &Id) -> Vec<String> {
        let points = self.mount_points(id);
        let unnamed = points.iter().filter(|(_, source)| source.is_empty()).map(|(name, _)| name.clone());
        unnamed.filter(|name| Id::new(name).is_some()).collect()
    }

    fn used_volumes(&self) -> HashSet<String> {
        let (ids, _) = folders::ids(self.root(), &self.store.home);
        ids.iter().flat_map(|id| self.mount_points(id)).map(|(name, _)| name).collect()
    }

    /// The volumes of a container: their names, and as what they were asked for (empty for anonymous ones).
    fn mount_points(&self, id: &Id) -> Vec<(String, String)> {
        let path = folders::of(&self.store, id).join(folders::SINCE_1_10);
        let record = read_value(self.root(), &path, &mut Notes::new("", &path)).unwrap_or_default();
        let points = record.get("MountPoints").and_then(|it| it.as_object()).cloned().unwrap_or_default();
        let text = |value: Option<&serde_json::Value>| value.and_then(|it| it.as_str()).unwrap_or_default().to_string();
        let volume = |point: &serde_json::Value| {
            let name = text(point.get("Name"));
            (!name.is_empty()).then(|| (name, text(point.pointer("/Spec/Source"))))
        };
        points.values().filter_map(volume).collect()
    }
}

/// Takes the record of a container's layers out of the root, then the layers.
pub(super) fn take_mount(target: &Target, store: &Store, stage: &Stage, id: &Id) -> Result<(), EditError> {
    let mount = mount_of(store, id);
    if !target.root().exists(&mount) {
        return Ok(());
    }
    let gone = stage.gone("mount", id.as_str());
    target.rename(&mount, &gone)?;
    take_mount_files(target, store, stage, &gone)
}

/// Takes the files that a container's record names, and layers below that nothing else needs.
pub(super) fn take_mount_files(
    target: &Target,
    store: &Store,
    stage: &Stage,
    mount: &HostPath,
) -> Result<(), EditError> {
    for name in ["mount-id", "init-id"] {
        let raw = target.root().read(&mount.join(name), 4096).unwrap_or_default();
        if let Some(id) = mount_id(&raw) {
            take_files(target, store, stage, &id)?;
        }
    }
    let parent = layers::text(target, &mount.join("parent")).and_then(|text| text.parse().ok());
    parent.map_or(Ok(Vec::new()), |chain| remove::release(target, store, stage, chain)).map(drop)
}
