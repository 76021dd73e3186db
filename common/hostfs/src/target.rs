//! A root opened for writing.
//!
//! Everything is named below the root and no symbolic link is followed, on the way or at the end. What is written whole
//! stands under its name only when whole: made under another name, synced, renamed, its folder synced.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::HostPath;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::os::{self, Links};
use crate::{ReadError, Root};

mod copy;
mod error;
mod lock;
mod remove;
mod room;
mod shift;

pub use error::WriteError;
pub use lock::{Holder, Lock, Wait};
pub use room::Room;
pub use shift::Shift;

/// A root opened for writing.
pub struct Target {
    fd: OwnedFd,
    path: PathBuf,
    root: Root,
    scratch: Option<HostPath>,
}

impl Target {
    /// Opens a directory for writing; it must be there.
    pub fn open(path: &Path) -> Result<Target, WriteError> {
        let fail =
            |source: io::Error| WriteError::at("open", &HostPath::new(path.as_os_str().as_encoded_bytes()), source);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty()).map_err(|errno| fail(errno.into()))?;
        let root = Root::of_dir(fd.as_fd(), path).map_err(|errno| fail(errno.into()))?;
        Ok(Target { fd, path: path.to_path_buf(), root, scratch: None })
    }

    /// Opens a directory for writing and makes it, with the folders above it, where it is missing.
    pub fn create(path: &Path, mode: u32) -> Result<Target, WriteError> {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
        made.map_err(|source| WriteError::at("make", &HostPath::new(path.as_os_str().as_encoded_bytes()), source))?;
        Target::open(path)
    }

    /// The path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same directory for reading.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The directory's own handle.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Makes temporary files in this folder of the root from now on, instead of beside what they become, so that a
    /// killed writer leaves nothing anywhere else. It must be on the same file system as what is written.
    pub fn set_scratch(&mut self, folder: HostPath) {
        self.scratch = Some(folder);
    }

    /// Writes a file under its name at once: whoever looks sees the old one or the whole new one, also after a crash.
    pub fn write(&self, path: &HostPath, bytes: &[u8], mode: u32) -> Result<(), WriteError> {
        let dir = self.replace(path, bytes, mode, true)?;
        sync(dir.as_fd()).map_err(|source| WriteError::at("sync the folder of", path, source))
    }

    /// As [`Target::write`], but a crash of the machine soon afterwards may bring the old one back, or where `lasting` is false
    /// an empty one: meant for what is written often and true only while the machine is up.
    pub fn write_soon(&self, path: &HostPath, bytes: &[u8], mode: u32, lasting: bool) -> Result<(), WriteError> {
        self.replace(path, bytes, mode, lasting).map(drop)
    }

    /// Puts a whole file in the place of one, and returns its folder, which is not synced.
    fn replace(&self, path: &HostPath, bytes: &[u8], mode: u32, synced: bool) -> Result<OwnedFd, WriteError> {
        let (dir, name) = self.place(path)?;
        let scratch = match &self.scratch {
            Some(folder) => self.dir(folder).map_err(|errno| WriteError::errno("open", folder, errno))?,
            None => self.dir(&path.parent()).map_err(|errno| WriteError::errno("open", &path.parent(), errno))?,
        };
        let (temporary, file) =
            new_file(scratch.as_fd(), mode).map_err(|errno| self.failed("write", path, errno, bytes.len()))?;
        let written = fill(file, bytes, synced).and_then(|()| Ok(fs::renameat(&scratch, &temporary, &dir, &name)?));
        if let Err(error) = written {
            let _ = fs::unlinkat(&scratch, &temporary, AtFlags::empty());
            return Err(self.failed("write", path, error, bytes.len()));
        }
        Ok(dir)
    }

    /// Makes a new file, which must not be there, for filling it bit by bit. Meant for scratch folders.
    pub fn create_file(&self, path: &HostPath, mode: u32) -> Result<File, WriteError> {
        let (dir, name) = self.place(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&dir, &name, flags, Mode::from_raw_mode(mode))
            .map_err(|errno| self.failed("make", path, errno, 0))?;
        // The mask of the process does not count.
        fs::fchmod(&fd, Mode::from_raw_mode(mode)).map_err(|errno| self.failed("make", path, errno, 0))?;
        Ok(File::from(fd))
    }

    /// Makes a new file, which must not be there, with this content. It is not synced: many files share one sync.
    pub fn write_new(&self, path: &HostPath, bytes: &[u8], mode: u32) -> Result<(), WriteError> {
        self.create_file(path, mode)?.write_all(bytes).map_err(|error| self.failed("write", path, error, bytes.len()))
    }

    /// Makes a directory and those above it where they are missing; `mode` is for the ones that are made.
    pub fn make_dirs(&self, path: &HostPath, mode: u32) -> Result<(), WriteError> {
        let mut made = HostPath::default();
        for part in path.as_bytes().split(|&b| b == b'/').filter(|part| !part.is_empty()) {
            made = made.join(part);
            match self.make_dir(&made, mode) {
                Err(WriteError::At { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        // A file, or a link, where a directory is wanted.
        self.dir(path).map(drop).map_err(|errno| WriteError::errno("open the folder", path, errno))
    }

    /// Makes one directory, which must not be there, with exactly this mode.
    pub fn make_dir(&self, path: &HostPath, mode: u32) -> Result<(), WriteError> {
        let (dir, name) = self.place(path)?;
        let fail = |errno| self.failed("make the folder", path, errno, 0);
        fs::mkdirat(&dir, &name, Mode::from_raw_mode(mode)).map_err(fail)?;
        let made = os::open_child(dir.as_fd(), &name, OFlags::RDONLY | OFlags::DIRECTORY).map_err(fail)?;
        fs::fchmod(&made, Mode::from_raw_mode(mode)).map_err(fail)
    }

    /// Makes a symbolic link, which must not be there; `target` is any text.
    pub fn symlink(&self, target: &[u8], path: &HostPath) -> Result<(), WriteError> {
        let (dir, name) = self.place(path)?;
        fs::symlinkat(target, &dir, &name).map_err(|errno| self.failed("make the link", path, errno, 0))
    }

    /// Moves something to a name that nothing has yet. The folders are not synced: many moves share one sync.
    pub fn rename(&self, from: &HostPath, to: &HostPath) -> Result<(), WriteError> {
        let (from_dir, from_name) = self.place(from)?;
        let (to_dir, to_name) = self.place(to)?;
        let moved = match fs::renameat_with(&from_dir, &from_name, &to_dir, &to_name, RenameFlags::NOREPLACE) {
            // A file system that does not know the flag: one writer at a time makes the check before good enough.
            Err(Errno::INVAL) if !self.root.exists(to) => fs::renameat(&from_dir, &from_name, &to_dir, &to_name),
            other => other,
        };
        moved.map_err(|errno| self.failed("move into place", to, errno, 0))
    }

    /// Copies a directory's tree to a new directory with all that the kernel keeps of it; nothing is followed.
    pub fn copy_tree(&self, from: &HostPath, to: &HostPath) -> Result<(), WriteError> {
        let source = self.open_dir(from)?;
        self.make_dir(to, 0o700)?;
        copy::tree(source, self.open_dir(to)?).map_err(|errno| self.failed("copy a layer to", to, errno, 0))
    }

    /// Gives a directory, with all below it, the owners on disk that it has inside a user namespace.
    pub fn shift_tree(&self, path: &HostPath, shift: Shift) -> Result<(), WriteError> {
        let top = self.open_dir(path)?;
        shift::tree(top, shift)
            .map_err(|(name, errno)| self.failed("give a shifted owner to", &path.join(name.to_bytes()), errno, 0))
    }

    /// Gives one name another owner; a link itself.
    pub fn chown(&self, path: &HostPath, uid: u32, gid: u32) -> Result<(), WriteError> {
        let owner = (Some(fs::Uid::from_raw(uid)), Some(fs::Gid::from_raw(gid)));
        let done = self
            .dir(&path.parent())
            .and_then(|dir| fs::chownat(dir, path.name(), owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW));
        done.map_err(|errno| self.failed("set the owner of", path, errno, 0))
    }

    /// Removes one file or link; that there is none is no error.
    pub fn remove_file(&self, path: &HostPath) -> Result<(), WriteError> {
        let (dir, name) = match self.place(path) {
            Err(WriteError::At { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        match fs::unlinkat(&dir, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(WriteError::errno("remove", path, errno)),
        }
    }

    /// Removes a file or a whole tree, however deep; that there is none is no error. Nothing that is mounted in it is
    /// entered: that is refused.
    pub fn remove_tree(&self, path: &HostPath) -> Result<(), WriteError> {
        let (dir, name) = match self.place(path) {
            Err(WriteError::At { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        remove::tree(dir.as_fd(), &name).map_err(|errno| WriteError::errno("remove", path, errno))
    }

    /// Opens a directory below the root, for those who fill it by handle.
    pub fn open_dir(&self, path: &HostPath) -> Result<OwnedFd, WriteError> {
        self.dir(path).map_err(|errno| WriteError::errno("open the folder", path, errno))
    }

    /// Syncs one folder's names.
    pub fn sync_dir(&self, path: &HostPath) -> Result<(), WriteError> {
        let dir = self.open_dir(path)?;
        sync(dir.as_fd()).map_err(|source| WriteError::at("sync the folder", path, source))
    }

    /// Syncs these files, which are there. All are sent on their way before the first is waited for, so that a file system
    /// with a journal writes it once for all of them.
    pub fn sync_files(&self, paths: &[HostPath]) -> Result<(), WriteError> {
        let fail = |path: &HostPath, errno: Errno| self.failed("sync", path, errno, 0);
        let open = |path: &HostPath| {
            let (dir, name) = self.place(path)?;
            os::open_child(dir.as_fd(), &name, OFlags::RDONLY).map_err(|errno| fail(path, errno))
        };
        let files = paths.iter().map(open).collect::<Result<Vec<OwnedFd>, _>>()?;
        for file in &files {
            // What is dropped from the cache has to be written first; that it is dropped does no harm.
            let _ = fs::fadvise(file, 0, None, fs::Advice::DontNeed);
        }
        for (file, path) in files.iter().zip(paths) {
            fs::fsync(file).map_err(|errno| fail(path, errno))?;
        }
        Ok(())
    }

    /// Syncs the whole file system that the root is on: one call for a tree of many files.
    pub fn sync_all(&self) -> Result<(), WriteError> {
        fs::syncfs(&self.fd).map_err(|errno| self.failed("sync", &HostPath::default(), errno, 0))
    }

    /// What room the file system has.
    pub fn room(&self) -> Result<Room, WriteError> {
        room::of(self.fd.as_fd()).map_err(|errno| WriteError::errno("ask for the room in", &HostPath::default(), errno))
    }

    /// Refuses when the file system has not `bytes` and `inodes` to spare.
    pub fn need(&self, bytes: u64, inodes: u64) -> Result<(), WriteError> {
        let room = self.room()?;
        match room.lacks(bytes, inodes) {
            None => Ok(()),
            Some((needs, has)) => Err(WriteError::NoSpace { needs, has, place: self.path.clone() }),
        }
    }

    /// Takes the lock on a file of the root, which is made where it is missing and never removed. The kernel holds it
    /// until the [`Lock`] is dropped or the process ends, however it ends.
    pub fn lock(&self, path: &HostPath, wait: Wait) -> Result<Lock, WriteError> {
        let (dir, name) = self.place(path)?;
        lock::take(dir.as_fd(), &name, path, wait)
    }

    /// How long ago a file was last written or touched; `None` where it is not there, or that lies ahead.
    pub fn age(&self, path: &HostPath) -> Option<Duration> {
        let (dir, name) = self.place(path).ok()?;
        let stat = fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).ok()?);
        let then = UNIX_EPOCH + seconds + Duration::from_nanos(stat.st_mtime_nsec as u64);
        SystemTime::now().duration_since(then).ok()
    }

    /// Says that a file was touched now, where it is there and that may be said.
    pub fn touch(&self, path: &HostPath) {
        let now = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW };
        if let Ok((dir, name)) = self.place(path) {
            let times = Timestamps { last_access: now, last_modification: now };
            let _ = fs::utimensat(&dir, &name, &times, AtFlags::SYMLINK_NOFOLLOW);
        }
    }

    /// Takes the lock on a folder of the root, as on a file; refused where another process has it.
    pub fn lock_folder(&self, path: &HostPath) -> Result<Lock, WriteError> {
        lock::hold(self.open_dir(path)?, path)
    }

    /// The processes that hold a kernel lock on a file of the root, told without opening the file. Processes of other
    /// pid namespaces are not seen.
    pub fn holders(&self, path: &HostPath) -> Result<Vec<Holder>, ReadError> {
        Ok(lock::holders(self.root.stat(path)?.inode))
    }

    /// The folder of `path`, and its last component.
    fn place(&self, path: &HostPath) -> Result<(OwnedFd, CString), WriteError> {
        let name = path.name();
        if name.is_empty() || name == b"." || name == b".." {
            return Err(WriteError::errno("name", path, Errno::INVAL));
        }
        let name = CString::new(name).map_err(|_| WriteError::errno("name", path, Errno::INVAL))?;
        let dir = self.dir(&path.parent()).map_err(|errno| WriteError::errno("open the folder of", path, errno))?;
        Ok((dir, name))
    }

    fn dir(&self, path: &HostPath) -> Result<OwnedFd, Errno> {
        os::open(self.fd.as_fd(), path.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY, Links::Refused)
    }

    /// An error of writing below the root, for those who write by handle; where there was no room for so many bytes, one
    /// that says how much there is.
    pub fn failed(
        &self,
        doing: &'static str,
        path: &HostPath,
        error: impl Into<io::Error>,
        bytes: usize,
    ) -> WriteError {
        let source = error.into();
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            && let Ok(room) = self.room()
        {
            let (needs, has) = room.lacks(bytes as u64, 1).unwrap_or_else(|| room.short_of(bytes as u64));
            return WriteError::NoSpace { needs, has, place: self.path.clone() };
        }
        WriteError::at(doing, path, source)
    }
}

/// A new file under a name that no one has, with exactly this mode.
fn new_file(dir: BorrowedFd, mode: u32) -> Result<(CString, File), Errno> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let text = format!(".dockless-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(text).expect("digits hold no zero byte");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(dir, &name, flags, Mode::from_raw_mode(mode)) {
            // Left by a process of this number that was killed.
            Err(Errno::EXIST) => continue,
            Err(errno) => return Err(errno),
            Ok(fd) => {
                fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
                return Ok((name, File::from(fd)));
            }
        }
    }
}

fn fill(mut file: File, bytes: &[u8], synced: bool) -> io::Result<()> {
    file.write_all(bytes)?;
    if synced { file.sync_all() } else { Ok(()) }
}

/// Syncs a directory; a file system that cannot is not to blame for what it keeps anyway.
fn sync(dir: BorrowedFd) -> io::Result<()> {
    match fs::fsync(dir) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests;
