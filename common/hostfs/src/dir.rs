//! One directory by its handle, for walking trees of files.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Finding, Xattrs};
use rustix::fs::{FileType, OFlags, RawDir};

use crate::error::Problem;
use crate::file::File;
use crate::os;
use crate::stat::{FileKind, Stat};
use crate::tree::Tree;

/// An open directory. Its names are taken one component at a time and never followed.
pub struct Dir(Place);

enum Place {
    /// The handle, and whether it was listed: its position is then no longer at the beginning.
    Kernel(OwnedFd, AtomicBool),
    Tree(Arc<dyn Tree>, u64),
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

    /// A directory of a tree.
    pub fn of_tree(tree: Arc<dyn Tree>, node: u64) -> Result<Dir, Problem> {
        match tree.stat(node)?.kind {
            FileKind::Directory => Ok(Dir(Place::Tree(tree, node))),
            FileKind::Symlink => Err(Problem::Symlink),
            _ => Err(Problem::NotDir),
        }
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
            Place::Tree(tree, node) => tree.entries(*node),
        }
    }

    /// Attributes of a name, not of what it may point to.
    pub fn stat(&self, name: &[u8]) -> Result<Stat, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::stat_child(fd.as_fd(), &text(name)?)?),
            Place::Tree(tree, node) => tree.stat(tree.child(*node, name)?),
        }
    }

    /// Attributes of the directory itself.
    pub fn stat_self(&self) -> Result<Stat, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::stat(fd.as_fd())?),
            Place::Tree(tree, node) => tree.stat(*node),
        }
    }

    /// Extended attributes of a name, not of what it may point to.
    pub fn xattrs(&self, name: &[u8]) -> Result<Xattrs, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::xattrs_child(fd.as_fd(), &text(name)?)?),
            Place::Tree(tree, node) => tree.xattrs(tree.child(*node, name)?),
        }
    }

    /// Extended attributes of the directory itself.
    pub fn xattrs_self(&self) -> Result<Xattrs, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::xattrs(fd.as_fd())?),
            Place::Tree(tree, node) => tree.xattrs(*node),
        }
    }

    /// The target of a symbolic link of that name.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, Problem> {
        match &self.0 {
            Place::Kernel(fd, _) => Ok(os::read_link(fd.as_fd(), &text(name)?)?),
            Place::Tree(tree, node) => tree.read_link(tree.child(*node, name)?),
        }
    }

    /// Opens a directory of that name; a symbolic link is refused.
    pub fn open_dir(&self, name: &[u8]) -> Result<Dir, Problem> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        match &self.0 {
            Place::Kernel(fd, _) => Ok(Dir::new(os::open_child(fd.as_fd(), &text(name)?, flags)?)),
            Place::Tree(tree, node) => Dir::of_tree(tree.clone(), tree.child(*node, name)?),
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
            Place::Tree(tree, node) => File::of_tree(tree.clone(), tree.child(*node, name)?),
        }
    }

    /// The handle itself, where this directory is one of the kernel's.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.0 {
            Place::Kernel(fd, _) => Some(fd.as_fd()),
            Place::Tree(..) => None,
        }
    }

    /// Damage that was found in the tree behind it since this was last asked.
    pub fn take_findings(&self) -> Vec<Finding> {
        match &self.0 {
            Place::Kernel(..) => Vec::new(),
            Place::Tree(tree, _) => tree.take_findings(),
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
