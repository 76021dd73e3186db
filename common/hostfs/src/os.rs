//! The system calls, each with the flags that keep the promises of this crate.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use model::{Timestamp, Xattrs};
use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

use crate::error::Problem;
use crate::stat::{FileKind, Stat};

/// How symbolic links on the way, and at the end, are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// None is followed, anywhere in the path.
    Refused,
    /// Followed inside the root, as if the root were `/`.
    Inside,
}

/// Opens `path` below `root`. Never leaves it, whatever lies there.
pub fn open(root: BorrowedFd, path: &[u8], flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::NO_MAGICLINKS
        | match links {
            Links::Refused => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            Links::Inside => ResolveFlags::IN_ROOT,
        };
    without_atime(flags, |flags| {
        loop {
            match fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // A rename elsewhere raced with us.
                Err(Errno::AGAIN) => continue,
                // `..` out of the root, with BENEATH.
                Err(Errno::XDEV) => return Err(Errno::NOENT),
                // No openat2 in this kernel, or a sandbox forbids it.
                Err(Errno::NOSYS) => return walk(root, path, flags, links),
                other => return other,
            }
        }
    })
}

/// Opens one name of an open directory; never follows it.
pub fn open_child(dir: BorrowedFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    without_atime(flags, |flags| fs::openat(dir, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()))
}

/// Opens with O_NOATIME, and without where the file is not ours.
fn without_atime(flags: OFlags, open: impl Fn(OFlags) -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    if flags.contains(OFlags::PATH) {
        return open(flags);
    }
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        other => other,
    }
}

/// What `open` does, component by component, where there is no openat2. Links are refused also when they would be
/// followed inside: such a kernel is older than 5.6.
fn walk(root: BorrowedFd, path: &[u8], flags: OFlags, _links: Links) -> Result<OwnedFd, Errno> {
    let mut parts: Vec<&[u8]> = path.split(|&b| b == b'/').filter(|p| !p.is_empty() && *p != b".").collect();
    if parts.contains(&b"..".as_slice()) {
        return Err(Errno::NOENT);
    }
    let last = parts.pop().unwrap_or(b".");
    let mut dir = fs::openat(root, c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for part in parts {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        dir = fs::openat(&dir, part, flags, Mode::empty())?;
    }
    fs::openat(&dir, last, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Attributes of one name of an open directory, without opening it.
pub fn stat_child(dir: BorrowedFd, name: &CStr) -> Result<Stat, Errno> {
    statx(dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Attributes of an open handle.
pub fn stat(fd: BorrowedFd) -> Result<Stat, Errno> {
    statx(fd, c"", AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW)
}

fn statx(dir: BorrowedFd, name: &CStr, flags: AtFlags) -> Result<Stat, Errno> {
    let raw = fs::statx(dir, name, flags | AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    let mode = u32::from(raw.stx_mode);
    let kind = match fs::FileType::from_raw_mode(mode) {
        fs::FileType::RegularFile => FileKind::File,
        fs::FileType::Directory => FileKind::Directory,
        fs::FileType::Symlink => FileKind::Symlink,
        fs::FileType::CharacterDevice => FileKind::CharDevice(raw.stx_rdev_major, raw.stx_rdev_minor),
        fs::FileType::BlockDevice => FileKind::BlockDevice(raw.stx_rdev_major, raw.stx_rdev_minor),
        fs::FileType::Fifo => FileKind::Fifo,
        _ => FileKind::Socket,
    };
    Ok(Stat {
        kind,
        mode: mode & 0o7777,
        uid: u64::from(raw.stx_uid),
        gid: u64::from(raw.stx_gid),
        size: raw.stx_size,
        allocated: raw.stx_blocks * 512,
        mtime: time(raw.stx_mtime),
        ctime: time(raw.stx_ctime),
        atime: time(raw.stx_atime),
        born: (raw.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| time(raw.stx_btime)),
        links: u64::from(raw.stx_nlink),
        inode: (u64::from(raw.stx_dev_major) << 32 | u64::from(raw.stx_dev_minor), raw.stx_ino),
    })
}

fn time(raw: fs::StatxTimestamp) -> Timestamp {
    Timestamp { seconds: raw.tv_sec, nanos: raw.tv_nsec }
}

/// Extended attributes of a name of an open directory; of the link itself where it is one.
pub fn xattrs_child(dir: BorrowedFd, name: &CStr) -> Result<Xattrs, Errno> {
    // There is no lgetxattrat before 6.13, but a path through the directory's own handle names exactly this entry.
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    collect_xattrs(|buf| fs::llistxattr(&*path, buf), |key, buf| fs::lgetxattr(&*path, key, buf))
}

/// Extended attributes of an open file.
pub fn xattrs(fd: BorrowedFd) -> Result<Xattrs, Errno> {
    collect_xattrs(|buf| fs::flistxattr(fd, buf), |key, buf| fs::fgetxattr(fd, key, buf))
}

fn collect_xattrs(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Result<Xattrs, Errno> {
    // 64 KiB is the kernel's own limit for a list, and for one value.
    let mut small = [0u8; 512];
    let mut large = Vec::new();
    let names: &[u8] = match list(&mut small) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Xattrs::new()),
        Ok(n) => &small[..n],
        Err(Errno::RANGE) => {
            large.resize(65_536, 0);
            let n = list(&mut large)?;
            &large[..n]
        }
        Err(errno) => return Err(errno),
    };
    let mut out = Xattrs::new();
    let mut value = vec![0u8; 65_536];
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        match get(name, &mut value) {
            Ok(n) => {
                out.insert(name.into(), value[..n].into());
            }
            // Gone in between, or not ours to read (trusted.* as an ordinary user is not even listed).
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(out)
}

/// The target of a symbolic link in an open directory.
pub fn read_link(dir: BorrowedFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    Ok(fs::readlinkat(dir, name, Vec::new())?.into_bytes())
}

/// Opens a name of a directory for reading if it is a regular file; opening neither blocks nor wakes a device.
pub fn open_regular(fd: Result<OwnedFd, Errno>) -> Result<(OwnedFd, Stat), Problem> {
    let fd = match fd {
        Ok(fd) => fd,
        // A socket, or a device without a driver, cannot even be opened.
        Err(Errno::NXIO | Errno::NODEV) => return Err(Problem::NotFile("socket or device")),
        Err(errno) => return Err(errno.into()),
    };
    let stat = stat(fd.as_fd())?;
    match stat.kind {
        FileKind::File => Ok((fd, stat)),
        FileKind::Symlink => Err(Problem::Symlink),
        other => Err(Problem::NotFile(other.words())),
    }
}
