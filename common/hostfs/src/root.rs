//! The opened evidence.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::HostPath;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::{Problem, ReadError};
use crate::file::File;
use crate::os::{self, Links};
use crate::stat::{FileKind, Stat};

/// An opened evidence root.
pub struct Root {
    fd: OwnedFd,
    shown: PathBuf,
}

impl Root {
    /// Opens a directory as the root.
    pub fn open(path: &Path) -> Result<Root, ReadError> {
        let fd =
            fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
                ReadError { path: HostPath::new(path.as_os_str().as_encoded_bytes()), problem: errno.into() }
            })?;
        Ok(Root { fd, shown: path.to_path_buf() })
    }

    /// The root that a directory's handle names.
    pub(crate) fn of_dir(dir: BorrowedFd, path: &Path) -> Result<Root, Errno> {
        let fd = fs::openat(dir, c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Root { fd, shown: path.to_path_buf() })
    }

    /// The path by which it was opened, for messages and for paths in output.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// Attributes of `path`, which may be a symbolic link itself; none is followed on the way.
    pub fn stat(&self, path: &HostPath) -> Result<Stat, ReadError> {
        let fail = |problem| ReadError::new(path, problem);
        let fd = os::open(self.fd.as_fd(), path.as_bytes(), OFlags::PATH | OFlags::NOFOLLOW, Links::Refused)
            .map_err(|errno| fail(errno.into()));
        // NO_SYMLINKS refuses a link at the end too: then its folder answers for it.
        match fd {
            Ok(fd) => os::stat(fd.as_fd()).map_err(|errno| fail(errno.into())),
            Err(ReadError { problem: Problem::Symlink, .. }) => {
                self.open_dir(&path.parent())?.stat(path.name()).map_err(fail)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether there is anything of that name.
    pub fn exists(&self, path: &HostPath) -> bool {
        self.stat(path).is_ok()
    }

    /// Whether there is a directory of that name.
    pub fn is_dir(&self, path: &HostPath) -> bool {
        self.stat(path).is_ok_and(|stat| stat.kind == FileKind::Directory)
    }

    /// Opens a directory; no symbolic link is followed.
    pub fn open_dir(&self, path: &HostPath) -> Result<Dir, ReadError> {
        self.dir(path, Links::Refused)
    }

    /// Opens a directory; symbolic links are followed inside the root, as if the root were `/`.
    pub fn open_dir_inside(&self, path: &HostPath) -> Result<Dir, ReadError> {
        self.dir(path, Links::Inside)
    }

    fn dir(&self, path: &HostPath, links: Links) -> Result<Dir, ReadError> {
        os::open(self.fd.as_fd(), path.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK, links)
            .map(Dir::new)
            .map_err(|errno| ReadError::new(path, errno.into()))
    }

    /// Opens a regular file; no symbolic link is followed.
    pub fn open_file(&self, path: &HostPath) -> Result<File, ReadError> {
        let fd = os::open(self.fd.as_fd(), path.as_bytes(), OFlags::RDONLY | OFlags::NONBLOCK, Links::Refused);
        let (fd, stat) = os::open_regular(fd).map_err(|problem| ReadError::new(path, problem))?;
        Ok(File::new(fd, stat))
    }

    /// Reads a whole record; no symbolic link is followed, and more than `limit` bytes are refused.
    pub fn read(&self, path: &HostPath, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.open_file(path)?.read_all(limit).map_err(|problem| ReadError::new(path, problem))
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &HostPath) -> Result<Vec<u8>, ReadError> {
        self.open_dir(&path.parent())?.read_link(path.name()).map_err(|problem| ReadError::new(path, problem))
    }
}
