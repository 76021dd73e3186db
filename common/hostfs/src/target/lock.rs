//! Locks that the kernel holds: never stale, since they end with their process.

use std::ffi::CStr;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use model::HostPath;
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::WriteError;
use crate::os;

/// How long a lock is tried for in silence.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it is waited between two tries, at first and at last. Most who hold the lock write one small file.
const SHORTEST: Duration = Duration::from_micros(500);
const LONGEST: Duration = Duration::from_millis(16);

/// An exclusive lock, held while this value lives.
#[derive(Debug)]
pub struct Lock {
    _fd: OwnedFd,
}

/// What to do when another process holds the lock.
pub enum Wait<'a> {
    /// Refuse at once.
    No,
    /// Wait for it; after a second, once, say for whom.
    Yes(&'a mut dyn FnMut(&Holder)),
}

/// A process that holds a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its number; `None` where the kernel does not show it to us.
    pub pid: Option<u32>,
    /// Its program; empty where not known.
    pub program: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.pid {
            None => f.write_str("another process"),
            Some(pid) if self.program.is_empty() => write!(f, "process {pid}"),
            Some(pid) => write!(f, "process {pid} ({})", model::path::shown(self.program.as_bytes())),
        }
    }
}

pub(super) fn take(dir: BorrowedFd, name: &CStr, path: &HostPath, mut wait: Wait) -> Result<Lock, WriteError> {
    let fail = |errno| WriteError::errno("lock", path, errno);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = fs::openat(dir, name, flags, Mode::from_raw_mode(0o600)).map_err(fail)?;
    let begin = Instant::now();
    let mut pause = SHORTEST;
    loop {
        match fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Lock { _fd: fd }),
            Err(Errno::INTR) => continue,
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(fail(errno)),
        }
        let Wait::Yes(notify) = &mut wait else {
            return Err(WriteError::Locked { path: path.clone(), holder: first_holder(&fd) });
        };
        if begin.elapsed() < PATIENCE {
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
            continue;
        }
        notify(&first_holder(&fd));
        return block(&fd).map_err(fail).map(|()| Lock { _fd: fd });
    }
}

/// The lock on what is open already.
pub(super) fn hold(fd: OwnedFd, path: &HostPath) -> Result<Lock, WriteError> {
    loop {
        match fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Lock { _fd: fd }),
            Err(Errno::INTR) => continue,
            Err(Errno::WOULDBLOCK) => {
                return Err(WriteError::Locked { path: path.clone(), holder: first_holder(&fd) });
            }
            Err(errno) => return Err(WriteError::errno("lock", path, errno)),
        }
    }
}

fn block(fd: &OwnedFd) -> Result<(), Errno> {
    loop {
        match fs::flock(fd, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => continue,
            other => return other,
        }
    }
}

fn first_holder(fd: &OwnedFd) -> Holder {
    use std::os::fd::AsFd;
    let found = os::stat(fd.as_fd()).map(|stat| holders(stat.inode)).unwrap_or_default();
    found.into_iter().next().unwrap_or(Holder { pid: None, program: String::new() })
}

/// The processes that hold a lock on the file of that device and inode, as /proc/locks has it (proc(5)).
pub(super) fn holders((device, inode): (u64, u64)) -> Vec<Holder> {
    let table = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut pids: Vec<u32> = table
        .lines()
        .filter_map(parse_lock)
        .filter(|lock| lock.inode == inode)
        .filter_map(|lock| {
            // A file system with subvolumes (btrfs) shows another device here than stat does: then its open files tell.
            (lock.device == device || has_open(lock.pid, device, inode)).then_some(lock.pid)
        })
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().map(|pid| Holder { pid: Some(pid), program: program(pid) }).collect()
}

struct HeldLock {
    pid: u32,
    device: u64,
    inode: u64,
}

/// A line of /proc/locks: `12: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`. One that still waits (`->`) holds nothing.
fn parse_lock(line: &str) -> Option<HeldLock> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if fields.get(1) == Some(&"->") {
        return None;
    }
    let pid = fields.get(4)?.parse().ok()?;
    let mut place = fields.get(5)?.split(':');
    let major = u64::from_str_radix(place.next()?, 16).ok()?;
    let minor = u64::from_str_radix(place.next()?, 16).ok()?;
    Some(HeldLock { pid, device: major << 32 | minor, inode: place.next()?.parse().ok()? })
}

fn has_open(pid: u32, device: u64, inode: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().filter_map(|file| std::fs::metadata(file.path()).ok()).any(|stat| {
        let dev = stat.dev();
        stat.ino() == inode && u64::from(rustix::fs::major(dev)) << 32 | u64::from(rustix::fs::minor(dev)) == device
    })
}

fn program(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).map(|text| text.trim_end().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_locks_are_read() {
        let lock = parse_lock("3: FLOCK  ADVISORY  WRITE 4411 fe:00:1573 0 EOF").unwrap();
        assert_eq!((lock.pid, lock.device, lock.inode), (4411, 0xfe << 32, 1573));
        for line in [
            "",
            "3: -> FLOCK  ADVISORY  WRITE 4411 fe:00:1573 0 EOF",
            "3: FLOCK ADVISORY WRITE x fe:00:1573 0 EOF",
            "3: FLOCK ADVISORY WRITE 1 fe 0 EOF",
        ] {
            assert!(parse_lock(line).is_none(), "{line}");
        }
    }
}
