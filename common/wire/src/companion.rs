//! Processes that live as long as a container is up: the resolver, the proxy. `net` has what they do; here is how they are
//! started, found and ended.
//!
//! Each holds a lock on a file beside the state, named after this namespace, the container and the container's namespace, with
//! its process inside: one that is started again while the one before still ends is another.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::namespace::{Namespace, claim, cookie};

/// What they are called: verbs of `net`.
const VERBS: [&str; 2] = ["resolver", "proxy"];
/// How long one may take to end.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// A companion's lock, held.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _file: File,
}

impl Claim {
    /// Takes it for this process; `None` where another is at work for the same namespace. One that is at work for an earlier
    /// namespace of the container's is ended first.
    pub fn take(verb: &str, dir: &Path, id: &str, inside: &Namespace) -> io::Result<Option<Claim>> {
        let own = inside.within(cookie)??;
        let path = dir.join(format!("{}{own}.{verb}", prefix(id)?));
        for other in files(dir, &prefix(id)?).filter(|other| *other != path && is_of(other, verb)) {
            end_one(&other);
        }
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        if !claim(&file) {
            return Ok(None);
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Some(Claim { path, _file: file }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Starts one for a container, unless one is at work, and waits until it answers. `net` is the program.
pub fn start(
    net: &Path,
    verb: &str,
    dir: &Path,
    id: &str,
    namespace: &Path,
    more: &[String],
) -> Result<(), CompanionError> {
    let failed = |source| CompanionError::Start { program: net.to_owned(), source };
    let mut command = Command::new(net);
    command.arg(verb).arg("--state-dir").arg(dir).args(["--id", id]).arg("--netns").arg(namespace).args(more);
    // It stays, so it gets nothing of ours to hold open.
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let mut said = String::new();
    child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_string(&mut said)).map_err(failed)?;
    match said.as_str() {
        "ready\n" => Ok(()),
        _ => {
            let _ = child.wait();
            Err(CompanionError::Silent { verb: verb.to_owned(), id: id.get(..12).unwrap_or(id).to_owned() })
        }
    }
}

/// Why one was not started.
#[derive(Debug, thiserror::Error)]
pub enum CompanionError {
    /// The program.
    #[error("cannot start '{}'", program.display())]
    Start {
        /// Which one.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("the {verb} for container '{id}' did not start")]
    Silent {
        /// What it is.
        verb: String,
        /// The container's id.
        id: String,
    },
}

/// Ends those of a container, and waits until what they held is free.
pub fn end(dir: &Path, id: &str) {
    if let Ok(prefix) = prefix(id) {
        let ours = |path: &PathBuf| VERBS.iter().any(|verb| is_of(path, verb));
        files(dir, &prefix).filter(ours).for_each(|path| end_one(&path));
    }
}

/// Whoever holds the lock is the process that the file names; a file that nobody holds is left of one that was killed.
fn end_one(path: &Path) {
    let Ok(mut file) = File::open(path) else { return };
    let mut text = String::new();
    let pid = file.read_to_string(&mut text).ok().and_then(|_| Pid::from_raw(text.trim().parse().ok()?));
    let Some(process) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
    if claim(&file) {
        let _ = fs::remove_file(path);
        return;
    }
    if pidfd_send_signal(&process, Signal::TERM).is_ok() {
        let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&PATIENCE));
    }
}

/// How the names of a container's files begin. An id from elsewhere may hold anything.
fn prefix(id: &str) -> io::Result<String> {
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    Ok(format!("{}-{id}-", cookie()?))
}

fn files(dir: &Path, prefix: &str) -> impl Iterator<Item = PathBuf> {
    let found = fs::read_dir(dir).into_iter().flatten().flatten();
    found.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path())
}

fn is_of(path: &Path, verb: &str) -> bool {
    path.extension().is_some_and(|extension| extension == verb)
}
