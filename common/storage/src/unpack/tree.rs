//! The folder that a layer is unpacked into: every name is reached by handle from its top, component by component, and
//! no symbolic link is followed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use model::{EntryPath, Metadata, Timestamp};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::error::{Doing, Trouble};
use super::own::Own;

/// Levels whose handles are kept open between entries. Deeper ones are opened anew for each entry.
const KEPT: usize = 100;

const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// Mode of a folder that no entry speaks of.
const IMPLIED: u32 = 0o755;

pub(super) struct Tree {
    /// The folder's top, then the folders on the way to the last entry.
    levels: Vec<Level>,
    umask: u32,
    owner: (u32, u32),
    /// Whose everything becomes, where the caller says so.
    given: Option<(u32, u32)>,
    is_root: bool,
    /// Whether this process is in the first user namespace: elsewhere some ids mean nobody, and no device can be made.
    pub(super) is_first: bool,
    /// Whether a folder may have a default access control list, which new files in it would inherit.
    has_default_acls: bool,
    /// With a tree below in the same folder: what came with this layer.
    pub(super) own: Option<Own>,
    /// What could not be kept, in words, by entry.
    pub(super) lost: Lost,
}

/// What could not be kept on disk; the tar-split has it.
#[derive(Default)]
pub(super) struct Lost {
    pub(super) told: Vec<(Box<[u8]>, String)>,
    pub(super) more: u64,
}

/// How many losses are told one by one.
const MAX_TOLD: usize = 100;

impl Lost {
    pub(super) fn add(&mut self, entry: &EntryPath, why: impl Into<String>) {
        if self.told.len() < MAX_TOLD {
            self.told.push((entry.as_bytes().into(), why.into()));
        } else {
            self.more += 1;
        }
    }
}

/// An open folder, and what has to be put back when it is left.
struct Level {
    name: Box<[u8]>,
    fd: OwnedFd,
    stat: Stat,
    is_touched: bool,
    /// The mode to restore where it had to be opened up.
    mode: Option<u32>,
    default_acl: Option<Vec<u8>>,
}

impl Tree {
    pub(super) fn open(top: OwnedFd, has_base: bool, given: Option<(u32, u32)>) -> Result<Tree, Trouble> {
        let stat = fs::fstat(&top).doing("look at the folder of")?;
        let is_root = rustix::process::geteuid().is_root();
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let level = Level { name: Box::default(), fd: top, stat, is_touched: false, mode: None, default_acl: None };
        let mut tree = Tree {
            levels: vec![level],
            umask: umask(),
            owner,
            given,
            is_root,
            is_first: hostfs::process::is_first_namespace(),
            has_default_acls: has_base,
            own: has_base.then(Own::default),
            lost: Lost::default(),
        };
        tree.levels[0].default_acl = tree.take_default_acl(tree.levels[0].fd.as_fd());
        Ok(tree)
    }

