//! What the first process does before it becomes the program: builds the root, gives up rights, executes.
//!
//! In order: [`root`] (pivot first), [`mounts`] (then mount, everything by handle), [`identity`] (who it is), [`exec`].
//! Nothing of the image is ever reached through a path of the host: once the root is in place, the host is gone.

pub mod devices;
pub mod exec;
pub mod identity;
pub mod mounts;
pub mod root;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::spec::{Namespace, Spec, Users};
use crate::start::{StartError, Streams};
use crate::sys;

/// Why the inside could not be built, as it goes through the pipe: a status, what was being done, why not.
pub struct Refusal {
    status: u8,
    step: String,
    why: String,
}

impl Refusal {
    pub(crate) fn setup(step: impl Into<String>, why: impl ToString) -> Refusal {
        Refusal { status: 125, step: step.into(), why: why.to_string() }
    }

    pub(crate) fn exec(status: u8, program: &str, why: impl ToString) -> Refusal {
        Refusal { status, step: program.to_string(), why: why.to_string() }
    }

    /// Says it to the parent.
    pub fn tell(&self, mut pipe: File) {
        let mut text = vec![self.status];
        text.extend_from_slice(self.step.as_bytes());
        text.push(0);
        text.extend_from_slice(self.why.as_bytes());
        // With no parent left to hear it, nobody is left to be told.
        let _ = pipe.write_all(&text);
    }

    /// What the parent heard.
    pub fn read(text: &[u8]) -> Refusal {
        let (status, rest) = text.split_first().unwrap_or((&125, b""));
        let cut = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
        let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Refusal { status: *status, step: owned(&rest[..cut]), why: owned(rest.get(cut + 1..).unwrap_or(b"")) }
    }
}

impl From<Refusal> for StartError {
    fn from(refusal: Refusal) -> StartError {
        match refusal.status {
            125 => StartError::Setup { step: refusal.step, why: refusal.why },
            status => StartError::Exec { program: refusal.step, why: refusal.why, status },
        }
    }
}

/// A step that failed with a system error.
pub(crate) trait Step<T> {
    fn step(self, what: &str) -> Result<T, Refusal>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, what: &str) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::setup(what, in_words(&error.into())))
    }
}

/// A system error without Rust's `(os error N)`.
pub(crate) fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text).to_string();
    let mut chars = plain.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// What is taken of the host before the container's first process is made, which could not take it in a user namespace of its own.
pub struct Taken {
    root: OwnedFd,
    sources: Vec<Option<mounts::Opened>>,
    devices: devices::Devices,
}

impl Taken {
    /// Takes it.
    pub fn take(spec: &Spec, users: Users, scratch: &Path) -> Result<Taken, Refusal> {
        Ok(Taken {
            root: root::joined(&spec.root, users)?,
            sources: mounts::open_sources(&spec.mounts, scratch)?,
            devices: devices::open(&spec.devices, Some(users))?,
        })
    }
}

/// Builds the inside and becomes the program. Returns only where that failed. What was `taken` is for a process in a user namespace
/// of its own, whose parent tells it to go on twice: once its ids are mapped, and as every other.
pub fn enter(
    spec: &Spec,
    streams: Streams,
    scratch: &Path,
    go: File,
    say: BorrowedFd,
    taken: Option<Taken>,
) -> Refusal {
    let helper = match crate::init::sealed().step("cannot prepare the last step") {
        Ok(helper) => helper,
        Err(refusal) => return refusal,
    };
    match build(spec, streams, scratch, go, taken) {
        Err(refusal) => refusal,
        Ok(()) => exec::run(&spec.process, &helper, say),
    }
}

