//! What is mounted inside, by handle, after the root is in place.
//!
//! Sources on the host are opened before the root changes and mounted after it, so no path of the host is ever joined
//! with one of the image. `/proc`, `/sys` and `/dev` must be directories of their own, not links.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{self, FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use super::devices::{self, Devices};
use super::root::{self, READ_ONLY};
use super::{Refusal, Step};
use crate::spec::{Mount, MountSource, Propagation, Spec};
use crate::{init, sys};

/// What mounts of the kernel's own files have.
const PLAIN: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// A mount source taken from the host: its detached tree and whether it is a directory.
pub struct Opened {
    tree: OwnedFd,
    is_dir: bool,
}

/// Takes the host's part of every bind mount, before the host's files are gone. In their order.
/// `scratch` has our init where it is wanted.
pub fn open_sources(mounts: &[Mount], scratch: &Path) -> Result<Vec<Option<Opened>>, Refusal> {
    let mut all = Vec::new();
    for mount in mounts {
        let opened = match &mount.source {
            MountSource::Bind { path } => {
                refuse_lonely(path, mount)?;
                Some(open_bind(path)?)
            }
            MountSource::BindAlone { path } => {
                refuse_lonely(path, mount)?;
                Some(open_tree(path, OpenTreeFlags::empty())?)
            }
            MountSource::BindOverlay { path } => Some(open_covered(path)?),
            MountSource::Inside { namespace, path } => Some(open_inside(namespace, path)?),
            MountSource::Init => Some(open_bind(&scratch.join(init::NAME))?),
            _ => None,
        };
        if let Some(opened) = &opened {
            spread(opened, mount.propagation)
                .step(&format!("cannot set how '{}' spreads", mount.destination.display()))?;
        }
        all.push(opened);
    }
    Ok(all)
}

/// Makes the views of this process's own namespaces, at their places among the sources. In a user namespace the kernel makes one only where the host's is still to be seen
/// whole (Linux fs/namespace.c mount_too_revealing), so it is made here.
pub fn open_views(mounts: &[Mount], sources: &mut [Option<Opened>]) -> Result<(), Refusal> {
    for (mount, source) in mounts.iter().zip(sources) {
        let kind = match mount.source {
            MountSource::Proc => "proc",
            MountSource::Sysfs => "sysfs",
            _ => continue,
        };
        let step = format!("cannot mount on '{}'", mount.destination.display());
        *source = Some(Opened { tree: new_mount(kind, &[], PLAIN).step(&step)?, is_dir: true });
    }
    Ok(())
}

fn open_bind(path: &Path) -> Result<Opened, Refusal> {
    open_tree(path, OpenTreeFlags::AT_RECURSIVE)
}

fn open_tree(path: &Path, how: OpenTreeFlags) -> Result<Opened, Refusal> {
    let step = format!("cannot take '{}' of the host", path.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | how;
    let tree = mount::open_tree(fs::CWD, path, flags).step(&step)?;
    let is_dir = is_directory(tree.as_fd()).step(&step)?;
    Ok(Opened { tree, is_dir })
}

/// Takes a path of another mount namespace: goes there for a moment.
fn open_inside(namespace: &Path, path: &Path) -> Result<Opened, Refusal> {
    let step = format!("cannot take '{}' of '{}'", path.display(), namespace.display());
    let handle = |path: &Path| fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let (own, theirs) = (handle(Path::new("/proc/self/ns/mnt")).step(&step)?, handle(namespace).step(&step)?);
    sys::setns(theirs.as_fd(), libc::CLONE_NEWNS).step(&step)?;
    let opened = open_bind(path);
    sys::setns(own.as_fd(), libc::CLONE_NEWNS).step(&step)?;
    opened
}

/// What the host has mounted for itself alone cannot spread (moby v20.10.24 daemon/oci_linux.go ensureShared, ensureSharedOrSlave).
fn refuse_lonely(path: &Path, mount: &Mount) -> Result<(), Refusal> {
    let (groups, what): (&[&str], _) = match mount.propagation {
        Propagation::Private => return Ok(()),
        Propagation::Slave => (&["shared:", "master:"], "a shared or slave mount"),
        Propagation::Shared => (&["shared:"], "a shared mount"),
    };
    let step = format!("cannot let '{}' spread", mount.destination.display());
    let place = fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).step(&step)?;
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).step(&step);
    let about = read(&format!("fdinfo/{}", place.as_raw_fd()))?;
    let own = about.lines().find_map(|line| line.strip_prefix("mnt_id:")).unwrap_or_default().trim();
    let all = read("mountinfo")?;
    let fields = all.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[0] == own);
    let fields = fields.unwrap_or_default();
    // Between the options, which are the sixth, and a dash.
    let mut own_groups = fields.iter().skip(6).take_while(|field| **field != "-");
    if own_groups.any(|field| groups.iter().any(|group| field.starts_with(group))) {
        return Ok(());
    }
    let point = fields.get(4).copied().unwrap_or_default();
    Err(Refusal::setup(step, format!("path {} is mounted on {point} but it is not {what}", path.display())))
}