    /// What overlay's own attributes begin with, as whoever mounts this reads them: `trusted.*` is kept for the first user
    /// namespace (Linux Documentation/filesystems/overlayfs.rst, userxattr).
    pub(super) fn marks(&self) -> &'static [u8] {
        if self.is_root && self.is_first { b"trusted.overlay." } else { b"user.overlay." }
    }

    pub(super) fn is_root(&self) -> bool {
        self.is_root
    }

    /// Makes the folder that holds `path` the deepest open one; missing ones are made. Gives back the last component.
    pub(super) fn enter_parent<'p>(&mut self, path: &'p EntryPath) -> Result<&'p [u8], Trouble> {
        let mut components: Vec<&[u8]> = path.components().collect();
        let name = components.pop().unwrap_or(b"");
        self.enter(&components, true)?;
        Ok(name)
    }

    /// The same, but nothing is made: false where the folder is not there.
    pub(super) fn find_parent<'p>(&mut self, path: &'p EntryPath) -> Result<Option<&'p [u8]>, Trouble> {
        let mut components: Vec<&[u8]> = path.components().collect();
        let name = components.pop().unwrap_or(b"");
        Ok(self.enter(&components, false)?.then_some(name))
    }

    /// Makes the folder `path` itself the deepest open one.
    pub(super) fn enter_dir(&mut self, path: &EntryPath, make: bool) -> Result<bool, Trouble> {
        let components: Vec<&[u8]> = path.components().collect();
        self.enter(&components, make)
    }

    fn enter(&mut self, components: &[&[u8]], make: bool) -> Result<bool, Trouble> {
        let same = self.levels[1..].iter().zip(components).take_while(|(level, name)| *level.name == ***name).count();
        self.leave_to(same + 1)?;
        for name in &components[same..] {
            if self.levels.len() > KEPT {
                self.drop_middle()?;
            }
            if !self.descend(name, make)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Handles are few: of a very deep path only the top levels and the deepest are kept. The next entry walks again.
    fn drop_middle(&mut self) -> Result<(), Trouble> {
        let at = self.levels.len() - 1;
        if self.levels.len() > KEPT + 1 {
            let level = self.levels.remove(at - 1);
            level.restore()?;
            // The name of a level stands for the way to it; one that lost its parent must never be taken for another.
            self.levels[at - 1].name = Box::from(&b"/"[..]);
        }
        Ok(())
    }

    fn descend(&mut self, name: &[u8], make: bool) -> Result<bool, Trouble> {
        let parent = self.levels.last().expect("the top is never left").fd.as_fd();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut mode = None;
        let mut opened = fs::openat(parent, name, flags, Mode::empty());
        if opened.as_ref().is_err_and(|&errno| errno == Errno::NOENT) {
            if !make {
                return Ok(false);
            }
            fs::mkdirat(parent, name, Mode::from_raw_mode(IMPLIED)).doing("make the folder of")?;
            self.touch();
            opened = fs::openat(self.here(), name, flags, Mode::empty());
        }
        if opened.as_ref().is_err_and(|&errno| errno == Errno::ACCESS) {
            mode = Some(self.open_up(name)?);
            opened = fs::openat(self.here(), name, flags, Mode::empty());
        }
        let fd = match opened {
            Err(Errno::NOTDIR | Errno::LOOP) => self.through_base(name)?,
            opened => opened.doing("open the folder of")?,
        };
        let stat = fs::fstat(&fd).doing("look at the folder of")?;
        let default_acl = self.take_default_acl(fd.as_fd());
        self.levels.push(Level { name: name.into(), fd, stat, is_touched: false, mode, default_acl });
        if !self.is_root && self.levels.last().is_some_and(|level| level.stat.st_mode & 0o300 != 0o300) {
            self.open_up_here()?;
        }
        Ok(true)
    }

    /// What stands in the way of a path is no folder. A symbolic link of the tree below may lead to one inside of it,
    /// as dockerd's chroot has it; a link of this very layer never does.
    fn through_base(&self, name: &[u8]) -> Result<OwnedFd, Trouble> {
        let stat = fs::statat(self.here(), name, AtFlags::SYMLINK_NOFOLLOW).doing("look at the folder of")?;
        let shown = model::path::shown(name).into_owned();
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Err(Trouble::Refused(format!("'{shown}' on its path is no folder")));
        }
        let mut path: Vec<u8> = self.levels[1..].iter().flat_map(|level| [&level.name, &b"/"[..]].concat()).collect();
        path.extend_from_slice(name);
        if self.own.as_ref().is_none_or(|own| own.is_link(&path)) {
            return Err(Trouble::Refused(format!("'{shown}' on its path is a symbolic link")));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = fs::ResolveFlags::IN_ROOT | fs::ResolveFlags::NO_MAGICLINKS;
        fs::openat2(&self.levels[0].fd, &path[..], flags, Mode::empty(), resolve).doing("open the folder of")
    }

    /// Lets an ordinary user into a folder of his that he may not enter; gives its mode.
    fn open_up(&self, name: &[u8]) -> Result<u32, Trouble> {
        let stat = fs::statat(self.here(), name, AtFlags::SYMLINK_NOFOLLOW).doing("look at the folder of")?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            fs::chmodat(self.here(), name, Mode::from_raw_mode(0o700), AtFlags::empty()).doing("open the folder of")?;
        }
        Ok(stat.st_mode & 0o7777)
    }

    fn open_up_here(&mut self) -> Result<(), Trouble> {
        let level = self.levels.last_mut().expect("the top is never left");
        let mode = level.stat.st_mode & 0o7777;
        fs::fchmod(&level.fd, Mode::from_raw_mode(mode | 0o700)).doing("open the folder of")?;
        level.mode.get_or_insert(mode);
        Ok(())
    }

    fn take_default_acl(&self, fd: BorrowedFd) -> Option<Vec<u8>> {
        if !self.has_default_acls {
            return None;
        }
        let mut value = vec![0; 64 << 10];
        let size = fs::fgetxattr(fd, DEFAULT_ACL, &mut value[..]).ok()?;
        value.truncate(size);
        fs::fremovexattr(fd, DEFAULT_ACL).ok()?;
        Some(value)
    }

    fn leave_to(&mut self, depth: usize) -> Result<(), Trouble> {
        while self.levels.len() > depth {
            self.levels.pop().map_or(Ok(()), |level| level.restore())?;
        }
        Ok(())
    }

    /// Leaves all folders, so that their times stand as they should; the top is left as it is.
    pub(super) fn leave(&mut self) -> Result<(), Trouble> {
        self.leave_to(1)
    }

    /// Leaves the top too.
    pub(super) fn finish(mut self) -> Result<Lost, Trouble> {
        self.leave_to(0)?;
        Ok(self.lost)
    }

    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.levels[0].fd.as_fd()
    }

    /// The deepest open folder.
    pub(super) fn here(&self) -> BorrowedFd<'_> {
        self.levels.last().expect("the top is never left").fd.as_fd()
    }

    /// Says that names in the deepest open folder change, and so its time.
    pub(super) fn touch(&mut self) {
        self.levels.last_mut().expect("the top is never left").is_touched = true;
    }

    /// What stands under a name of the deepest open folder.
    pub(super) fn stat(&self, name: &[u8]) -> Result<Option<Stat>, Trouble> {
        match fs::statat(self.here(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno).doing("look at"),
        }
    }

    fn is_setgid_here(&self) -> bool {
        self.levels.last().is_some_and(|level| level.stat.st_mode & 0o2000 != 0)
    }

    /// Gives a new file or folder, open as `fd`, its attributes; `made` is the mode that it was made with.
    pub(super) fn dress_fd(
        &mut self,
        path: &EntryPath,
        fd: BorrowedFd,
        meta: &Metadata,
        made: Option<u32>,
    ) -> Result<(), Trouble> {
        let owner = self.owner_of(path, meta);
        let inherits = self.is_setgid_here();
        let chowned = match owner {
            Some((uid, gid)) if made.is_none() || inherits || (uid, gid) != self.owner => {
                match fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
                    Err(Errno::INVAL) if !self.is_first => self.lose_owner(path, (uid, gid)),
                    done => done.doing("set the owner of")?,
                }
                true
            }
            _ => false,
        };
        // Owners first: a change of owner clears the setuid bit and the capability.
        let exact = made == Some(meta.mode)
            && meta.mode & self.umask == 0
            && (!chowned || meta.mode & 0o6000 == 0)
            && !inherits;
        if !exact {
            fs::fchmod(fd, Mode::from_raw_mode(meta.mode)).doing("set the mode of")?;
        }
        for (name, value) in &meta.xattrs {
            if **name == *DEFAULT_ACL {
                self.has_default_acls = true;
            }
            if let Err(errno) = fs::fsetxattr(fd, &**name, value, XattrFlags::empty()) {
                self.lose_xattr(path, name, errno)?;
            }
        }
        fs::futimens(fd, &times(meta.mtime)).doing("set the time of")
    }

    /// Gives a new link, device or pipe of the deepest open folder its attributes.
    pub(super) fn dress_name(
        &mut self,
        path: &EntryPath,
        name: &[u8],
        meta: &Metadata,
        has_mode: bool,
    ) -> Result<(), Trouble> {
        if let Some(owner) = self.owner_of(path, meta).filter(|owner| self.is_setgid_here() || *owner != self.owner) {
            let (uid, gid) = owner;
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            match fs::chownat(self.here(), name, uid, gid, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::INVAL) if !self.is_first => self.lose_owner(path, owner),
                done => done.doing("set the owner of")?,
            }
        }
        if has_mode {
            fs::chmodat(self.here(), name, Mode::from_raw_mode(meta.mode), AtFlags::empty())
                .doing("set the mode of")?;
        }
        for (xattr, value) in &meta.xattrs {
            // Only by path can a link's own be set; the folder is named by its handle, so nothing can be swapped.
            let own = [format!("/proc/self/fd/{}/", self.here().as_raw_fd()).as_bytes(), name].concat();
            if let Err(errno) = fs::lsetxattr(&own[..], &**xattr, value, XattrFlags::empty()) {
                self.lose_xattr(path, xattr, errno)?;
            }
        }
        fs::utimensat(self.here(), name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW).doing("set the time of")
    }

    /// The owner to set; `None` where it cannot be: told once, since for an ordinary user it is so everywhere.
    fn owner_of(&mut self, path: &EntryPath, meta: &Metadata) -> Option<(u32, u32)> {
        let id = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        let owner = self.given.or(id(meta.uid).zip(id(meta.gid)));
        match owner {
            None => {
                self.lost.add(path, format!("owner {}:{} is beyond what a file system can keep", meta.uid, meta.gid));
                Some((65534, 65534)).filter(|_| self.is_root)
            }
            Some(owner) if self.is_root || owner == self.owner => Some(owner),
            Some(_) => {
                if !self.lost.told.iter().any(|(_, why)| why.starts_with("owners")) {
                    self.lost.add(path, "owners cannot be set by an ordinary user, here and in all that follows");
                }
                None
            }
        }
    }

    fn lose_owner(&mut self, path: &EntryPath, (uid, gid): (u32, u32)) {
        self.lost.add(path, format!("owner {uid}:{gid} means nobody in this user namespace"));
    }

    fn lose_xattr(&mut self, path: &EntryPath, name: &[u8], errno: Errno) -> Result<(), Trouble> {
        match errno {
            Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL | Errno::ACCESS | Errno::TOOBIG | Errno::RANGE => {
                self.lost.add(
                    path,
                    format!("xattr '{}' cannot be kept: {}", model::path::shown(name), io::Error::from(errno)),
                );
                Ok(())
            }
            errno => Err(errno).doing("set an xattr of"),
        }
    }
}

