//! What we made, and how to undo it: one file for each network namespace, written before anything is changed.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::{Configs, Container, Mac};
use crate::namespace::cookie;

/// Where state lies by default. It is gone after a reboot, as is what it tells of.
pub const DEFAULT_DIR: &str = "/run/dockless/net";

/// One byte, so that nobody reads half of it.
const END: u8 = b'\n';

/// What went wrong with the state file.
#[derive(Debug, Error)]
pub enum StateError {
    /// Reading or writing.
    #[error("cannot use '{}'", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Not ours, or of another version.
    #[error("'{}' is no state of net", path.display())]
    Form {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// How to undo one change. Each is harmless where the change was not made, or is undone already.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case")]
pub enum Undo {
    /// Removes an interface of that name and MAC address, and no other.
    Link {
        /// Its name.
        name: String,
        /// The address that it was given, by which it is ours.
        mac: Mac,
    },
    /// Removes an interface that lies on one of ours from the container's namespace.
    Lying {
        /// The file that is the namespace.
        namespace: PathBuf,
        /// The namespace's number, by which it is that one and no later one.
        cookie: u64,
        /// The interface's name.
        name: String,
        /// `macvlan` or `ipvlan`.
        kind: String,
        /// The address that it was given; `None` for that of its parent.
        mac: Option<Mac>,
    },
    /// Takes an address from an interface that was there before.
    Address {
        /// The interface.
        link: String,
        /// The address.
        address: IpAddr,
        /// The length of its network.
        length: u8,
    },
    /// Sets a kernel setting back that still has our value.
    Sysctl {
        /// Its name with slashes.
        key: String,
        /// What it was.
        was: String,
        /// What we set.
        set: String,
    },
    /// Removes our own tables.
    Tables,
    /// Takes a bridge out of the zone of firewalld's that it was put into.
    Zone {
        /// The bridge.
        link: String,
    },
    /// Removes a rule from iptables' filter table.
    Iptables {
        /// `iptables` or `ip6tables`, by the name under which it holds the rules.
        program: String,
        /// Chain and rule, as after `-D`.
        rule: Vec<String>,
    },
}

/// Everything that is up.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Containers and networks that are up, with the addresses and ports that they got.
    pub configs: Configs,
    /// The containers as they were read, to see whether they are the same again.
    pub read: Vec<Container>,
    /// How to undo it, in the order in which it was done.
    pub undo: Vec<Undo>,
    /// Whether the last work on it came to its end; else any of it may be half done. In the file: whether the line has its end.
    #[serde(default)]
    pub complete: bool,
}

impl State {
    /// Adds a step, unless the same thing is to be undone already: what was there first counts.
    pub fn remember(&mut self, undo: Undo) {
        let same = |other: &Undo| match (other, &undo) {
            (Undo::Sysctl { key, .. }, Undo::Sysctl { key: new, .. }) => key == new,
            (other, undo) => other == undo,
        };
        if !self.undo.iter().any(same) {
            self.undo.push(undo);
        }
    }
}

/// The state file of this namespace, locked: nobody else changes anything meanwhile.
///
/// Where nothing is up the lock file goes with the lock. Whoever waited for it has it open still, and sees when its turn comes
/// that it is no longer the one that others lock.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    name: String,
    _lock: File,
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.path().exists() {
            // A file left of one that was killed while it wrote.
            let _ = fs::remove_file(self.new_path());
            let _ = fs::remove_file(lock_path(&self.dir, &self.name));
        }
    }
}

