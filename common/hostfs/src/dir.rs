//! One directory by its handle, for walking trees of files.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Xattrs;
use rustix::fs::{FileType, OFlags, RawDir};

use crate::error::Problem;
use crate::file::File;
use crate::os;
use crate::packed::Packed;
use crate::stat::Stat;

/// An open directory. Its names are taken one component at a time and never followed.
pub struct Dir(Place);

enum Place {
    /// The handle, and whether it was listed: its position is then no longer at the beginning.
    Kernel(OwnedFd, AtomicBool),
    Packed(Arc<Packed>, usize),
}

/// One name of a directory, as listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirEntry {
    /// The name, one component.
    pub name: Box<[u8]>,
    /// Whether the listing itself says that it is a directory; `None` where the file system does not say.
    pub is_dir: Option<bool>,
    /// Whether the listing itself says that it is a character device; `None` where the file system does not say.
    pub is_char_device: Option<bool>,
}

impl Dir {
    pub(crate) fn new(fd: OwnedFd) -> Dir {
        Dir(Place::Kernel(fd, AtomicBool::new(false)))
    }

    pub(crate) fn packed(packed: Arc<Packed>, node: usize) -> Dir {
        Dir(Place::Packed(packed, node))
    }

    /// All names but `.` and `..`, sorted by bytes.
    pub fn entries(&self) -> Result<Vec<DirEntry>, Problem> {
        match &self.0 {
            // The position of the handle is shared and moves on: whoever comes later lists through a handle of his own.
            Place::Kernel(fd, was_listed) if was_listed.swap(true, Ordering::Relaxed) => {
                let again = os::open_child(fd.as_fd(), c".", OFlags::RDONLY | OFlags::DIRECTORY)?;
                listed(again.as_fd())
            }
            Place::Kernel(fd, _) => listed(fd.as_fd()),
            Place::Packed(packed, node) => Ok(packed.entries(*node)),
        }
    }

    /// Attributes of a name, not of what it may point to.
    pub fn stat(&self, name: &[u8]) -> Result<Stat, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::stat_child(fd.as_fd(), &text(name)?)?),
            Place::Packed(packed, node) => Ok(packed.stat(packed.child(*node, name)?)),
        }
    }

    /// Attributes of the directory itself.
    pub fn stat_self(&self) -> Result<Stat, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::stat(fd.as_fd())?),
            Place::Packed(packed, node) => Ok(packed.stat(*node)),
        }
    }

    /// Extended attributes of a name, not of what it may point to.
    pub fn xattrs(&self, name: &[u8]) -> Result<Xattrs, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::xattrs_child(fd.as_fd(), &text(name)?)?),
            Place::Packed(packed, node) => Ok(packed.xattrs(packed.child(*node, name)?)),
        }
    }

    /// Extended attributes of the directory itself.
    pub fn xattrs_self(&self) -> Result<Xattrs, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::xattrs(fd.as_fd())?),
            Place::Packed(packed, node) => Ok(packed.xattrs(*node)),
        }
    }

    /// The target of a symbolic link of that name.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::read_link(fd.as_fd(), &text(name)?)?),
            Place::Packed(packed, node) => packed.read_link(packed.child(*node, name)?),
        }
    }

    /// Opens a directory of that name; a symbolic link is refused.
    pub fn open_dir(&self, name: &[u8]) -> Result<Dir, Problem> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        match &self.0 {
            Place::Kernel(fd, _) => Ok(Dir::new(os::open_child(fd.as_fd(), &text(name)?, flags)?)),
            Place::Packed(packed, node) => Ok(Dir::packed(packed.clone(), packed.dir(packed.child(*node, name)?)?)),
        }
    }

    /// Opens a regular file of that name; anything else is refused without blocking.
    pub fn open_file(&self, name: &[u8]) -> Result<File, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => {
                let (fd, stat) =
                    os::open_regular(os::open_child(fd.as_fd(), &text(name)?, OFlags::RDONLY | OFlags::NONBLOCK))?;
                Ok(File::new(fd, stat))
            }
            Place::Packed(packed, node) => Ok(File::packed(packed.clone(), packed.file(packed.child(*node, name)?)?)),
        }
    }

    /// The handle itself, where this directory is one of the kernel's.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.0 {
            Place::Kernel(fd, _) => Some(fd.as_fd()),
            Place::Packed(..) => None,
        }
    }
}

fn listed(fd: BorrowedFd) -> Result<Vec<DirEntry>, Problem> {
    let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
    let mut out = Vec::new();
    let mut raw = RawDir::new(fd, &mut buffer);
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let kind = Some(entry.file_type()).filter(|&kind| kind != FileType::Unknown);
            out.push(DirEntry {
                name: name.into(),
                is_dir: kind.map(|kind| kind == FileType::Directory),
                is_char_device: kind.map(|kind| kind == FileType::CharacterDevice),
            });
        }
    }
    out.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// A name as the kernel takes it: one component.
fn text(name: &[u8]) -> Result<CString, Problem> {
    if name.is_empty() || name.contains(&b'/') || name == b".." {
        return Err(Problem::Missing);
    }
    CString::new(name).map_err(|_| Problem::Missing)
}
