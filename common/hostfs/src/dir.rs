//! One directory by its handle, for walking trees of files.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use model::Xattrs;
use rustix::fs::{FileType, OFlags, RawDir};

use crate::error::Problem;
use crate::file::File;
use crate::os;
use crate::stat::Stat;

/// An open directory. Its names are taken one component at a time and never followed.
pub struct Dir {
    fd: OwnedFd,
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
        Dir { fd }
    }

    /// All names but `.` and `..`, sorted by bytes.
    pub fn entries(&self) -> Result<Vec<DirEntry>, Problem> {
        let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
        let mut out = Vec::new();
        // A second handle, since the position of this one is shared and the listing is asked for more than once.
        let fd = os::open_child(self.fd.as_fd(), c".", OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut raw = RawDir::new(fd.as_fd(), &mut buffer);
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

    /// Attributes of a name, not of what it may point to.
    pub fn stat(&self, name: &[u8]) -> Result<Stat, Problem> {
        Ok(os::stat_child(self.fd.as_fd(), &text(name)?)?)
    }

    /// Attributes of the directory itself.
    pub fn stat_self(&self) -> Result<Stat, Problem> {
        Ok(os::stat(self.fd.as_fd())?)
    }

    /// Extended attributes of a name, not of what it may point to.
    pub fn xattrs(&self, name: &[u8]) -> Result<Xattrs, Problem> {
        Ok(os::xattrs_child(self.fd.as_fd(), &text(name)?)?)
    }

    /// Extended attributes of the directory itself.
    pub fn xattrs_self(&self) -> Result<Xattrs, Problem> {
        Ok(os::xattrs(self.fd.as_fd())?)
    }

    /// The target of a symbolic link of that name.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, Problem> {
        Ok(os::read_link(self.fd.as_fd(), &text(name)?)?)
    }

    /// Opens a directory of that name; a symbolic link is refused.
    pub fn open_dir(&self, name: &[u8]) -> Result<Dir, Problem> {
        Ok(Dir::new(os::open_child(
            self.fd.as_fd(),
            &text(name)?,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK,
        )?))
    }

    /// Opens a regular file of that name; anything else is refused without blocking.
    pub fn open_file(&self, name: &[u8]) -> Result<File, Problem> {
        let fd = os::open_child(self.fd.as_fd(), &text(name)?, OFlags::RDONLY | OFlags::NONBLOCK);
        let (fd, stat) = os::open_regular(fd)?;
        Ok(File::new(fd, stat))
    }

    /// The handle itself, where this directory is one of the kernel's.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

/// A name as the kernel takes it: one component.
fn text(name: &[u8]) -> Result<CString, Problem> {
    if name.is_empty() || name.contains(&b'/') || name == b".." {
        return Err(Problem::Missing);
    }
    CString::new(name).map_err(|_| Problem::Missing)
}
