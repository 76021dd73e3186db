//! Removing a tree, however deep, by handle.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags};
use rustix::io::Errno;

/// Directories held open at once; what lies deeper is first moved up, so that no depth needs more handles.
const DEPTH: usize = 48;

/// Removes `name` of `dir` with all below it. What is not there is removed already.
pub(super) fn tree(dir: BorrowedFd, name: &CStr) -> Result<(), Errno> {
    match fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno),
    }
    let top = open(dir, name)?;
    let mut moved = Moved { top: &top, count: 0 };
    // What was moved up while its name was taken shows as just another name of the top in the next round.
    while empty(top.as_fd(), 1, &mut moved)? {}
    remove_dir(dir, name)
}

/// The top of the tree, where directories that lie too deep are moved.
struct Moved<'a> {
    top: &'a OwnedFd,
    count: u64,
}

/// Removes what a directory holds; says whether something was moved to the top, which is then not empty.
fn empty(dir: BorrowedFd, depth: usize, moved: &mut Moved) -> Result<bool, Errno> {
    let mut any_moved = false;
    for (name, is_dir) in names(dir)? {
        if !is_dir {
            match fs::unlinkat(dir, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        if depth >= DEPTH {
            moved.up(dir, &name)?;
            any_moved = true;
            continue;
        }
        let child = open(dir, &name)?;
        any_moved |= empty(child.as_fd(), depth + 1, moved)?;
        drop(child);
        remove_dir(dir, &name)?;
    }
    Ok(any_moved)
}

impl Moved<'_> {
    fn up(&mut self, dir: BorrowedFd, name: &CStr) -> Result<(), Errno> {
        loop {
            let new = CString::new(format!(".deep-{}", self.count)).expect("digits hold no zero byte");
            self.count += 1;
            match fs::renameat_with(dir, name, self.top, &new, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => continue,
                // A file system without the flag: an existing name can only be an empty directory that goes anyway.
                Err(Errno::INVAL) => match fs::renameat(dir, name, self.top, &new) {
                    Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => continue,
                    other => return other,
                },
                other => return other,
            }
        }
    }
}

/// Opens a directory that is no link and nothing mounted, and makes it ours to empty where its mode forbids that.
fn open(dir: BorrowedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let attempt = || match fs::openat2(dir, name, flags, Mode::empty(), resolve) {
        // Something is mounted there.
        Err(Errno::XDEV) => Err(Errno::BUSY),
        Err(Errno::NOSYS) => fs::openat(dir, name, flags, Mode::empty()),
        other => other,
    };
    let fd = match attempt() {
        Err(Errno::ACCESS) => {
            fs::chmodat(dir, name, Mode::RWXU, AtFlags::empty())?;
            attempt()?
        }
        other => other?,
    };
    if !rustix::process::geteuid().is_root() && !Mode::from_raw_mode(fs::fstat(&fd)?.st_mode).contains(Mode::RWXU) {
        fs::fchmod(&fd, Mode::RWXU)?;
    }
    Ok(fd)
}

fn remove_dir(dir: BorrowedFd, name: &CStr) -> Result<(), Errno> {
    match fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// All names of a directory, and whether the listing calls it one.
pub(super) fn names(dir: BorrowedFd) -> Result<Vec<(CString, bool)>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    let fresh = fs::openat(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut raw = RawDir::new(&fresh, &mut buffer);
    let mut out = Vec::new();
    while let Some(entry) = raw.next() {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            out.push((entry.file_name().to_owned(), entry.file_type() == FileType::Directory));
        }
    }
    Ok(out)
}
