//! What lies in `/run` while a container lives, and whether one does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hostfs::process::Process;
use model::Id;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::error::{LifeError, at};

/// The socket where others attach, below a container's folder.
pub const DOOR: &str = "attach";
/// The file whose lock says that the process beside the container lives: the kernel lets go of it with that process.
const LOCK: &str = "lock";
/// What a later sweep has to know.
const LIFE: &str = "life.json";

/// The folder of one living container: `/run/dockless/<id>`, or below `$XDG_RUNTIME_DIR` for an ordinary user. It goes
/// when this is dropped.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// What is known of a container whose folder was left behind.
pub struct Left {
    /// The container.
    pub id: Id,
    /// Its data root; `None` where it was not kept on one.
    pub root: Option<PathBuf>,
    /// The cgroup above its own.
    pub cgroup_parent: String,
    folder: Folder,
}

impl Folder {
    /// Makes it, with an empty folder for mounting. Nobody else may look in. Refused while another process has it.
    pub fn make(id: &str) -> Result<Folder, LifeError> {
        let path = place(id);
        for _ in 0..20 {
            DirBuilder::new().recursive(true).mode(0o700).create(path.join("root")).map_err(at("make", &path))?;
            match Folder::take(path.clone()) {
                // Still the one that has the name: a sweep may have taken it for left behind before it was locked.
                Ok(Some(folder)) if folder.path.join("root").is_dir() => return Ok(folder),
                Ok(Some(folder)) => std::mem::forget(folder),
                Ok(None) => {}
                Err(LifeError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // Perhaps only somebody who looks whether it is had.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Err(LifeError::Attended(id.to_string()))
    }

    /// Takes a folder that is there, where no living process has it.
    fn take(path: PathBuf) -> Result<Option<Folder>, LifeError> {
        let place = path.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(&place).map_err(at("open", &place))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Folder { path, _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(at("lock", place)(errno.into())),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one of the files that the container sees in `/etc`.
    pub fn write(&self, name: &str, text: &str) -> Result<(), LifeError> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(at("write", &path))
    }

    /// Writes down what a later sweep has to know.
    pub fn remember(&self, root: &Path, cgroup_parent: &str) -> Result<(), LifeError> {
        self.write(LIFE, &json!({ "root": root.to_string_lossy(), "cgroup-parent": cgroup_parent }).to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Under another name first: nobody may find half of it, and put a lock of his own there.
        let gone = self.path.with_extension(format!("gone-{}", std::process::id()));
        let path = if fs::rename(&self.path, &gone).is_ok() { &gone } else { &self.path };
        // What cannot be removed now goes with the next boot: /run is memory.
        let _ = fs::remove_dir_all(path);
    }
}

/// The folder of a container whose attending process was killed; `None` where that process lives, or there is no folder.
/// It goes when this is dropped, or stays after [`Left::leave`].
pub fn left(id: &str) -> Option<Left> {
    let path = place(id);
    let own = Id::new(id).filter(|_| path.is_dir() && !is_being_made(&path))?;
    let folder = Folder::take(path).ok()??;
    let life: Value =
        fs::read(folder.path.join(LIFE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    Some(Left {
        id: own,
        root: life["root"].as_str().map(PathBuf::from),
        cgroup_parent: life["cgroup-parent"].as_str().unwrap_or_default().to_string(),
        folder,
    })
}

/// Whether somebody may be about to lock a folder: it is new, and holds nothing to know yet.
fn is_being_made(path: &Path) -> bool {
    let is_new = |time: std::time::SystemTime| time.elapsed().is_ok_and(|age| age.as_secs() < MAKING);
    !path.join(LIFE).exists() && path.metadata().and_then(|stat| stat.modified()).is_ok_and(is_new)
}

/// Seconds that pass at most between the making of a folder and what is written into it.
const MAKING: u64 = 60;

impl Left {
    /// Leaves the folder where it is.
    pub fn leave(self) {
        // The lock goes, the folder does not.
        let Folder { path: _, _lock } = &self.folder;
        let _ = flock(_lock, FlockOperation::Unlock);
        std::mem::forget(self.folder);
    }
}

/// The ids of all containers that have a folder.
pub fn all() -> Vec<String> {
    let entries = fs::read_dir(top()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())).collect()
}

/// Whether a process of ours attends a container now.
pub fn is_attended(id: &Id) -> bool {
    let lock = File::open(place(id.as_str()).join(LOCK)).ok();
    lock.is_some_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK))
}

/// Where the folder of a container lies, made or not.
pub fn place(id: &str) -> PathBuf {
    top().join(id)
}

fn top() -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !rustix::process::geteuid().is_root());
    own.map_or_else(|| PathBuf::from("/run"), PathBuf::from).join("dockless")
}

/// 32 random bytes as 64 hex digits. As docker, takes others where the first twelve digits are all numbers: such an id
/// would be taken for a number (moby v20.10.24 pkg/stringid/stringid.go).
pub fn new_id() -> Result<Id, LifeError> {
    let path = "/dev/urandom";
    let mut random = fs::File::open(path).map_err(at("open", path))?;
    let mut bytes = [0u8; 32];
    loop {
        random.read_exact(&mut bytes).map_err(at("read", path))?;
        let id = Id::from(model::Digest(bytes));
        if id.short().bytes().any(|b| b.is_ascii_alphabetic()) {
            return Ok(id);
        }
    }
}

/// The first process of a container whose record says that it runs: `None` where that process is gone, or another one
/// has its number.
pub fn living(record: &Value) -> Option<i32> {
    let state = &record["State"];
    if !state["Running"].as_bool().unwrap_or(false) {
        return None;
    }
    let pid = state["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0)?;
    let process = Process::of(pid as u32)?;
    let recorded = state["StartedAt"].as_str().and_then(model::Timestamp::parse_rfc3339)?;
    let since = process.started().map_or(0, |started| (started.seconds - recorded.seconds).abs());
    (since <= SAME_START).then_some(pid)
}

/// A process that began this many seconds away from its container's start is another one under the same number.
const SAME_START: i64 = 60;
