//! A sink that writes a tree into a folder: owners, modes, times, attributes, holes and hard links as they are.
//!
//! Everything is made by handle below the folder and nothing is followed, so that a tree from a hostile host stays in it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use model::{Content, Entry, EntryPath, Kind, Metadata, Sink, StreamError, Timestamp};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// Writes a tree into a folder.
pub struct Folder {
    top: OwnedFd,
    directories: Vec<(EntryPath, Timestamp)>,
    over: bool,
}

/// What could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} '{path}'")]
struct FolderError {
    doing: &'static str,
    path: EntryPath,
    source: std::io::Error,
}

impl Folder {
    /// A sink for the folder at `path`, which must be there.
    pub fn open(path: &Path) -> std::io::Result<Folder> {
        let top = fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Folder::of(top))
    }

    /// A sink for an open folder.
    pub fn of(top: OwnedFd) -> Folder {
        Folder { top, directories: Vec::new(), over: false }
    }

    /// Takes names that are there already: directories stay, everything else is replaced. A directory is never replaced by
    /// something else, nor the other way round.
    pub fn over(self) -> Folder {
        Folder { over: true, ..self }
    }

    /// Makes room for a name: [`Errno::ISDIR`] where a directory has it.
    fn replace(&self, above: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        match self.over.then(|| fs::unlinkat(above, name, AtFlags::empty())) {
            None | Some(Ok(()) | Err(Errno::NOENT)) => Ok(()),
            // What unlink says of a directory (unlink(2), Linux).
            Some(Err(Errno::PERM | Errno::ISDIR)) => Err(Errno::ISDIR),
            Some(Err(errno)) => Err(errno),
        }
    }

    fn directory(&self, path: &EntryPath) -> Result<OwnedFd, Errno> {
        let below: &[u8] = if path.is_root() { b"." } else { path.as_bytes() };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        fs::openat2(&self.top, below, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    fn make(&mut self, entry: &Entry, content: Option<&mut dyn Content>) -> Result<(), Errno> {
        let above = self.directory(&entry.path.parent().unwrap_or_default())?;
        let name = entry.path.name();
        if !matches!(entry.kind, Kind::Directory) {
            self.replace(&above, name)?;
        }
        match &entry.kind {
            Kind::Directory => {
                if !entry.path.is_root() {
                    match fs::mkdirat(&above, name, Mode::from_raw_mode(0o700)) {
                        Err(Errno::EXIST) if self.over => {}
                        other => other?,
                    }
                }
                let handle = self.directory(&entry.path)?;
                self.directories.push((entry.path.clone(), entry.meta.mtime));
                return dress(&handle, &entry.meta);
            }
            Kind::File { size } => return write(&above, name, *size, &entry.meta, content),
            Kind::HardLink { target } => {
                let from = self.directory(&target.parent().unwrap_or_default())?;
                return fs::linkat(&from, target.name(), &above, name, AtFlags::empty());
            }
            Kind::Symlink { target } => fs::symlinkat(&**target, &above, name)?,
            Kind::CharDevice { major, minor } => node(&above, name, FileType::CharacterDevice, *major, *minor)?,
            Kind::BlockDevice { major, minor } => node(&above, name, FileType::BlockDevice, *major, *minor)?,
            Kind::Fifo => node(&above, name, FileType::Fifo, 0, 0)?,
            Kind::Socket => node(&above, name, FileType::Socket, 0, 0)?,
        }
        let own = fs::openat(&above, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        dress_special(&own, entry)
    }
}

impl Sink for Folder {
    fn entry(&mut self, entry: &Entry, content: Option<&mut dyn Content>) -> Result<(), StreamError> {
        self.make(entry, content)
            .map_err(|errno| FolderError { doing: "make", path: entry.path.clone(), source: errno.into() }.into())
    }

    fn finish(&mut self) -> Result<(), StreamError> {
        // Whatever was made in a directory moved its time: deepest first, each is set once nothing more comes.
        while let Some((path, mtime)) = self.directories.pop() {
            let set = self.directory(&path).and_then(|handle| fs::futimens(&handle, &times(mtime)));
            set.map_err(|errno| FolderError { doing: "set the time of", path, source: errno.into() })?;
        }
        Ok(())
    }
}

fn write(
    above: &OwnedFd,
    name: &[u8],
    size: u64,
    meta: &Metadata,
    content: Option<&mut dyn Content>,
) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(above, name, flags, Mode::from_raw_mode(0o600))?;
    fs::ftruncate(&file, size)?;
    if let Some(content) = content {
        let extents = content.extents().to_vec();
        let mut buffer = vec![0u8; 128 * 1024];
        for extent in extents {
            let mut at = extent.offset;
            let end = extent.offset + extent.size;
            while at < end {
                let most = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
                let n = content
                    .read(&mut buffer[..most])
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
                if n == 0 {
                    return Err(Errno::IO);
                }
                let mut done = 0;
                while done < n {
                    done += rustix::io::pwrite(&file, &buffer[done..n], at + done as u64)?;
                }
                at += n as u64;
            }
        }
    }
    dress(&file, meta)?;
    fs::futimens(&file, &times(meta.mtime))
}

/// Owner, attributes and mode of an open file or directory; the mode last, since a new owner takes setuid away, and a
/// capability before it would go with the owner too.
fn dress(handle: &OwnedFd, meta: &Metadata) -> Result<(), Errno> {
    fs::fchown(handle, Some(owner(meta.uid)?), Some(group(meta.gid)?))?;
    fs::fchmod(handle, Mode::from_raw_mode(meta.mode))?;
    for (key, value) in &meta.xattrs {
        fs::fsetxattr(handle, &**key, value, XattrFlags::empty())?;
    }
    Ok(())
}

/// The same for what cannot be opened: through the path of a handle on it.
fn dress_special(handle: &OwnedFd, entry: &Entry) -> Result<(), Errno> {
    let meta = &entry.meta;
    fs::chownat(handle, "", Some(owner(meta.uid)?), Some(group(meta.gid)?), AtFlags::EMPTY_PATH)?;
    let path = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
    if !matches!(entry.kind, Kind::Symlink { .. }) {
        fs::chmod(&path, Mode::from_raw_mode(meta.mode))?;
    }
    for (key, value) in &meta.xattrs {
        fs::setxattr(&path, &**key, value, XattrFlags::empty())?;
    }
    fs::utimensat(handle, "", &times(meta.mtime), AtFlags::EMPTY_PATH)
}

fn node(above: &OwnedFd, name: &[u8], kind: FileType, major: u32, minor: u32) -> Result<(), Errno> {
    fs::mknodat(above, name, kind, Mode::from_raw_mode(0o600), fs::makedev(major, minor))
}

fn owner(id: u64) -> Result<Uid, Errno> {
    u32::try_from(id).map(Uid::from_raw).map_err(|_| Errno::OVERFLOW)
}

fn group(id: u64) -> Result<Gid, Errno> {
    u32::try_from(id).map(Gid::from_raw).map_err(|_| Errno::OVERFLOW)
}

fn times(mtime: Timestamp) -> Timestamps {
    let at = Timespec { tv_sec: mtime.seconds, tv_nsec: i64::from(mtime.nanos) };
    Timestamps { last_access: at, last_modification: at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostfs::{Root, Stat};
    use model::{Extent, HostPath, Xattrs};
    use std::io::Read;

    struct Holed {
        data: std::io::Cursor<Vec<u8>>,
        extents: Vec<Extent>,
    }

    impl Read for Holed {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.data.read(buffer)
        }
    }

    impl Content for Holed {
        fn extents(&self) -> &[Extent] {
            &self.extents
        }
    }

    fn entry(path: &str, kind: Kind, mode: u32, seconds: i64) -> Entry {
        let xattrs = Xattrs::from([(b"user.k".as_slice().into(), b"v\0w".as_slice().into())]);
        let has_xattrs = matches!(kind, Kind::File { .. } | Kind::Directory);
        let xattrs = if has_xattrs { xattrs } else { Xattrs::new() };
        let mtime = Timestamp { seconds, nanos: 123_456_789 };
        let path = EntryPath::parse(path.as_bytes()).unwrap();
        Entry { path, kind, meta: Metadata { mode, uid: 1234, gid: 70_000, mtime, xattrs } }
    }

    fn is_root() -> bool {
        let is_root = rustix::process::geteuid().is_root();
        assert!(is_root || std::env::var_os("CI").is_none(), "owners and devices are made by root only: run as root");
        is_root
    }

    #[test]
    fn a_tree_has_everything_that_was_told_of_it() {
        if !is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let size = 9 << 20;
        let target = || EntryPath::parse(b"d/holes").unwrap();
        let entries = [
            entry("", Kind::Directory, 0o755, 10),
            entry("d", Kind::Directory, 0o1750, 11),
            entry("d/holes", Kind::File { size }, 0o4755, 12),
            entry("link", Kind::Symlink { target: b"/no/where".as_slice().into() }, 0o777, 13),
            entry("name", Kind::HardLink { target: target() }, 0o4755, 12),
            entry("null", Kind::CharDevice { major: 1, minor: 3 }, 0o666, 14),
            entry("pipe", Kind::Fifo, 0o620, 15),
            entry("ram", Kind::BlockDevice { major: 1, minor: 0 }, 0o660, 16),
        ];
        let mut folder = Folder::open(dir.path()).unwrap();
        for entry in &entries {
            let extents = vec![Extent { offset: 4 << 20, size: 4096 }];
            let mut holed = Holed { data: std::io::Cursor::new(vec![7; 4096]), extents };
            let content = matches!(entry.kind, Kind::File { .. }).then_some(&mut holed as &mut dyn Content);
            folder.entry(entry, content).unwrap();
        }
        folder.finish().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for entry in &entries {
            check(&root, entry);
        }
        let stat = |path: &str| -> Stat { root.stat(&HostPath::from(path)).unwrap() };
        assert_eq!(stat("d/holes").inode, stat("name").inode);
        let mut content = vec![0; size as usize];
        content[4 << 20..][..4096].fill(7);
        assert!(std::fs::read(dir.path().join("name")).unwrap() == content);
        assert!(stat("name").allocated < 1 << 20, "holes stay holes");
        assert_eq!(std::fs::read_link(dir.path().join("link")).unwrap(), Path::new("/no/where"));
    }

    fn check(root: &Root, entry: &Entry) {
        let path = HostPath::new(entry.path.as_bytes());
        let stat = root.stat(&path).unwrap();
        assert_eq!((stat.uid, stat.gid, stat.mtime), (1234, 70_000, entry.meta.mtime), "{}", entry.path);
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            assert_eq!(stat.mode, entry.meta.mode, "{}", entry.path);
        }
        if entry.kind == Kind::Directory {
            assert_eq!(root.open_dir(&path).unwrap().xattrs_self().unwrap(), entry.meta.xattrs);
        }
        if matches!(entry.kind, Kind::File { .. }) {
            assert_eq!(root.open_file(&path).unwrap().xattrs().unwrap(), entry.meta.xattrs);
        }
        match (entry.kind.clone(), stat.kind) {
            (Kind::CharDevice { .. }, hostfs::FileKind::CharDevice(major, minor)) => assert_eq!((major, minor), (1, 3)),
            (Kind::BlockDevice { .. }, hostfs::FileKind::BlockDevice(major, minor)) => {
                assert_eq!((major, minor), (1, 0))
            }
            (Kind::CharDevice { .. } | Kind::BlockDevice { .. }, other) => panic!("{} is {other:?}", entry.path),
            _ => {}
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        let error = folder.entry(&entry("out/a", Kind::File { size: 0 }, 0o644, 1), None).unwrap_err();
        assert_eq!(error.to_string(), "cannot make 'out/a'");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