/// Whether mounts below it are seen on the other side. A shared one stays in the host's own group.
fn spread(opened: &Opened, how: Propagation) -> std::io::Result<()> {
    let kind = match how {
        Propagation::Private => libc::MS_PRIVATE,
        Propagation::Slave => libc::MS_SLAVE,
        Propagation::Shared => return Ok(()),
    };
    sys::mount_propagation(opened.tree.as_fd(), kind)
}

/// A directory of the host under a layer in memory; a file is copied into memory by the caller beforehand, if at all.
fn open_covered(path: &Path) -> Result<Opened, Refusal> {
    let step = format!("cannot cover '{}' of the host", path.display());
    let source = fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).step(&step)?;
    if !is_directory(source.as_fd()).step(&step)? {
        let opened = open_bind(path)?;
        sys::mount_setattr(opened.tree.as_fd(), READ_ONLY, true).step(&step)?;
        return Ok(opened);
    }
    let memory = new_mount("tmpfs", &[("mode", "0755")], MountAttrFlags::empty()).step(&step)?;
    for name in ["diff", "work"] {
        fs::mkdirat(&memory, name, Mode::from_raw_mode(0o755)).step(&step)?;
    }
    let handle = |dir: BorrowedFd, name: &str| fs::openat(dir, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let upper = handle(memory.as_fd(), "diff").step(&step)?;
    let work = handle(memory.as_fd(), "work").step(&step)?;
    let by_handle = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let options = [("lowerdir+", by_handle(&source)), ("upperdir", by_handle(&upper)), ("workdir", by_handle(&work))];
    let options: Vec<(&str, &str)> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let fs = set_up("overlay", &options).step(&step)?;
    root::own_marks(fs.as_fd()).step(&step)?;
    let tree = made(&fs, MountAttrFlags::empty()).step(&step)?;
    Ok(Opened { tree, is_dir: true })
}

/// Mounts everything but what needs the cgroup, and makes `/dev`. Returns a handle on a null device that is surely ours.
pub fn mount_all(spec: &Spec, sources: Vec<Option<Opened>>, devices: Devices) -> Result<OwnedFd, Refusal> {
    devices::make(spec, devices)?;
    let null = fs::open("/dev/null", OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).step("cannot open '/dev/null'")?;
    mount_sources(&spec.mounts, sources)?;
    Ok(null)
}

/// Mounts what was opened.
pub fn mount_sources(mounts: &[Mount], sources: Vec<Option<Opened>>) -> Result<(), Refusal> {
    for (mount, source) in mounts.iter().zip(sources) {
        let at = mount.destination.as_path();
        let step = format!("cannot mount on '{}'", at.display());
        if !matches!(mount.source, MountSource::Cgroup) {
            mount_one(mount, source).map_err(|errno| Refusal::setup(&step, super::in_words(&errno.into())))?;
        }
    }
    Ok(())
}

