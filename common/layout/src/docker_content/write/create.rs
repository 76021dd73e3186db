//! How a container comes: its layers and their record, then its own folder.
//!
//! What dockerd demands of a container that it did not make: `docs/layouts/docker-content-writing.md`; where its files lie:
//! moby v20.10.24 layer/mounted_layer.go, container/container.go (toDisk), daemon/graphdriver/overlay2/overlay.go.

use hostfs::Root;
use model::{Digest, Driver, HostPath, Id, Store};
use serde_json::Value;

use super::layers::{driver_place, random_hex, random_link, text};
use super::{EditError, Writer};
use crate::docker::folders;
use crate::docker_content::read::{driver_folder, image_store, mount_of};
use crate::docker_content::records::mount_id;
use crate::json::RECORD_LIMIT;

/// The layers of a container in the making. Its init layer is filled by the caller, then it is committed.
#[derive(Debug)]
pub struct StagedContainer {
    folder: HostPath,
    mount_id: String,
    chain: Option<Digest>,
}

/// What a container's own folder holds at first.
pub struct ContainerRecord<'a> {
    /// `config.v2.json`.
    pub config: &'a Value,
    /// `hostconfig.json`.
    pub host_config: &'a Value,
    /// Further files: `hostname`, `hosts`, `resolv.conf`, with their content.
    pub files: &'a [(String, String)],
}

/// Where the layers of a container lie, below the root: for overlay2 what changes and the kernel's folder, for vfs the
/// whole tree.
#[derive(Clone, Debug)]
pub struct ContainerPlace {
    /// What the container changes; with vfs all its files.
    pub diff: HostPath,
    /// overlay2's work folder.
    pub work: Option<HostPath>,
}

impl ContainerPlace {
    /// Where the layers of a container lie that is in `store`.
    pub fn of(root: &Root, store: &Store, id: &Id) -> Result<ContainerPlace, EditError> {
        let path = mount_of(store, id).join("mount-id");
        match mount_id(&root.read(&path, 4096)?) {
            Some(mount_id) => Ok(place_in(&store.driver, &driver_place(store, &mount_id))),
            None => Err(EditError::Record { path, why: "names no folder of the driver".into() }),
        }
    }
}

impl StagedContainer {
    /// The folder of the init layer, below the root: with vfs it holds the whole image already.
    pub fn init(&self, driver: &Driver) -> HostPath {
        place_in(driver, &self.folder.join("init")).diff
    }

    /// The kernel's folder for mounting the init layer, with overlay2.
    pub fn init_work(&self, driver: &Driver) -> Option<HostPath> {
        place_in(driver, &self.folder.join("init")).work
    }
}

fn place_in(driver: &Driver, folder: &HostPath) -> ContainerPlace {
    match driver {
        Driver::Vfs => ContainerPlace { diff: folder.clone(), work: None },
        _ => ContainerPlace { diff: folder.join("diff"), work: Some(folder.join("work")) },
    }
}

impl Writer {
    /// Begins a container on the layers of an image, named by its topmost chain id; `None` for an image without layers.
    pub fn stage_container(&mut self, chain: Option<Digest>) -> Result<StagedContainer, EditError> {
        if let Some(chain) = chain.filter(|chain| !self.layer_exists(chain)) {
            return Err(EditError::Invalid(format!("the layer {chain} is not there")));
        }
        let staged = StagedContainer { folder: self.stage.fresh("container"), mount_id: random_hex()?, chain };
        self.target.make_dir(&staged.folder, 0o700)?;
        let init = staged.folder.join("init");
        match (self.driver(), &chain) {
            (Driver::Vfs, Some(chain)) => self.target.copy_tree(&self.files_of(chain)?, &init)?,
            (Driver::Vfs, None) => self.target.make_dir(&init, 0o755)?,
            _ => self.make_overlay(&init, chain.as_ref().map(|chain| self.lower(chain)).transpose()?)?,
        }
        Ok(staged)
    }

