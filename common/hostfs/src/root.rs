//! The opened evidence.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Finding, HostPath};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use crate::dir::{Dir, DirEntry};
use crate::error::{Problem, ReadError};
use crate::file::File;
use crate::os::{self, Links};
use crate::packed::Packed;
use crate::process;
use crate::quiet;
use crate::stat::{FileKind, Stat};

/// An opened evidence root.
pub struct Root {
    place: Place,
    shown: PathBuf,
    host: Option<Box<Root>>,
}

enum Place {
    Kernel(OwnedFd),
    Packed(Arc<Packed>),
}

impl Root {
    /// Opens a directory as the root, or a tar of one, plain or compressed; `-` is a tar on stdin. A tar is read once
    /// from end to end: what was wrong with it is told by [`Root::findings`].
    pub fn open(path: &Path) -> Result<Root, ReadError> {
        Root::open_through(path, |fd| quiet::view(fd.as_fd()).unwrap_or(fd))
    }

    /// The same without what is mounted below a directory: its own files only. Where the kernel does not let us look past a
    /// mount, a finding says so.
    pub fn open_alone(path: &Path) -> Result<(Root, Option<Finding>), ReadError> {
        let mut finding = None;
        let root = Root::open_through(path, |fd| match quiet::view_alone(fd.as_fd()) {
            Some(alone) => alone,
            None => {
                if quiet::has_mounts_below(fd.as_fd()) != Some(false) {
                    let detail = "other file systems are mounted below it; what they show is taken for its own";
                    finding = Some(Finding::new("mounted", detail));
                }
                fd
            }
        })?;
        Ok((root, finding))
    }

    fn open_through(path: &Path, view: impl FnOnce(OwnedFd) -> OwnedFd) -> Result<Root, ReadError> {
        let fail = |problem| ReadError { path: HostPath::new(path.as_os_str().as_encoded_bytes()), problem };
        let directory = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let place = match directory {
            Ok(fd) => Place::Kernel(view(fd)),
            Err(Errno::NOTDIR) => Place::Packed(Arc::new(Packed::open(path).map_err(fail)?)),
            Err(Errno::NOENT) if path == Path::new("-") => {
                Place::Packed(Arc::new(Packed::of_stream(Box::new(std::io::stdin())).map_err(fail)?))
            }
            Err(errno) => return Err(fail(errno.into())),
        };
        Ok(Root { place, shown: path.to_path_buf(), host: None })
    }

    /// Opens a directory as the root for a glance, with nothing done about the access times of links.
    pub(crate) fn glance(path: &str) -> Option<Root> {
        let fd = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        Some(Root { place: Place::Kernel(fd), shown: path.into(), host: None })
    }

    /// The root that a directory's handle names.
    pub(crate) fn of_dir(dir: BorrowedFd, path: &Path) -> Result<Root, Errno> {
        let fd = fs::openat(dir, c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Root { place: Place::Kernel(fd), shown: path.to_path_buf(), host: None })
    }

    /// What was wrong with the evidence as a whole: a tar that is cut, entries of it that lead out.
    pub fn findings(&self) -> &[Finding] {
        match &self.place {
            Place::Kernel(_) => &[],
            Place::Packed(packed) => packed.findings(),
        }
    }

    /// Whether `trusted.*` attributes show: in a tar as far as it holds them, on disk to the host's own administrator only.
    pub fn shows_trusted(&self) -> bool {
        match &self.place {
            Place::Kernel(_) => process::is_administrator(),
            Place::Packed(_) => true,
        }
    }

    /// Whether it is on disk and looked at from a user namespace that is not the machine's first: then its owners are that
    /// namespace's.
    pub fn is_in_user_namespace(&self) -> bool {
        matches!(self.place, Place::Kernel(_)) && !process::is_first_namespace()
    }

