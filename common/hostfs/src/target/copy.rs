//! Copying a tree within a root with all that the kernel keeps of it, by handle, for drivers that store full copies.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, SeekFrom, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::remove::names;
use crate::os;
use crate::stat::{FileKind, Stat};

/// Copies the directory `from` over the empty directory `to`: content with its holes, hard links, owners, modes, times,
/// extended attributes, devices. Nothing is followed.
pub(super) fn tree(from: OwnedFd, to: OwnedFd) -> Result<(), Errno> {
    let top = to.try_clone().map_err(|_| Errno::MFILE)?;
    let mut copier = Copier { top, seen: HashMap::new(), path: Vec::new() };
    let mut stack = vec![Level::new(from, to)?];
    while let Some(level) = stack.last_mut() {
        let Some((name, _)) = level.names.next() else {
            finish_dir(&level.from, &level.to)?;
            stack.pop();
            copier.path.pop();
            continue;
        };
        if let Some(below) = copier.entry(level, &name)? {
            copier.path.push(name);
            stack.push(below);
        }
    }
    Ok(())
}

/// A directory that is being copied: an explicit stack, since trees may be deeper than ours.
struct Level {
    from: OwnedFd,
    to: OwnedFd,
    names: std::vec::IntoIter<(CString, bool)>,
}

impl Level {
    fn new(from: OwnedFd, to: OwnedFd) -> Result<Level, Errno> {
        let names = names(from.as_fd())?.into_iter();
        Ok(Level { from, to, names })
    }
}

struct Copier {
    top: OwnedFd,
    /// Files with several names: where their first copy stands, from the top.
    seen: HashMap<(u64, u64), CString>,
    /// The names that lead to the level at hand.
    path: Vec<CString>,
}

impl Copier {
    /// Copies one name; a directory is made and returned for its contents.
    fn entry(&mut self, level: &Level, name: &CStr) -> Result<Option<Level>, Errno> {
        let stat = os::stat_child(level.from.as_fd(), name)?;
        if stat.kind == FileKind::Directory {
            fs::mkdirat(&level.to, name, Mode::RWXU)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let below = Level::new(
                os::open_child(level.from.as_fd(), name, flags)?,
                os::open_child(level.to.as_fd(), name, flags)?,
            )?;
            return Ok(Some(below));
        }
        if stat.links > 1 {
            if let Some(first) = self.seen.get(&stat.inode)
                && fs::linkat(&self.top, first, &level.to, name, AtFlags::empty()).is_ok()
            {
                return Ok(None);
            }
            self.seen.insert(stat.inode, self.path_of(name));
        }
        make(level, name, &stat)?;
        finish(level, name, &stat)?;
        Ok(None)
    }

    fn path_of(&self, name: &CStr) -> CString {
        let mut path = Vec::new();
        for part in &self.path {
            path.extend_from_slice(part.to_bytes());
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        CString::new(path).expect("joined names hold no zero byte")
    }
}

fn make(level: &Level, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let node =
        |kind, major, minor| fs::mknodat(&level.to, name, kind, Mode::RUSR | Mode::WUSR, fs::makedev(major, minor));
    match stat.kind {
        FileKind::File => {
            let from = os::open_child(level.from.as_fd(), name, OFlags::RDONLY | OFlags::NONBLOCK)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let to = fs::openat(&level.to, name, flags, Mode::RUSR | Mode::WUSR)?;
            content(from.as_fd(), to.as_fd(), stat.size)
        }
        FileKind::Symlink => fs::symlinkat(fs::readlinkat(&level.from, name, Vec::new())?, &level.to, name),
        FileKind::CharDevice(major, minor) => node(FileType::CharacterDevice, major, minor),
        FileKind::BlockDevice(major, minor) => node(FileType::BlockDevice, major, minor),
        FileKind::Fifo => node(FileType::Fifo, 0, 0),
        FileKind::Socket => node(FileType::Socket, 0, 0),
        FileKind::Directory => unreachable!("directories are made by the caller"),
    }
}

/// The bytes where there are any; shared with the original where the file system can.
fn content(from: BorrowedFd, to: BorrowedFd, size: u64) -> Result<(), Errno> {
    if fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    fs::ftruncate(to, size)?;
    let mut at = 0;
    while at < size {
        let start = match fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL) => at,
            Err(errno) => return Err(errno),
        };
        let end = match fs::seek(from, SeekFrom::Hole(start)) {
            Ok(end) => end.min(size),
            Err(Errno::INVAL) => size,
            Err(errno) => return Err(errno),
        };
        run(from, to, start, end)?;
        at = end;
    }
    Ok(())
}

fn run(from: BorrowedFd, to: BorrowedFd, mut at: u64, end: u64) -> Result<(), Errno> {
    let mut buffer = vec![0; 128 * 1024];
    while at < end {
        let want = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let got = rustix::io::pread(from, &mut buffer[..want], at)?;
        if got == 0 {
            // It got shorter meanwhile; the rest stays a hole.
            return Ok(());
        }
        let mut done = 0;
        while done < got {
            done += rustix::io::pwrite(to, &buffer[done..got], at + done as u64)?;
        }
        at += got as u64;
    }
    Ok(())
}

fn finish(level: &Level, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    fs::chownat(&level.to, name, Some(uid(stat.uid)), Some(gid(stat.gid)), AtFlags::SYMLINK_NOFOLLOW)?;
    let mut path = format!("/proc/self/fd/{}/", level.to.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    for (key, value) in os::xattrs_child(level.from.as_fd(), name)? {
        fs::lsetxattr(&*path, &*key, &value, XattrFlags::empty())?;
    }
    if stat.kind != FileKind::Symlink {
        fs::chmodat(&level.to, name, Mode::from_raw_mode(stat.mode), AtFlags::empty())?;
    }
    fs::utimensat(&level.to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

fn finish_dir(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let stat = os::stat(from.as_fd())?;
    fs::fchown(to, Some(uid(stat.uid)), Some(gid(stat.gid)))?;
    for (key, value) in os::xattrs(from.as_fd())? {
        fs::fsetxattr(to, &*key, &value, XattrFlags::empty())?;
    }
    fs::fchmod(to, Mode::from_raw_mode(stat.mode))?;
    fs::futimens(to, &times(&stat))
}

/// A stat of this kernel holds no larger owner.
fn uid(raw: u64) -> fs::Uid {
    fs::Uid::from_raw(u32::try_from(raw).expect("stat gives 32 bits"))
}

fn gid(raw: u64) -> fs::Gid {
    fs::Gid::from_raw(u32::try_from(raw).expect("stat gives 32 bits"))
}

fn times(stat: &Stat) -> Timestamps {
    let time = Timespec { tv_sec: stat.mtime.seconds, tv_nsec: i64::from(stat.mtime.nanos) };
    Timestamps { last_access: time, last_modification: time }
}