fn mount_one(mount: &Mount, source: Option<Opened>) -> Result<(), Errno> {
    let (tree, is_dir) = match (&mount.source, source) {
        (_, Some(opened)) => (opened.tree, opened.is_dir),
        (MountSource::Mqueue, _) => (new_mount("mqueue", &[], PLAIN)?, true),
        (MountSource::Devpts, _) => {
            let mut options = vec![("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
            if has_tty_group() {
                options.push(("gid", "5"));
            }
            (
                new_mount("devpts", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC)?,
                true,
            )
        }
        (MountSource::Tmpfs { size, mode, options }, _) => {
            let mode = mode.or_else(|| mode_of(&mount.destination)).unwrap_or(0o1777);
            (tmpfs(*size, mode, options)?, true)
        }
        (MountSource::Cgroup, _) => (new_mount("cgroup2", &[], PLAIN)?, true),
        (
            MountSource::Bind { .. }
            | MountSource::BindAlone { .. }
            | MountSource::BindOverlay { .. }
            | MountSource::Inside { .. }
            | MountSource::Init
            | MountSource::Proc
            | MountSource::Sysfs,
            None,
        ) => return Err(Errno::NOENT),
    };
    if mount.read_only {
        sys::mount_setattr(tree.as_fd(), READ_ONLY, true)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    }
    let own = matches!(mount.source, MountSource::Proc | MountSource::Sysfs);
    let target = if own { own_directory(&mount.destination)? } else { target(&mount.destination, is_dir)? };
    attach(&tree, &target)
}

/// Whether the group of terminals, 5 in every image, is one of this user namespace's.
fn has_tty_group() -> bool {
    let groups = userns::ids::groups();
    groups.is_empty() || userns::ids::holds(&groups, 5)
}

/// The mode of a directory of the image that memory is to cover (runc v1.1.5 libcontainer/rootfs_linux.go); `None` where
/// there is none yet.
fn mode_of(path: &Path) -> Option<u32> {
    let stat = fs::statat(inside(path.as_os_str().as_bytes()).ok()?, "", AtFlags::EMPTY_PATH).ok()?;
    let is_dir = fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Directory;
    is_dir.then_some(stat.st_mode & 0o7777)
}

pub(super) fn tmpfs(size: Option<u64>, mode: u32, options: &[String]) -> Result<OwnedFd, Errno> {
    let size = size.map(|bytes| bytes.to_string()).unwrap_or_default();
    let mode = format!("{mode:o}");
    let mut set = vec![("mode", mode.as_str())];
    if !size.is_empty() {
        set.push(("size", &size));
    }
    let mut attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    for option in options {
        match option.as_str() {
            "exec" => attributes.remove(MountAttrFlags::MOUNT_ATTR_NOEXEC),
            "suid" => attributes.remove(MountAttrFlags::MOUNT_ATTR_NOSUID),
            "dev" => attributes.remove(MountAttrFlags::MOUNT_ATTR_NODEV),
            "ro" => attributes.insert(MountAttrFlags::MOUNT_ATTR_RDONLY),
            "rw" | "nosuid" | "nodev" | "noexec" => {}
            "noatime" => attributes.insert(MountAttrFlags::MOUNT_ATTR_NOATIME),
            "nodiratime" => attributes.insert(MountAttrFlags::MOUNT_ATTR_NODIRATIME),
            "strictatime" => attributes.insert(MountAttrFlags::MOUNT_ATTR_STRICTATIME),
            // What memory is anyway, or has no use for: nothing is mounted below it, nothing is written back.
            "defaults" | "relatime" | "atime" | "diratime" | "norelatime" | "nostrictatime" | "async" | "sync"
            | "dirsync" | "mand" | "nomand" | "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared"
            | "unbindable" | "runbindable" | "bind" | "rbind" | "remount" => {}
            other => set.push(other.split_once('=').unwrap_or((other, ""))),
        }
    }
    new_mount("tmpfs", &set, attributes)
}

fn new_mount(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    made(&set_up(kind, options)?, attributes)
}

fn made(fs: &OwnedFd, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    mount::fsconfig_create(fs.as_fd())?;
    mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn set_up(kind: &str, options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    let fs = mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    mount::fsconfig_set_string(fs.as_fd(), "source", kind)?;
    for (key, value) in options {
        if value.is_empty() {
            mount::fsconfig_set_flag(fs.as_fd(), *key)?
        } else {
            mount::fsconfig_set_string(fs.as_fd(), *key, *value)?
        }
    }
    Ok(fs)
}

pub(super) fn attach(tree: &OwnedFd, target: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    mount::move_mount(tree.as_fd(), "", target.as_fd(), "", flags)
}

/// A directory at the top of the root that must be a directory, not a link to one; made where missing.
pub(super) fn own_directory(path: &Path) -> Result<OwnedFd, Errno> {
    match fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    fs::openat2(
        fs::CWD,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )
}

/// What a mount goes onto: a directory or a file, made with all above it where missing. Links of the image are
/// followed inside the image, which is all there is.
pub(super) fn target(path: &Path, is_dir: bool) -> Result<OwnedFd, Errno> {
    let mut at = inside(c"/".to_bytes())?;
    let parts: Vec<&OsStr> = path.iter().filter(|part| *part != OsStr::new("/")).collect();
    let Some((last, above)) = parts.split_last() else { return Err(Errno::INVAL) };
    let mut done = PathBuf::from("/");
    for part in above {
        done.push(part);
        at = directory(at.as_fd(), part, &done)?;
    }
    done.push(last);
    if is_dir {
        return directory(at.as_fd(), last, &done);
    }
    match fs::openat(
        &at,
        *last,
        OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o755),
    ) {
        Ok(_) | Err(Errno::EXIST) => inside(done.as_os_str().as_bytes()),
        Err(errno) => Err(errno),
    }
}

fn directory(above: BorrowedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, Errno> {
    match fs::mkdirat(above, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => inside(path.as_os_str().as_bytes()),
        Err(errno) => Err(errno),
    }
}

/// Opens a path of the image for mounting on it. Never through `/proc`'s magic links.
fn inside(path: &[u8]) -> Result<OwnedFd, Errno> {
    fs::openat2(
        fs::CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )
}

fn is_directory(fd: BorrowedFd) -> Result<bool, Errno> {
    let stat = fs::statat(fd, "", AtFlags::EMPTY_PATH)?;
    Ok(fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Directory)
}

// Terminals -----------------------------------------------------------------------------------------------------------

/// Opens a terminal of the container's own `/dev/pts`: the launcher's end, and the program's.
pub fn open_terminal() -> Result<(OwnedFd, OwnedFd), Refusal> {
    let step = "cannot open a terminal";
    let master =
        fs::open("/dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).step(step)?;
    rustix::pty::unlockpt(&master).step(step)?;
    let slave =
        rustix::pty::ioctl_tiocgptpeer(&master, rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY)
            .step(step)?;
    Ok((master, slave))
}

/// Mounts the program's terminal on `/dev/console`, by handle.
pub fn console(terminal: &OwnedFd) -> Result<(), Refusal> {
    let step = "cannot make '/dev/console'";
    fs::open(
        "/dev/console",
        OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o600),
    )
    .step(step)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = mount::open_tree(terminal.as_fd(), "", flags).step(step)?;
    attach(&tree, &inside(b"/dev/console").step(step)?).step(step)
}

// The last touches ---------------------------------------------------------------------------------------------------

/// Mounts the cgroup, sets kernel settings, hides and locks what docker hides and locks.
pub fn finish(spec: &Spec, null: &OwnedFd) -> Result<(), Refusal> {
    for mount in spec.mounts.iter().filter(|mount| matches!(mount.source, MountSource::Cgroup)) {
        mount_one(mount, None).step(&format!("cannot mount on '{}'", mount.destination.display()))?;
    }
    for (name, value) in &spec.sysctls {
        set_sysctl(name, value)?;
    }
    for path in &spec.read_only_paths {
        lock(path).step(&format!("cannot make '{}' read-only", path.display()))?;
    }
    for path in &spec.masked {
        mask(path, null).step(&format!("cannot hide '{}'", path.display()))?;
    }
    Ok(())
}

fn set_sysctl(name: &str, value: &str) -> Result<(), Refusal> {
    let step = format!("cannot set the kernel setting '{name}'");
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = fs::openat2(fs::CWD, path, flags, Mode::empty(), resolve).step(&step)?;
    rustix::io::write(&file, value.as_bytes()).map(|_| ()).step(&step)
}

fn lock(path: &Path) -> Result<(), Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let Some(target) = present(path)? else { return Ok(()) };
    let tree = mount::open_tree(target.as_fd(), "", flags | OpenTreeFlags::AT_EMPTY_PATH)?;
    sys::mount_setattr(tree.as_fd(), READ_ONLY, true)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    attach(&tree, &target)
}

fn mask(path: &Path, null: &OwnedFd) -> Result<(), Errno> {
    let Some(target) = present(path)? else { return Ok(()) };
    let tree = if is_directory(target.as_fd())? {
        new_mount("tmpfs", &[("size", "0k")], MountAttrFlags::MOUNT_ATTR_RDONLY)?
    } else {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        mount::open_tree(null.as_fd(), "", flags)?
    };
    attach(&tree, &target)
}

/// A path of `/proc` or `/sys`, where this kernel has it.
fn present(path: &Path) -> Result<Option<OwnedFd>, Errno> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match fs::openat2(fs::CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}
