//! A further process in a running container: joins all of its namespaces and its cgroup, takes its root, gives up rights,
//! executes.
//!
//! The process that joins is between worlds for a moment, so it is made undumpable first: nothing inside can look into it
//! or write to our program through its `/proc` entry.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::cgroup::Cgroup;
use crate::init;
use crate::inside::{self, Refusal, Step, exec, identity};
use crate::spec::Process;
use crate::start::{StartError, Streams};
use crate::sys::{self, Cloned};

/// Starts `process` in the container whose first process is `pid`. Returns a handle on it. This process must have one
/// thread.
pub fn join(pid: i32, cgroup: &mut Cgroup, process: &Process, streams: Streams) -> Result<OwnedFd, StartError> {
    let gone = |errno: rustix::io::Errno| StartError::Process(errno.into());
    let target = pidfd_open(
        Pid::from_raw(pid).ok_or(StartError::Process(std::io::ErrorKind::NotFound.into()))?,
        PidfdFlags::empty(),
    )
    .map_err(gone)?;
    let (said, say) = pipe_with(PipeFlags::CLOEXEC).map_err(gone)?;
    let (word, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(gone)?;
    let (go, release) = pipe_with(PipeFlags::CLOEXEC).map_err(gone)?;
    match sys::clone(0, None).map_err(StartError::Process)? {
        Cloned::Child => {
            drop((said, word, release));
            let refusal = enter(&target, process, streams, File::from(tell), File::from(go), say.as_fd());
            refusal.tell(say.into());
            sys::exit_now(125)
        }
        Cloned::Parent { handle: between, .. } => {
            drop((say, tell, go, streams));
            let number = read_number(word.into());
            let joined = number.map(|number| cgroup.join(number).map(|()| number));
            File::from(release).write_all(b"g").map_err(StartError::Process).ok();
            let mut reason = Vec::new();
            File::from(said).read_to_end(&mut reason).map_err(StartError::Process)?;
            let ended = rustix::process::waitid(
                rustix::process::WaitId::PidFd(between.as_fd()),
                rustix::process::WaitIdOptions::EXITED,
            );
            ended.map_err(gone)?;
            if !reason.is_empty() {
                return Err(exec::heard(&reason, &process.args[0]).into());
            }
            let number = joined.ok_or(StartError::Process(std::io::ErrorKind::UnexpectedEof.into()))??;
            pidfd_open(
                Pid::from_raw(number).ok_or(StartError::Process(std::io::ErrorKind::NotFound.into()))?,
                PidfdFlags::empty(),
            )
            .map_err(gone)
        }
    }
}

fn read_number(mut word: File) -> Option<i32> {
    let mut bytes = [0; 4];
    word.read_exact(&mut bytes).ok()?;
    Some(i32::from_ne_bytes(bytes))
}

/// Joins the namespaces, then becomes the program in a child: only a child is in the joined process namespace. The child is
/// our parent's own, so that it can wait for it.
fn enter(
    target: &OwnedFd,
    process: &Process,
    streams: Streams,
    mut tell: File,
    mut go: File,
    say: BorrowedFd,
) -> Refusal {
    let helper = match init::sealed().step("cannot prepare the last step") {
        Ok(helper) => helper,
        Err(refusal) => return refusal,
    };
    let join = || -> Result<(), Refusal> {
        sys::reset_signals();
        sys::prctl(libc::PR_SET_DUMPABLE, 0, 0).step("cannot hide from the container")?;
        let user = sys::other_user_namespace(target.as_fd());
        let kinds = libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWCGROUP
            | user;
        sys::setns(target.as_fd(), kinds).step("cannot join the container's namespaces")?;
        if user == 0 { Ok(()) } else { sys::become_user(0, 0, &[]).step("cannot become root of the user namespace") }
    };
    if let Err(refusal) = join() {
        return refusal;
    }
    match sys::clone_sibling(0) {
        Err(error) => Refusal::setup("cannot start a process in the container", inside::in_words(&error)),
        Ok(Some(number)) => {
            let _ = tell.write_all(&number.to_ne_bytes());
            sys::exit_now(0)
        }
        Ok(None) => {
            drop(tell);
            let mut word = [0];
            if go.read_exact(&mut word).is_err() {
                return Refusal::setup("cannot go on", "the launcher has ended");
            }
            become_program(process, streams).err().unwrap_or_else(|| exec::run(process, &helper, say))
        }
    }
}

fn become_program(process: &Process, streams: Streams) -> Result<(), Refusal> {
    rustix::process::setsid().step("cannot begin a session")?;
    inside::use_streams_without_console(streams)?;
    identity::own_streams(&process.user);
    identity::give_up_rights(process)?;
    exec::enter_working_directory(process)
}
