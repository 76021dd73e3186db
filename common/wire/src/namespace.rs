//! Network namespaces: which one this is, and work done in another.
#![allow(unsafe_code)] // one getsockopt that neither rustix nor nix has

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// An open network namespace.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    path: PathBuf,
}

impl Namespace {
    /// The one this thread is in.
    pub fn current() -> io::Result<Namespace> {
        Namespace::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// That of a process.
    pub fn of(pid: u32) -> io::Result<Namespace> {
        Namespace::open(Path::new(&format!("/proc/{pid}/ns/net")))
    }

    /// The one that a file is: a bound mount, or one of `/proc/PID/ns`.
    pub fn open(path: &Path) -> io::Result<Namespace> {
        Ok(Namespace { file: File::open(path)?, path: path.to_owned() })
    }

    /// The file that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the two are the same.
    pub fn is(&self, other: &Namespace) -> io::Result<bool> {
        let (one, other) = (self.file.metadata()?, other.file.metadata()?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }

    /// Does work in it. This thread is back where it was when it returns; others do not notice.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let home = Namespace::current()?;
        self.enter()?;
        let back = Back(&home);
        let done = work();
        drop(back);
        Ok(done)
    }

    fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}

/// Leads the thread home, also where the work panics.
struct Back<'a>(&'a Namespace);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.enter().expect("a thread may go back to the network namespace that it came from");
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A number for the namespace of a socket that no other has had since the host started (Linux 5.14; else its inode).
pub fn cookie() -> io::Result<u64> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `cookie`, which lives until the call returns.
    let done = unsafe {
        let place = (&raw mut cookie).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, place, &raw mut length)
    };
    if done == 0 { Ok(cookie) } else { Ok(Namespace::current()?.file.metadata()?.ino()) }
}

/// Takes a lock on a file for as long as this process has it open; `false` where another has it.
pub fn claim(file: &File) -> bool {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}
