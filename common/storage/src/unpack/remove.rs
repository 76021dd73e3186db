//! Trees as a whole, by handle: removing and counting, however deep, with two handles open.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// Removes a name, with all below it.
pub(super) fn remove_tree(folder: BorrowedFd, name: &[u8]) -> Result<()> {
    match fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        done => return done,
    }
    let top = open(folder, name)?;
    // A folder that is not empty is lifted to the top and has its turn there, so that depth does not matter.
    let mut lifted = 0u64;
    loop {
        let below = names(top.as_fd())?;
        if below.is_empty() {
            break;
        }
        for (name, _) in below {
            clear(top.as_fd(), &name, top.as_fd(), &mut lifted)?;
        }
    }
    fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}

/// Removes a name of `folder`; the folders in it that are not empty go to `top`.
fn clear(folder: BorrowedFd, name: &[u8], top: BorrowedFd, lifted: &mut u64) -> Result<()> {
    if !matches!(fs::unlinkat(folder, name, AtFlags::empty()), Err(Errno::ISDIR | Errno::PERM)) {
        return Ok(());
    }
    let inner = open(folder, name)?;
    for (below, _) in names(inner.as_fd())? {
        if !matches!(fs::unlinkat(&inner, &below[..], AtFlags::empty()), Err(Errno::ISDIR | Errno::PERM)) {
            continue;
        }
        loop {
            *lifted += 1;
            let place = format!(".lifted-{lifted}");
            match fs::renameat_with(&inner, &below[..], top, &place[..], fs::RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => continue,
                Err(Errno::ACCESS) => drop(open(inner.as_fd(), &below)?),
                done => break done?,
            }
        }
    }
    fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}

/// Opens a folder; an ordinary user gives himself the right to first.
fn open(folder: BorrowedFd, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = fs::openat(folder, name, flags, Mode::empty())?;
    if !rustix::process::geteuid().is_root() {
        fs::fchmod(&opened, Mode::RWXU)?;
    }
    Ok(opened)
}

/// The names in a folder, with whether each is a folder.
pub(super) fn names(folder: BorrowedFd) -> Result<Vec<(Box<[u8]>, bool)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => FileType::from_raw_mode(fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
            kind => kind,
        };
        names.push((name.into(), kind == FileType::Directory));
    }
    Ok(names)
}

/// The bytes of all but folders, each file once, as docker counts a layer (moby v20.10.24 pkg/directory/directory_unix.go).
pub(super) fn size_of(top: BorrowedFd) -> Result<u64> {
    let mut size = 0;
    let mut seen = HashSet::new();
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let here = if path.is_empty() { b"." } else { &path[..] };
        let folder = match fs::openat(top, here, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            // A folder that its own owner, an ordinary user, may not read: docker would not count it either.
            Err(Errno::ACCESS) => continue,
            opened => opened?,
        };
        for (name, is_dir) in names(folder.as_fd())? {
            if is_dir {
                let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
                waiting.push([&path[..], slash, &name].concat());
                continue;
            }
            let stat = fs::statat(&folder, &name[..], AtFlags::SYMLINK_NOFOLLOW)?;
            if stat.st_nlink == 1 || seen.insert(stat.st_ino) {
                size += stat.st_size as u64;
            }
        }
    }
    Ok(size)
}