fn build(spec: &Spec, streams: Streams, scratch: &Path, mut go: File, taken: Option<Taken>) -> Result<(), Refusal> {
    if taken.is_some() {
        wait(&mut go)?;
        sys::become_user(0, 0, &[]).step("cannot become root of the user namespace")?;
    }
    sys::reset_signals();
    rustix::process::setsid().step("cannot begin a session")?;
    join_namespaces(spec)?;
    if spec.namespaces.network == Namespace::New {
        sys::raise_loopback().step("cannot raise the loopback interface")?;
    }
    let null = match taken {
        Some(mut taken) => {
            mounts::open_views(&spec.mounts, &mut taken.sources)?;
            root::pivot_to(&taken.root)?;
            mounts::mount_all(spec, taken.sources, taken.devices)?
        }
        None => {
            let mut sources = mounts::open_sources(&spec.mounts, scratch)?;
            mounts::open_views(&spec.mounts, &mut sources)?;
            let devices = devices::open(&spec.devices, None)?;
            root::pivot(&spec.root, scratch)?;
            mounts::mount_all(spec, sources, devices)?
        }
    };
    wait(&mut go)?;
    if spec.namespaces.cgroup == Namespace::New {
        sys::unshare(libc::CLONE_NEWCGROUP).step("cannot make a cgroup namespace")?;
    }
    mounts::finish(spec, &null)?;
    identity::name_host(spec)?;
    use_streams(streams)?;
    identity::own_streams(&spec.process.user);
    exec::make_working_directory(&spec.process)?;
    root::close(&spec.root)?;
    identity::give_up_rights(&spec.process)?;
    exec::enter_working_directory(&spec.process)
}

/// Joins the namespaces that are another's.
fn join_namespaces(spec: &Spec) -> Result<(), Refusal> {
    let own = &spec.namespaces;
    for (namespace, kind, name) in [
        (&own.network, libc::CLONE_NEWNET, "network"),
        (&own.ipc, libc::CLONE_NEWIPC, "ipc"),
        (&own.uts, libc::CLONE_NEWUTS, "uts"),
    ] {
        if let Namespace::Of(path) = namespace {
            let step = format!("cannot join the {name} namespace '{}'", path.display());
            let handle = File::open(path).step(&step)?;
            sys::setns(handle.as_fd(), kind).step(&step)?;
        }
    }
    Ok(())
}

/// Waits until the parent has made the cgroups and the network.
fn wait(go: &mut File) -> Result<(), Refusal> {
    let mut word = [0];
    match go.read(&mut word) {
        Ok(1) => Ok(()),
        _ => Err(Refusal::setup("cannot go on", "the launcher has ended")),
    }
}

/// As for the first process, but `/dev/console` is that one's terminal.
pub(crate) fn use_streams_without_console(streams: Streams) -> Result<(), Refusal> {
    take_streams(streams, false)
}

fn use_streams(streams: Streams) -> Result<(), Refusal> {
    take_streams(streams, true)
}

fn take_streams(streams: Streams, console: bool) -> Result<(), Refusal> {
    match streams {
        Streams::Plain { stdin, stdout, stderr } => connect([&stdin, &stdout, &stderr]),
        Streams::Terminal { socket } => {
            let (launchers, own) = mounts::open_terminal()?;
            if console {
                mounts::console(&own)?;
            }
            send(&socket, &launchers)?;
            sys::take_terminal(own.as_fd()).step("cannot take the terminal")?;
            connect([&own, &own, &own])
        }
    }
}

fn connect([stdin, stdout, stderr]: [&OwnedFd; 3]) -> Result<(), Refusal> {
    let step = "cannot connect the standard streams";
    rustix::stdio::dup2_stdin(stdin).step(step)?;
    rustix::stdio::dup2_stdout(stdout).step(step)?;
    rustix::stdio::dup2_stderr(stderr).step(step)
}

fn send(socket: &OwnedFd, handle: &OwnedFd) -> Result<(), Refusal> {
    send_handle(socket.as_fd(), handle.as_fd()).step("cannot hand over the terminal")
}

/// Hands a file descriptor to whoever has the other end of a socket.
pub fn send_handle(socket: BorrowedFd, handle: BorrowedFd) -> io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let handles = [handle];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&handles));
    let word = [io::IoSlice::new(b"t")];
    Ok(sendmsg(socket, &word, &mut control, SendFlags::empty()).map(|_| ())?)
}
