//! `--runtime`: the container started by another program, runc or crun or what else speaks as they do.
//!
//! The layers are joined in mounts of our own, which end with us; the program gets a bundle on top of them.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use launch::spec::Spec;
use launch::{StartError, Started, Streams};
use lifecycle::LifeError;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;

use crate::bundle;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Starts `spec` by `runtime`. `connect` is called with the first process before its program runs.
pub fn start(
    runtime: &str,
    spec: &Spec,
    streams: Streams,
    folder: &Path,
    connect: impl FnOnce(i32) -> Result<(), Failure>,
) -> Result<Started, LifeError> {
    let machine = |what: &'static str| move |error: std::io::Error| LifeError::Machine(what, error);
    // What it leaves behind is ours to wait for.
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| LifeError::Machine("become the parent of what is left", errno.into()))?;
    let root = launch::mount_root(&spec.root, folder)?;
    bundle::describe(spec, folder, &root.to_string_lossy(), folder)
        .map_err(|error| LifeError::Mount(format!("{error:#}")))?;
    let other = Other { runtime, folder, id: &spec.id };
    let mut create = other.command(&["create", "--bundle"]);
    create.arg(folder).arg("--pid-file").arg(folder.join("pid"));
    let pid = match streams {
        Streams::Plain { stdin, stdout, stderr } => {
            create.stdin(stdin).stdout(stdout).stderr(stderr);
            other.create(create)?
        }
        Streams::Terminal { socket } => other.create_with_terminal(create, &socket)?,
    };
    let handle = pidfd_open(Pid::from_raw(pid).unwrap_or(Pid::INIT), PidfdFlags::empty())
        .map_err(|errno| LifeError::Machine("open the container's process", errno.into()))?;
    connect(pid).map_err(StartError::Network)?;
    let begun = other.command(&["start"]).arg(&spec.id).status().map_err(machine("start the runtime"))?;
    if !begun.success() {
        return Err(other.why());
    }
    Ok(Started { pid, handle, cgroup: launch::cgroup::Cgroup::default(), warnings: Vec::new() })
}

/// The other program, with its state and its words in our folder.
struct Other<'a> {
    runtime: &'a str,
    folder: &'a Path,
    id: &'a str,
}

impl Other<'_> {
    fn log(&self) -> PathBuf {
        self.folder.join("runtime.log")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.runtime);
        command.arg("--root").arg(self.folder.join("state")).arg("--log").arg(self.log());
        command.args(["--log-format", "json"]).args(words);
        command.stdin(Stdio::null());
        command
    }

    fn create(&self, mut command: Command) -> Result<i32, LifeError> {
        let status = command.arg(self.id).status().map_err(|error| {
            LifeError::Mount(format!("unknown or invalid runtime name: {}: {}", self.runtime, error.kind()))
        })?;
        if !status.success() {
            return Err(self.why());
        }
        let path = self.folder.join("pid");
        let text = fs::read_to_string(&path).map_err(|error| LifeError::Machine("read the pid file", error))?;
        text.trim().parse().map_err(|_| LifeError::Mount(format!("'{}' holds no process", path.display())))
    }

    /// The other end of the terminal goes on to `socket`, as our own launcher sends it.
    fn create_with_terminal(&self, mut command: Command, socket: &OwnedFd) -> Result<i32, LifeError> {
        let fail = |error| LifeError::Machine("take the container's terminal", error);
        let path = self.folder.join("console");
        let listener = UnixListener::bind(&path).map_err(fail)?;
        command.arg("--console-socket").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let pid = self.create(command)?;
        let (peer, _) = listener.accept().map_err(fail)?;
        let terminal = lifecycle::begin::receive_terminal(&peer.into())?;
        launch::send_handle(socket.as_fd(), terminal.as_fd()).map_err(fail)?;
        Ok(pid)
    }

    /// What it said last. Docker's status is told from the text, since the program has one status for all.
    fn why(&self) -> LifeError {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let said = |line: &str| Some(serde_json::from_str::<Value>(line).ok()?["msg"].as_str()?.to_string());
        let why = text.lines().rev().find_map(said).unwrap_or_else(|| format!("'{}' did not say why", self.runtime));
        // runc's begin with a small letter, crun's with a capital one.
        let text = why.to_ascii_lowercase();
        let status = match () {
            () if text.contains("executable file not found") || text.contains("no such file or directory") => 127,
            () if ["permission denied", "operation not permitted", "exec format error"]
                .iter()
                .any(|word| text.contains(word)) =>
            {
                126
            }
            () => 125,
        };
        LifeError::Told { status, why }
    }
}

/// Takes away what the other program keeps of a container that has ended.
pub fn forget(runtime: &str, id: &str, folder: &Path) {
    let other = Other { runtime, folder, id };
    // What it keeps lies in our folder, which goes anyway; its cgroups are all that would stay.
    let _ = other.command(&["delete", "--force"]).arg(id).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
