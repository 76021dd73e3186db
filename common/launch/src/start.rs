//! Starts a container: makes its namespaces, has the inside built, and tells how that went.
//!
//! Parent and child talk over two pipes. The child builds its root at once; before anything that needs its cgroup or
//! network it waits for the parent's word. Its own pipe closes when execve succeeded; until then it carries the reason
//! why not.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::capability::Capabilities;
use crate::cgroup::{self, Cgroup, CgroupError};
use crate::init;
use crate::inside;
use crate::spec::{MountSource, Namespace, Namespaces, Process, Spec, Users};
use crate::sys::{self, Cloned};

/// What the first process reads and writes.
pub enum Streams {
    /// Three ends of pipes or files.
    Plain {
        /// What it reads.
        stdin: OwnedFd,
        /// Where it writes.
        stdout: OwnedFd,
        /// Where it complains.
        stderr: OwnedFd,
    },
    /// A terminal of the container's own `/dev/pts`. Its other end comes through this socket, as one file descriptor.
    Terminal {
        /// Our peer of a pair of unix sockets.
        socket: OwnedFd,
    },
}

/// A container whose first process runs.
pub struct Started {
    /// Process id on the host.
    pub pid: i32,
    /// Handle on it: readable when it has ended.
    pub handle: OwnedFd,
    /// Its cgroups.
    pub cgroup: Cgroup,
    /// What could not be applied as asked, in words.
    pub warnings: Vec<String>,
}

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program cannot be run; docker's exit status says how (126 or 127).
    #[error("exec: \"{program}\": {why}")]
    Exec {
        /// As asked for.
        program: String,
        /// In docker's words where it has some.
        why: String,
        /// 126 or 127.
        status: u8,
    },
    /// Something before that; docker's exit status is 125.
    #[error("{step}: {why}")]
    Setup {
        /// What was being done.
        step: String,
        /// Why not.
        why: String,
    },
    /// The cgroups.
    #[error("cannot make the container's cgroups")]
    Cgroup(#[from] CgroupError),
    /// The ids of its user namespace.
    #[error("cannot map the container's users")]
    Users(#[source] io::Error),
    /// The network; it says itself what was being done.
    #[error(transparent)]
    Network(Box<dyn std::error::Error + Send + Sync>),
    /// The small init.
    #[error("cannot write the container's init")]
    Init(#[source] io::Error),
    /// A pipe or the fork itself.
    #[error("cannot start a process")]
    Process(#[source] io::Error),
}

impl StartError {
    /// The exit status that docker has for it.
    pub fn status(&self) -> u8 {
        match self {
            StartError::Exec { status, .. } => *status,
            _ => 125,
        }
    }
}

/// Starts `spec`. `scratch` is an empty directory that the container's root is mounted on, in its own view only.
/// `lock` is kept from the container's first process: it goes with this one, however that ends. `connect` is called with the process id once its network namespace exists, before anything in it runs.
///
/// This process must have one thread only.
pub fn start(
    spec: &Spec,
    streams: Streams,
    scratch: &Path,
    lock: Option<BorrowedFd>,
    connect: impl FnOnce(i32) -> Result<(), Box<dyn std::error::Error + Send + Sync>>,
) -> Result<Started, StartError> {
    let (go_read, go_write) = pipe()?;
    let (said_read, said_write) = pipe()?;
    let (mut cgroup, mut warnings) = cgroup::create(spec)?;
    warnings.extend(lacking(spec));
    let handle = cgroup.handle();
    if spec.mounts.iter().any(|mount| matches!(mount.source, MountSource::Init)) {
        init::write(scratch).map_err(StartError::Init)?;
    }
    let taken = match spec.namespaces.user.map(|users| inside::Taken::take(spec, users, scratch)).transpose() {
        Ok(taken) => taken,
        Err(refusal) => {
            cgroup.remove();
            return Err(refusal.into());
        }
    };
    let flags = flags(&spec.namespaces);
    let cloned = match &spec.namespaces.pid {
        Namespace::Of(path) if !userns::is_first() => among(path, flags),
        pid => beside(pid, || sys::clone(flags, handle.as_ref().map(|fd| fd.as_fd()))),
    };
    match cloned {
        Err(error) => {
            cgroup.remove();
            Err(StartError::Process(error))
        }
        Ok(Cloned::Child) => {
            drop((go_write, said_read));
            lock.into_iter().for_each(sys::let_go);
            let refusal = inside::enter(spec, streams, scratch, go_read, said_write.as_fd(), taken);
            refusal.tell(said_write);
            sys::exit_now(125)
        }
        Ok(Cloned::Parent { pid, handle }) => {
            drop((go_read, said_write, streams, taken));
            let mapped = spec.namespaces.user.map_or(Ok(()), |users| map(pid, users, &spec.process, &go_write));
            let started = mapped
                .map_err(StartError::Users)
                .and_then(|()| cgroup.join(pid).map_err(StartError::from))
                .and_then(|()| connect(pid).map_err(StartError::Network))
                .and_then(|()| release(&go_write, &said_read, &spec.process.args[0]));
            match started {
                Ok(()) => Ok(Started { pid, handle, cgroup, warnings }),
                Err(error) => {
                    // Whatever the child had begun ends with it: its mounts and namespaces are its own.
                    let _ = rustix::process::pidfd_send_signal(&handle, rustix::process::Signal::KILL);
                    let _ = rustix::process::waitid(
                        rustix::process::WaitId::PidFd(handle.as_fd()),
                        rustix::process::WaitIdOptions::EXITED,
                    );
                    cgroup.remove();
                    // What could not be done to a child that had ended by itself is for the child to tell.
                    Err(hear(&said_read, &spec.process.args[0]).err().unwrap_or(error))
                }
            }
        }
    }
}

/// Says which rights are not ours to give.
fn lacking(spec: &Spec) -> Option<String> {
    let own = sys::capget().ok()?;
    let lacks = Capabilities(spec.process.capabilities.0 & inside::identity::known() & !own);
    (lacks.0 != 0).then(|| format!("it runs without {}, which this process does not have", lacks.names().join(", ")))
}

/// Has a child made in another's process namespace, where that is wanted: only children enter one.
fn beside(wanted: &Namespace, make: impl FnOnce() -> io::Result<Cloned>) -> io::Result<Cloned> {
    let Namespace::Of(path) = wanted else { return make() };
    let (own, theirs) = (std::fs::File::open("/proc/self/ns/pid")?, std::fs::File::open(path)?);
    sys::setns(theirs.as_fd(), libc::CLONE_NEWPID)?;
    let made = make();
    if !matches!(made, Ok(Cloned::Child)) {
        sys::setns(own.as_fd(), libc::CLONE_NEWPID)?;
    }
    made
}

/// The same outside of the first user namespace, where nobody comes back from another's process namespace: so somebody else goes
/// there, and makes a child that is ours.
fn among(path: &Path, flags: u64) -> io::Result<Cloned> {
    let theirs = std::fs::File::open(path)?;
    let (mut word, mut tell) =
        pipe_with(PipeFlags::CLOEXEC).map(|(a, b)| (std::fs::File::from(a), std::fs::File::from(b)))?;
    match sys::clone(0, None)? {
        Cloned::Child => {
            drop(word);
            let made = sys::setns(theirs.as_fd(), libc::CLONE_NEWPID).and_then(|()| sys::clone_sibling(flags));
            let said = match made {
                Ok(None) => return Ok(Cloned::Child),
                Ok(Some(pid)) => pid,
                Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
            };
            let _ = tell.write_all(&said.to_ne_bytes());
            sys::exit_now(0)
        }
        Cloned::Parent { handle, .. } => {
            drop(tell);
            let mut said = [0; 4];
            let heard = word.read_exact(&mut said);
            rustix::process::waitid(
                rustix::process::WaitId::PidFd(handle.as_fd()),
                rustix::process::WaitIdOptions::EXITED,
            )?;
            heard?;
            let pid = i32::from_ne_bytes(said);
            let number = rustix::process::Pid::from_raw(pid).filter(|_| pid > 0);
            let Some(number) = number else { return Err(io::Error::from_raw_os_error(-pid)) };
            let handle = rustix::process::pidfd_open(number, rustix::process::PidfdFlags::empty())?;
            Ok(Cloned::Parent { pid, handle })
        }
    }
}

/// Maps a child's ids, sets what it may not set itself in its namespace, and tells it to go on.
fn map(pid: i32, users: Users, process: &Process, mut go: &std::fs::File) -> io::Result<()> {
    for (file, first) in [("uid_map", users.uid), ("gid_map", users.gid)] {
        std::fs::write(format!("/proc/{pid}/{file}"), format!("0 {first} {}", users.count))?;
    }
    for limit in &process.rlimits {
        if let Some(number) = inside::identity::resource(&limit.name) {
            sys::set_rlimit_of(pid, number, limit.soft, limit.hard)?;
        }
    }
    if let Some(score) = process.oom_score_adj {
        std::fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string())?;
    }
    go.write_all(b"m")
}

/// Tells the child to go on, and hears whether its program runs.
fn release(mut go: impl Write, said: impl Read, program: &str) -> Result<(), StartError> {
    // A child that refused before it was told to go has closed its end; its reason is what counts.
    let _ = go.write_all(b"g");
    hear(said, program)
}

fn hear(mut said: impl Read, program: &str) -> Result<(), StartError> {
    let mut reason = Vec::new();
    said.read_to_end(&mut reason).map_err(StartError::Process)?;
    if reason.is_empty() { Ok(()) } else { Err(inside::exec::heard(&reason, program).into()) }
}

fn pipe() -> Result<(std::fs::File, std::fs::File), StartError> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| StartError::Process(errno.into()))?;
    Ok((read.into(), write.into()))
}

/// The namespaces that are made with the process. Its cgroup namespace is made later, from inside its cgroup.
fn flags(own: &Namespaces) -> u64 {
    let mut flags = libc::CLONE_NEWNS;
    if own.user.is_some() {
        flags |= libc::CLONE_NEWUSER;
    }
    for (namespace, flag) in [
        (&own.network, libc::CLONE_NEWNET),
        (&own.pid, libc::CLONE_NEWPID),
        (&own.ipc, libc::CLONE_NEWIPC),
        (&own.uts, libc::CLONE_NEWUTS),
    ] {
        if *namespace == Namespace::New {
            flags |= flag;
        }
    }
    flags as u64
}
