//! Writing docker's content-addressed layout, with overlay2 or vfs: what a dockerd of 1.10 to 28 opens.
//!
//! [`Writer`] is a root opened for writing, by one process at a time and never under a living daemon ([`daemon`]). In
//! reading order: which driver ([`driver`]), where unfinished things lie ([`stage`]), layers ([`layers`]), images
//! ([`images`]), their names ([`tags`]), containers ([`create`]), and how objects go away ([`remove`], [`containers`]).
//!
//! The order of all steps is such that a root is valid for dockerd after any of them: files of a layer before its
//! record, lower layers before upper ones, layers before the image, the image before its name; and the other way round
//! when something goes. `docs/layouts/docker-content-writing.md` has what dockerd demands, and where that was measured.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hostfs::{Lock, Root, Shift, Target, Wait};
use model::{Driver, Generation, HostPath, Store};

mod containers;
mod create;
mod daemon;
mod driver;
mod error;
mod images;
mod layers;
mod remove;
mod stage;
mod tags;

pub use create::{ContainerPlace, ContainerRecord, StagedContainer};
pub use error::EditError;
pub use layers::StagedLayer;
pub use remove::Removed;

/// The file whose kernel lock makes a process the only writer. It lies in the root itself, so that all who see the root
/// see the lock, whatever their namespaces; dockerd does not look at it.
const LOCK: &str = "dockless.lock";
/// No daemon comes up in less.
const AT_ONCE: Duration = Duration::from_millis(2);

/// A root opened for writing. Dropping it removes what was staged and not made part of the root.
///
/// Until then, an image that it made and that has no name yet counts as unfinished: should the process be killed, the
/// next writer removes it. So drop the writer before telling anyone the id of an image without a name.
pub struct Writer {
    target: Target,
    store: Store,
    shift: Option<Shift>,
    stage: stage::Stage,
    pending: Vec<layers::Pending>,
    waits_for_disk: bool,
    /// `None` once the root is another's.
    lock: Option<Lock>,
}

impl Writer {
    /// Opens an existing root for writing. Refuses one that a living daemon owns, and one whose driver is only read;
    /// waits for another writer, or not. What killed writers left is swept.
    pub fn open(path: &Path, wait: Wait) -> Result<Writer, EditError> {
        Writer::begin(Target::open(path)?, wait)
    }

    /// Opens a root for writing and makes it where it is missing.
    pub fn create(path: &Path, wait: Wait) -> Result<Writer, EditError> {
        // The mode that dockerd gives its root (daemon/daemon_unix.go setupDaemonRoot, v20.10.24).
        Writer::begin(Target::create(path, 0o710)?, wait)
    }

    /// Refuses a root that cannot be opened for writing now, without opening it: one that a living daemon owns, and one whose
    /// driver is only read.
    pub fn may_open(path: &Path) -> Result<(), EditError> {
        let target = Target::open(path)?;
        driver::refuse_remapped(&target)?;
        daemon::refuse_owned(&target)?;
        driver::of(&target)?;
        driver::refuse_others(&target)
    }

    /// As [`Writer::open`], for [`Writer::write_record`] alone: what makes and removes objects is not for it.
    pub fn open_for_records(path: &Path, wait: Wait) -> Result<Writer, EditError> {
        Writer::begin_with(Target::open(path)?, wait, stage::Stage::none)
    }

    fn begin(target: Target, wait: Wait) -> Result<Writer, EditError> {
        Writer::begin_with(target, wait, stage::Stage::make)
    }

    fn begin_with(
        mut target: Target,
        wait: Wait,
        stage: impl FnOnce(&mut Target) -> Result<stage::Stage, EditError>,
    ) -> Result<Writer, EditError> {
        driver::refuse_remapped(&target)?;
        daemon::refuse_owned(&target)?;
        let driver = driver::of(&target)?;
        driver::refuse_others(&target)?;
        let begin = Instant::now();
        let lock = target.lock(&LOCK.into(), wait)?;
        if begin.elapsed() > AT_ONCE {
            // Time has passed in waiting.
            daemon::refuse_owned(&target)?;
        }
        let store = store(driver);
        let shift = driver::shift(&target);
        let stage = stage(&mut target)?;
        let mut writer =
            Writer { target, store, shift, stage, pending: Vec::new(), waits_for_disk: false, lock: Some(lock) };
        writer.sweep()?;
        Ok(writer)
    }

    /// From now on, layers' files are on the disk before anything names them, so that even a power cut costs nothing that
    /// has a name. Else the kernel writes them in its own time, as with dockerd and tar; records are synced in any case.
    pub fn wait_for_disk(&mut self) {
        self.waits_for_disk = true;
    }

    /// The root, for reading.
    pub fn root(&self) -> &Root {
        self.target.root()
    }

    /// The root's path with one below it.
    pub fn path(&self, below: &HostPath) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.target.path().join(std::ffi::OsStr::from_bytes(below.as_bytes()))
    }

    /// The owners on disk of a root of user namespaces; `None` where they are those of inside.
    pub fn shift(&self) -> Option<Shift> {
        self.shift
    }

    /// Gives what was made with owners of inside those of the disk, where they differ.
    fn shift_tree(&self, path: &HostPath) -> Result<(), EditError> {
        Ok(self.shift.map_or(Ok(()), |shift| self.target.shift_tree(path, shift))?)
    }

    /// Lets the root of inside pass through a folder of ours, as dockerd does (moby v20.10.24 pkg/idtools,
    /// daemon/graphdriver/overlay2/overlay.go create).
    fn open_to_inside(&self, folder: &HostPath) -> Result<(), EditError> {
        Ok(self.shift.map_or(Ok(()), |shift| self.target.chown(folder, 0, shift.gid))?)
    }

    /// The root for other writing than that of images and containers.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The store that is written.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How layers are stored: [`Driver::Overlay2`] or [`Driver::Vfs`].
    pub fn driver(&self) -> &Driver {
        &self.store.driver
    }

    /// Lets go of the root before what was taken out of it is removed: file systems take their time for that.
    pub fn into_leftovers(mut self) -> Result<Leftovers, EditError> {
        let lock = self.target.lock_folder(&self.stage.folder)?;
        self.lock = None;
        Ok(Leftovers { target: Target::open(self.target.path())?, folder: self.stage.folder.clone(), _lock: lock })
    }

    /// Refuses when the root's file system has not `bytes` and `inodes` to spare.
    pub fn need(&self, bytes: u64, inodes: u64) -> Result<(), EditError> {
        Ok(self.target.need(bytes, inodes)?)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next writer.
        if self.lock.is_some() {
            let _ = self.target.remove_tree(&self.stage.folder);
        }
    }
}

/// What a writer took out of the root and did not remove yet. The root is free for the next writer, which leaves this to
/// whoever has it. It goes with this value.
pub struct Leftovers {
    target: Target,
    folder: HostPath,
    /// Held on the folder itself: a sweep takes what nobody holds.
    _lock: Lock,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let _ = self.target.remove_tree(&self.folder);
    }
}

impl Leftovers {
    /// Leaves it to a process that was forked meanwhile and has it too.
    pub fn give(self) {
        // Its file handles are closed with this process, and the lock is the other's then.
        std::mem::forget(self);
    }
}

/// The store that is written: the root's own, as dockerd names it.
fn store(driver: Driver) -> Store {
    Store {
        generation: Generation::DockerContent,
        driver,
        home: HostPath::default(),
        recorded: b"/var/lib/docker".as_slice().into(),
        namespace: "".into(),
        evidence: Vec::new(),
        host: None,
    }
}