impl Store {
    /// Waits for whoever else is at work.
    pub fn lock(dir: &Path) -> Result<Store, StateError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StateError::File { path, source }
        };
        // The folder above it is that of running containers too, whose sockets nobody else may reach.
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
        let name = cookie().map_err(failed(dir))?.to_string();
        let path = lock_path(dir, &name);
        loop {
            let lock = File::create(&path).map_err(failed(&path))?;
            flock(&lock, FlockOperation::LockExclusive).map_err(|errno| failed(&path)(errno.into()))?;
            if is_file_of(&lock, &path).map_err(failed(&path))? {
                return Ok(Store { dir: dir.to_owned(), name, _lock: lock });
            }
        }
    }

    /// Reads without a lock; `None` where nothing is up. For programs that only look.
    pub fn peek(dir: &Path) -> Result<Option<State>, StateError> {
        let name = cookie().map_err(|source| StateError::File { path: dir.to_owned(), source })?;
        read(&dir.join(format!("{name}.json")))
    }

    /// What is up.
    pub fn read(&self) -> Result<State, StateError> {
        Ok(read(&self.path())?.unwrap_or_default())
    }

    /// Writes it, whole or not at all. The work that it tells of may come to its end later.
    pub fn write(&self, state: &State) -> Result<Written, StateError> {
        let (path, new) = (self.path(), self.new_path());
        let mut bytes = serde_json::to_vec(state).map_err(|source| StateError::Form { path: path.clone(), source })?;
        bytes.extend(state.complete.then_some(END));
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(&bytes)?;
            fs::rename(&new, &path)?;
            Ok(file)
        });
        match written {
            Ok(file) => Ok(Written { path, file }),
            Err(source) => Err(StateError::File { path, source }),
        }
    }

    /// Forgets everything.
    pub fn clear(&self) -> Result<(), StateError> {
        let path = self.path();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError::File { path, source }),
            _ => Ok(()),
        }
    }

    /// The folder that it lies in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the files of containers that are up lie: a folder for each, by its id.
    pub fn files(dir: &Path) -> Result<PathBuf, StateError> {
        let name = cookie().map_err(|source| StateError::File { path: dir.to_owned(), source })?;
        Ok(dir.join(format!("{name}.files")))
    }

    fn path(&self) -> PathBuf {
        self.dir.join(format!("{}.json", self.name))
    }

    fn new_path(&self) -> PathBuf {
        self.dir.join(format!("{}.new", self.name))
    }
}

/// A state that was written, whose work goes on.
#[derive(Debug)]
pub struct Written {
    path: PathBuf,
    file: File,
}

impl Written {
    /// The work has come to its end.
    pub fn end(mut self) -> Result<(), StateError> {
        self.file.write_all(&[END]).map_err(|source| StateError::File { path: self.path, source })
    }
}

fn lock_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.lock"))
}

/// Whether the path still leads to the open file.
fn is_file_of(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> Result<Option<State>, StateError> {
    match fs::read(path) {
        Ok(bytes) => {
            let form = |source| StateError::Form { path: path.to_owned(), source };
            let state: State = serde_json::from_slice(&bytes).map_err(form)?;
            Ok(Some(State { complete: state.complete || bytes.last() == Some(&END), ..state }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::File { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let all = fs::read_dir(dir).unwrap();
        all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn work_that_did_not_come_to_its_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::lock(dir.path()).unwrap();
        let complete = || store.read().unwrap().complete;
        let written = store.write(&State::default()).unwrap();
        assert!(!complete());
        written.end().unwrap();
        assert!(complete());
        store.write(&State { complete: true, ..State::default() }).unwrap();
        assert!(complete());
        // As it was written before.
        fs::write(store.path(), br#"{"configs":{"containers":[],"networks":[]},"read":[],"undo":[],"complete":true}"#)
            .unwrap();
        assert!(complete());
    }

    #[test]
    fn a_lock_leaves_nothing_where_nothing_is_up() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::lock(dir.path()).unwrap());
        assert_eq!(names(dir.path()), [""; 0]);
        let store = Store::lock(dir.path()).unwrap();
        store.write(&State::default()).unwrap();
        drop(store);
        assert_eq!(names(dir.path()).len(), 2);
        Store::lock(dir.path()).unwrap().clear().unwrap();
        assert_eq!(names(dir.path()), [""; 0]);
    }

    /// Each adds one to a number in a file that nobody else may have read meanwhile.
    #[test]
    fn a_lock_that_goes_and_comes_is_one_holders_at_a_time() {
        let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = work.path().join("count");
        fs::write(&file, "0").unwrap();
        let add = || {
            for _ in 0..200 {
                let _store = Store::lock(dir.path()).unwrap();
                let count: u32 = fs::read_to_string(&file).unwrap().parse().unwrap();
                std::thread::yield_now();
                fs::write(&file, (count + 1).to_string()).unwrap();
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| _ = scope.spawn(add)));
        assert_eq!(fs::read_to_string(&file).unwrap(), "800");
        assert_eq!(names(dir.path()), [""; 0]);
    }
}
