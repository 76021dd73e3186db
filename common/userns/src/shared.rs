//! One namespace for all programs of a user: each leaves word of itself, and the next one joins whoever lives.
//!
//! Only whoever is in the namespace of a container, or above it, may look into that container; siblings may not. So there is
//! one, as long as anybody is in it: a process beside a container, or a program at work. Each has a file `<pid>` in
//! `namespace/` of the user's folder, which holds the number of its namespace; those of the dead are swept.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::{place, sys};

/// The folder of words, and the lock that its holder may change the user's namespace with.
pub(crate) struct Shared {
    folder: PathBuf,
    _lock: File,
}

impl Shared {
    /// Waits for its turn.
    pub fn open() -> io::Result<Shared> {
        let folder = place::make()?.join("namespace");
        fs::create_dir_all(&folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Shared { folder, _lock: lock })
    }

    /// Joins the namespace of whoever lives. Returns whether there is one.
    pub fn join(&self) -> bool {
        let pids = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let mut listed = fs::read_dir(&self.folder).into_iter().flatten().flatten().filter_map(pids);
        listed.any(|pid| match living(&self.folder, pid) {
            Some(namespace) => sys::join(namespace.as_fd()).is_ok(),
            None => {
                let _ = fs::remove_file(self.folder.join(pid.to_string()));
                false
            }
        })
    }

    /// Leaves word that this process is in its namespace.
    pub fn leave_word(&self) -> io::Result<()> {
        write(&self.folder, std::process::id())
    }
}

/// Leaves word of a process that was made by this one, or is this one, and stays in its namespace: of a container too, which may
/// outlive whoever is beside it.
pub fn stays(pid: u32) -> io::Result<()> {
    match crate::person() {
        // This process, or the one that made it, lives and has left word; so no lock is needed.
        Some(_) => write(&place::folder().join("namespace"), pid),
        None => Ok(()),
    }
}

fn write(folder: &Path, pid: u32) -> io::Result<()> {
    let number = fs::metadata("/proc/self/ns/user")?.ino();
    fs::write(folder.join(pid.to_string()), number.to_string())
}

/// The namespace of a process that left word, where it is still the one that did.
fn living(folder: &Path, pid: u32) -> Option<File> {
    let number: u64 = fs::read_to_string(folder.join(pid.to_string())).ok()?.trim().parse().ok()?;
    let namespace = File::open(format!("/proc/{pid}/ns/user")).ok()?;
    (namespace.metadata().ok()?.ino() == number).then_some(namespace)
}