    /// Whether it is on disk, not in a tar.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.place, Place::Kernel(_))
    }

    /// The same, with the old host's own `/` beside it, for what lies outside of a data root.
    pub fn with_host(mut self, host: Root) -> Root {
        self.host = Some(Box::new(host));
        self
    }

    /// The old host's own `/`: as given, else this root, which may be a whole disk.
    pub fn host(&self) -> &Root {
        self.host.as_deref().unwrap_or(self)
    }

    /// The path by which it was opened, for messages and for paths in output.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// Attributes of `path`, which may be a symbolic link itself; none is followed on the way.
    pub fn stat(&self, path: &HostPath) -> Result<Stat, ReadError> {
        let fail = |problem| ReadError::new(path, problem);
        let root = match &self.place {
            Place::Kernel(fd) => fd,
            Place::Packed(packed) => {
                return packed.find(path.as_bytes(), Links::Refused).map(|node| packed.stat(node)).map_err(fail);
            }
        };
        // One name of the root itself needs no handle: there is nothing on the way that could lead elsewhere.
        if let Some(name) = only_name(path.as_bytes()) {
            return os::stat_child(root.as_fd(), &name).map_err(|errno| fail(errno.into()));
        }
        let fd = os::open(root.as_fd(), path.as_bytes(), OFlags::PATH | OFlags::NOFOLLOW, Links::Refused)
            .map_err(|errno| fail(errno.into()));
        // NO_SYMLINKS refuses a link at the end too: then its folder answers for it.
        match fd {
            Ok(fd) => os::stat(fd.as_fd()).map_err(|errno| fail(errno.into())),
            Err(ReadError { problem: Problem::Symlink, .. }) => {
                let folder = self.open_dir(&path.parent()).map_err(|error| fail(error.problem))?;
                folder.stat(path.name()).map_err(fail)
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
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let dir = match &self.place {
            Place::Kernel(fd) => {
                os::open(fd.as_fd(), path.as_bytes(), flags, links).map(Dir::new).map_err(Problem::from)
            }
            Place::Packed(packed) => {
                packed.find(path.as_bytes(), links).and_then(|node| Dir::of_tree(packed.clone(), node as u64))
            }
        };
        dir.map_err(|problem| ReadError::new(path, problem))
    }

    /// Opens a regular file; no symbolic link is followed.
    pub fn open_file(&self, path: &HostPath) -> Result<File, ReadError> {
        let file = match &self.place {
            Place::Kernel(root) => {
                let fd = os::open(root.as_fd(), path.as_bytes(), OFlags::RDONLY | OFlags::NONBLOCK, Links::Refused);
                os::open_regular(fd).map(|(fd, stat)| File::new(fd, stat))
            }
            Place::Packed(packed) => {
                packed.find(path.as_bytes(), Links::Refused).and_then(|node| File::of_tree(packed.clone(), node as u64))
            }
        };
        file.map_err(|problem| ReadError::new(path, problem))
    }

    /// Reads a whole record; no symbolic link is followed, and more than `limit` bytes are refused.
    pub fn read(&self, path: &HostPath, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.open_file(path)?.read_all(limit).map_err(|problem| ReadError::new(path, problem))
    }

    /// What lies in a folder, in no order; no symbolic link is followed on the way.
    pub fn entries(&self, path: &HostPath) -> Result<Vec<DirEntry>, ReadError> {
        self.open_dir(path)?.entries().map_err(|problem| ReadError::new(path, problem))
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &HostPath) -> Result<Vec<u8>, ReadError> {
        let folder = self.open_dir(&path.parent()).map_err(|error| ReadError::new(path, error.problem))?;
        folder.read_link(path.name()).map_err(|problem| ReadError::new(path, problem))
    }
}

/// The path, where it is one name that stands for itself.
fn only_name(path: &[u8]) -> Option<CString> {
    let is_name = !path.contains(&b'/') && !matches!(path, b"" | b"." | b"..");
    is_name.then(|| CString::new(path).ok())?
}