impl Level {
    /// Puts back what working in the folder has changed.
    fn restore(&self) -> Result<(), Trouble> {
        if let Some(acl) = &self.default_acl {
            fs::fsetxattr(&self.fd, DEFAULT_ACL, acl, XattrFlags::empty()).doing("set an xattr of the folder of")?;
        }
        if let Some(mode) = self.mode {
            fs::fchmod(&self.fd, Mode::from_raw_mode(mode)).doing("set the mode of the folder of")?;
        }
        if self.is_touched {
            let time = Timespec { tv_sec: self.stat.st_mtime, tv_nsec: self.stat.st_mtime_nsec as _ };
            fs::futimens(&self.fd, &Timestamps { last_access: time, last_modification: time })
                .doing("set the time of the folder of")?;
        }
        Ok(())
    }
}

impl Tree {
    /// Reads again what the deepest open folder has, after an entry has changed it.
    pub(super) fn refresh_here(&mut self) -> Result<(), Trouble> {
        let acl = self.take_default_acl(self.here());
        let stat = fs::fstat(self.here()).doing("look at")?;
        let level = self.levels.last_mut().expect("the top is never left");
        level.stat = stat;
        level.mode = None;
        level.is_touched = true;
        if acl.is_some() {
            level.default_acl = acl;
        }
        Ok(())
    }
}

fn times(mtime: Timestamp) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanos as _ };
    Timestamps { last_access: time, last_modification: time }
}

/// The process's umask, told by the kernel without changing it; all bits where it does not tell.
fn umask() -> u32 {
    let Ok(status) = rustix::fs::open("/proc/thread-self/status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    else {
        return 0o777;
    };
    let mut text = [0; 4096];
    let count = rustix::io::read(&status, &mut text).unwrap_or(0);
    let text = String::from_utf8_lossy(&text[..count]);
    let octal = text.lines().find_map(|line| line.strip_prefix("Umask:")).map(str::trim);
    octal.and_then(|octal| u32::from_str_radix(octal, 8).ok()).unwrap_or(0o777)
}
