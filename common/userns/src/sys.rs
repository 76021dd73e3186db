//! System calls about user namespaces, each behind a safe signature.
//!
//! This is the one module of the crate with `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Leaves for a new user namespace, whose ids are not mapped yet. This process must have one thread.
pub fn leave() -> io::Result<()> {
    // SAFETY: takes numbers only.
    done(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())
}

/// Joins the user namespace behind `fd` and becomes its root. This process must have one thread.
pub fn join(fd: BorrowedFd) -> io::Result<()> {
    // SAFETY: takes numbers only.
    done(unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWUSER) }.into())?;
    become_root()
}

/// Becomes the namespace's root. Further groups stay as they are: they are the user's own, and open what is theirs.
pub fn become_root() -> io::Result<()> {
    // SAFETY: the raw calls take numbers, and act on this thread, which is the only one.
    done(unsafe { libc::syscall(libc::SYS_setresgid, 0, 0, 0) })?;
    // SAFETY: as above.
    done(unsafe { libc::syscall(libc::SYS_setresuid, 0, 0, 0) })
}

/// What a process is that was forked.
pub enum Forked {
    /// Here runs the child.
    Child,
    /// Here runs the parent; the child's number.
    Parent(i32),
}

/// Forks. This process must have one thread.
pub fn fork() -> io::Result<Forked> {
    // SAFETY: with one thread the child has all of this process's state, and no lock is held by another.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid)),
    }
}

/// Waits for the end of a child.
pub fn wait(pid: i32) {
    // SAFETY: a null pointer says that the status is not wanted.
    while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } == -1
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

/// Ends this process at once.
pub fn exit_now() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

fn done(result: i64) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