    /// The folder of an overlay2 layer: `diff`, `work`, `link`, `lower`.
    fn make_overlay(&self, folder: &HostPath, lower: Option<String>) -> Result<(), EditError> {
        self.target.make_dir(folder, 0o710)?;
        self.target.make_dir(&folder.join("diff"), 0o755)?;
        self.target.make_dir(&folder.join("work"), 0o700)?;
        self.target.write_new(&folder.join("link"), random_link()?.as_bytes(), 0o644)?;
        if let Some(lower) = lower {
            self.target.write_new(&folder.join("lower"), lower.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// Makes a staged container, whose init layer is filled, part of the root under `id`.
    pub fn commit_container(
        &mut self,
        staged: StagedContainer,
        id: &Id,
        record: &ContainerRecord,
    ) -> Result<ContainerPlace, EditError> {
        let own = staged.folder.join("own");
        let init = staged.folder.join("init");
        // The init layer was filled with the owners of inside.
        match self.driver() {
            Driver::Vfs => {
                self.shift_tree(&init)?;
                self.target.copy_tree(&init, &own)?;
            }
            _ => {
                let below =
                    text(&self.target, &init.join("lower")).map(|lower| format!(":{lower}")).unwrap_or_default();
                let link = text(&self.target, &init.join("link")).unwrap_or_default();
                self.make_overlay(&own, Some(format!("l/{link}{below}")))?;
                self.target.write_new(&init.join("committed"), b"", 0o600)?;
                for layer in [&init, &own] {
                    self.open_to_inside(layer)?;
                    self.shift_tree(&layer.join("diff"))?;
                    self.shift_tree(&layer.join("work"))?;
                }
            }
        }
        self.stage_mount(&staged)?;
        self.stage_folder(&staged, record)?;
        if is_lasting(record.host_config) {
            // What dockerd syncs too (moby v20.10.24 container/container.go toDisk). All of the file system, as for an image's
            // layers, would have a start wait for whatever else the machine has to write.
            let folder = staged.folder.join("folder");
            self.target.sync_files(&[folder.join(folders::SINCE_1_10), folder.join("hostconfig.json")])?;
        }
        self.publish_container(&staged, id)
    }

    /// `layerdb/mounts/<id>`, staged. Neither file ends in a newline (layer/filestore.go).
    fn stage_mount(&self, staged: &StagedContainer) -> Result<(), EditError> {
        let mount = staged.folder.join("mount");
        self.target.make_dir(&mount, 0o755)?;
        let write = |name: &str, text: &str| self.target.write_new(&mount.join(name), text.as_bytes(), 0o644);
        write("mount-id", &staged.mount_id)?;
        write("init-id", &format!("{}-init", staged.mount_id))?;
        Ok(staged.chain.map_or(Ok(()), |chain| write("parent", &chain.to_string()))?)
    }

    /// `containers/<id>`, staged, with the modes of 20.10.
    fn stage_folder(&self, staged: &StagedContainer, record: &ContainerRecord) -> Result<(), EditError> {
        let folder = staged.folder.join("folder");
        self.target.make_dir(&folder, 0o710)?;
        self.target.write_new(&folder.join(folders::SINCE_1_10), &line(record.config), 0o600)?;
        self.target.write_new(&folder.join("hostconfig.json"), &line(record.host_config), 0o644)?;
        for (name, content) in record.files {
            let path = folder.join(name);
            self.target.write_new(&path, content.as_bytes(), 0o644)?;
            if let Some(shift) = self.shift {
                self.target.chown(&path, shift.uid, shift.gid)?;
            }
        }
        self.target.make_dir(&folder.join("checkpoints"), 0o700)?;
        self.target.make_dir(&folder.join("mounts"), 0o710)?;
        self.open_to_inside(&folder.join("mounts"))?;
        self.open_to_inside(&folder)
    }

    /// Moves everything into place: files, short names, the record of the layers, the container itself.
    fn publish_container(&mut self, staged: &StagedContainer, id: &Id) -> Result<ContainerPlace, EditError> {
        self.target.make_dirs(&image_store(&self.store).join("layerdb/mounts"), 0o700)?;
        self.target.make_dirs(&"containers".into(), 0o710)?;
        self.open_to_inside(&"containers".into())?;
        self.target.write_new(&self.stage.made(&staged.mount_id), format!("container {id}").as_bytes(), 0o600)?;
        let place = driver_place(&self.store, &staged.mount_id);
        for (part, name) in [("init", format!("{}-init", staged.mount_id)), ("own", staged.mount_id.clone())] {
            let from = staged.folder.join(part);
            if let Some(link) = text(&self.target, &from.join("link")) {
                let short = driver_folder(&self.store, &self.store.driver).join("l").join(&link);
                self.target.symlink(format!("../{name}/diff").as_bytes(), &short)?;
            }
            self.target.rename(&from, &driver_place(&self.store, &name))?;
        }
        self.target.rename(&staged.folder.join("mount"), &mount_of(&self.store, id))?;
        self.target.rename(&staged.folder.join("folder"), &folders::of(&self.store, id))?;
        Ok(place_in(&self.store.driver, &place))
    }

    /// Writes a container's record anew, whole: `config.v2.json` where `host` is false, else `hostconfig.json`.
    pub fn write_record(&self, id: &Id, record: &Value, host: bool) -> Result<(), EditError> {
        let (name, mode) = if host { ("hostconfig.json", 0o644) } else { (folders::SINCE_1_10, 0o600) };
        // As dockerd, which syncs the file and not the folder: what is true of a container ends with the machine.
        let folder = folders::of(&self.store, id);
        let raw = self.root().read(&folder.join("hostconfig.json"), RECORD_LIMIT).unwrap_or_default();
        let own: Value = serde_json::from_slice(&raw).unwrap_or_default();
        let lasting = is_lasting(&own);
        Ok(self.target.write_soon(&folder.join(name), &line(record), mode, lasting)?)
    }

    /// Whether a name is taken by another container, and by which.
    pub fn name_taken(&self, name: &str) -> Option<Id> {
        self.containers().into_iter().find(|it| it.has_name(name)).map(|it| it.id)
    }

    /// The chain id of an image's topmost layer, from the digests of its layers, lowest first.
    pub fn chain_of(diff_ids: &[Digest]) -> Option<Digest> {
        diff_ids
            .iter()
            .copied()
            .reduce(|chain, diff| crate::docker_content::records::sha256(format!("{chain} {diff}").as_bytes()))
    }
}

/// Whether a container is to be there after a crash of the machine. One that goes at its end would be removed then.
fn is_lasting(host_config: &Value) -> bool {
    !host_config["AutoRemove"].as_bool().unwrap_or(false)
}

/// JSON as Go's encoder writes a record: one line and a newline.
fn line(record: &Value) -> Vec<u8> {
    let mut bytes = record.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}
