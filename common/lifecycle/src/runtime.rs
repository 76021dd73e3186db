//! What lies in `/run` while a container lives, and whether one does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hostfs::process::Process;
use model::Id;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock};
use serde_json::{Value, json};

use crate::error::{LifeError, at};

/// The socket where others attach, below a container's folder.
pub const DOOR: &str = "attach";
/// The file whose lock says that the process beside the container lives: the kernel lets go of it with that process.
const LOCK: &str = "lock";
/// What a later sweep has to know.
const LIFE: &str = "life.json";

/// The folder of one living container: `<id>` in `/run/dockless`, or in an ordinary user's own folder. It goes
/// when this is dropped.
pub struct Folder {
    path: PathBuf,
    /// `None` once somebody else has the folder.
    lock: Option<File>,
}

/// What is known of a container whose folder was left behind.
pub struct Left {
    /// The container.
    pub id: Id,
    /// Its data root; `None` where it was not kept on one.
    pub root: Option<PathBuf>,
    /// The cgroup above its own.
    pub cgroup_parent: String,
    /// All that was written down of it.
    pub facts: Value,
    folder: Folder,
}

impl Folder {
    /// Makes it, with an empty folder for mounting. Nobody else may look in. Refused while another process has it.
    pub fn make(id: &str) -> Result<Folder, LifeError> {
        let path = place(id);
        for _ in 0..20 {
            if let Some(folder) = Folder::fresh(&path)? {
                return Ok(folder);
            }
            match Folder::take(path.clone()) {
                // Still the one that has the name: a sweep may have taken it for left behind before it was locked.
                Ok(Some(folder)) if folder.path.join("root").is_dir() => return Ok(folder),
                Ok(Some(mut folder)) => folder.lock = None,
                Ok(None) => {}
                Err(LifeError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // Perhaps only somebody who looks whether it is had.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Err(LifeError::Attended(id.to_string()))
    }

    /// A new one; `None` where there is one. It has its name only once it is locked, so that no sweep takes it for left behind.
    fn fresh(path: &Path) -> Result<Option<Folder>, LifeError> {
        let new = path.with_extension(format!("new-{}", std::process::id()));
        DirBuilder::new().recursive(true).mode(0o700).create(new.join("root")).map_err(at("make", &new))?;
        let Some(mut folder) = Folder::take(new)? else { return Ok(None) };
        let named = rustix::fs::renameat_with(CWD, &folder.path, CWD, path, RenameFlags::NOREPLACE);
        match named {
            Ok(()) => {
                folder.path = path.to_path_buf();
                Ok(Some(folder))
            }
            Err(rustix::io::Errno::EXIST) => Ok(None),
            Err(errno) => Err(at("make", path)(errno.into())),
        }
    }

    /// Takes a folder that is there, where no living process has it.
    fn take(path: PathBuf) -> Result<Option<Folder>, LifeError> {
        let place = path.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(&place).map_err(at("open", &place))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Folder { path, lock: Some(lock) })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(at("lock", place)(errno.into())),
        }
    }

    /// Leaves it to a process that was forked meanwhile and has it too: the lock goes with the last of them.
    pub fn give(mut self) {
        self.lock = None;
    }

    /// What says that this process lives: for those that it forks to let go of.
    pub fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(AsFd::as_fd)
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

    /// Writes down what a later sweep has to know, beside what was written before.
    pub fn remember(&self, more: Value) -> Result<(), LifeError> {
        let mut all = facts(&self.path);
        if let Some(number) = network_number(Path::new(OWN_NETWORK)) {
            all["network"] = json!(number);
        }
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        // Under another name first: a sweep must find all of it.
        let name = format!("{LIFE}.new");
        self.write(&name, &all.to_string())?;
        let path = self.path.join(LIFE);
        fs::rename(self.path.join(name), &path).map_err(at("write", &path))
    }

    /// Writes down the first process, for a host without cgroups: elsewhere those tell of it.
    pub fn remember_process(&self, pid: i32) -> Result<(), LifeError> {
        match launch::cgroup::Hosts::read() {
            launch::cgroup::Hosts::None => self.remember(json!({ "pid": pid, "since": launch::now().seconds })),
            _ => Ok(()),
        }
    }
}

fn facts(folder: &Path) -> Value {
    let known = fs::read(folder.join(LIFE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    known.filter(Value::is_object).unwrap_or_else(|| json!({}))
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.lock.is_none() {
            return;
        }
        // What another runtime was given is mounted here, in this process's own view: removed with the folder, the container's
        // files would go too.
        let _ = rustix::mount::unmount(self.path.join("root"), rustix::mount::UnmountFlags::DETACH);
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
    let own = Id::new(id).filter(|_| path.is_dir())?;
    let folder = Folder::take(path).ok()??;
    let facts = facts(&folder.path);
    Some(Left {
        id: own,
        root: facts["root"].as_str().map(PathBuf::from),
        cgroup_parent: facts["cgroup-parent"].as_str().unwrap_or_default().to_string(),
        facts,
        folder,
    })
}

impl Left {
    /// Leaves the folder where it is.
    pub fn leave(self) {
        self.give();
    }

    /// Has it as one's own, as whoever attends the container.
    pub fn take(self) -> Folder {
        self.folder
    }

    /// Leaves it to a process that was forked meanwhile and has it too.
    pub fn give(self) {
        self.folder.give();
    }
}

/// The network namespace of a container whose attending process was killed, where that is not this one: its part of the network is there.
/// `None` too where that namespace is gone, and all in it.
pub fn elsewhere(id: &str) -> Option<File> {
    let number = facts(&place(id))["network"].as_u64()?;
    let is_it = |path: &Path| network_number(path) == Some(number);
    if is_it(Path::new(OWN_NETWORK)) || Id::new(id).is_none_or(|id| is_attended(&id)) {
        return None;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path().join("ns/net"));
    // One without processes is kept by a mount (proc(5) mountinfo: its fourth field is the namespace).
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    let named = format!("net:[{number}]");
    let kept = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let kept = kept.filter(|fields| fields.get(3) == Some(&named.as_str()));
    let kept: Vec<PathBuf> = kept.filter_map(|fields| fields.get(4).map(PathBuf::from)).collect();
    let found = processes.chain(kept).find(|path| is_it(path))?;
    File::open(found).ok()
}

const OWN_NETWORK: &str = "/proc/thread-self/ns/net";

fn network_number(namespace: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(namespace).ok().map(|meta| meta.ino())
}

/// Removes what was left of folders whose making or removal was cut short.
pub fn sweep() {
    for entry in fs::read_dir(top()).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let pid = name.split_once(".gone-").or_else(|| name.split_once(".new-"));
        let worker = pid.and_then(|(_, pid)| pid.parse::<u32>().ok());
        if worker.is_some_and(|pid| Process::of(pid).is_none()) {
            let _ = fs::remove_dir_all(entry.path());
        }
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
    userns::place::folder()
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
    let recorded = state["StartedAt"].as_str().and_then(model::Timestamp::parse_rfc3339)?;
    let process = Process::recorded(state["Pid"].as_i64()?, recorded)?;
    i32::try_from(process.pid).ok()
}
