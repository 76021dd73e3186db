//! Work of ours among a container's files, with none of its programs: in a process of its own, whose root is the container's.
//!
//! Whatever links lie there, nothing of the host can be reached: it is gone before anything of the container is looked at. What
//! the work needs of the host, it has open already.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::inside::{Refusal, Step, mounts, root};
use crate::spec::{Mount, RootFiles};
use crate::start::StartError;
use crate::sys::{self, Cloned};

/// Where a container's files are.
pub enum World<'a> {
    /// In the view of this process of it.
    Running(i32),
    /// Nowhere mounted.
    Resting {
        /// Its layers.
        root: &'a RootFiles,
        /// What lies over them.
        mounts: &'a [Mount],
        /// A folder of ours with an empty folder `root`.
        scratch: &'a Path,
    },
}

/// Does `work` there; it says why it failed. This process must have one thread.
pub fn visit(world: &World, work: impl FnOnce() -> Result<(), String>) -> Result<(), StartError> {
    let machine = |errno: rustix::io::Errno| StartError::Process(errno.into());
    let (said, say) = pipe_with(PipeFlags::CLOEXEC).map_err(machine)?;
    let own = if matches!(world, World::Resting { .. }) { libc::CLONE_NEWNS as u64 } else { 0 };
    match sys::clone(own, None).map_err(StartError::Process)? {
        Cloned::Child => {
            drop(said);
            let done = enter(world).and_then(|()| work().map_err(|why| Refusal::setup("", why)));
            if let Err(refusal) = done {
                refusal.tell(say.into());
            }
            sys::exit_now(0)
        }
        Cloned::Parent { handle, .. } => {
            drop(say);
            let mut reason = Vec::new();
            std::fs::File::from(said).read_to_end(&mut reason).map_err(StartError::Process)?;
            waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED).map_err(machine)?;
            if reason.is_empty() { Ok(()) } else { Err(Refusal::read(&reason).into()) }
        }
    }
}

fn enter(world: &World) -> Result<(), Refusal> {
    // Nothing inside can look into this process while it is there.
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0).step("cannot hide from the container")?;
    match world {
        World::Running(pid) => {
            let target = Pid::from_raw(*pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let target = target.unwrap_or(Err(rustix::io::Errno::SRCH)).step("cannot open the container's process")?;
            let user = sys::other_user_namespace(target.as_fd());
            sys::setns(target.as_fd(), libc::CLONE_NEWNS | user).step("cannot join the container's view of files")?;
            if user == 0 {
                Ok(())
            } else {
                sys::become_user(0, 0, &[]).step("cannot become root of the user namespace")
            }
        }
        World::Resting { root, mounts, scratch } => {
            let mut sources = mounts::open_sources(mounts, scratch)?;
            mounts::open_views(mounts, &mut sources)?;
            root::pivot(root, scratch)?;
            mounts::mount_sources(mounts, sources)
        }
    }
}
