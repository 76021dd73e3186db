//! The layer between an image and a container: what every container has, whatever its image lacks.
//!
//! As docker makes it (moby v20.10.24 daemon/initlayer/setup_unix.go): of each name every component that is a file or a
//! link in the image goes, directories stay; then what is missing is made. Attributes of directories come from the image: [`by_hand`]
//! where it is plain, else through an overlay that is mounted nowhere.

mod by_hand;

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::inside::{Refusal, Step, in_words, root};
use crate::spec::{Changes, RootFiles, Upper};
use crate::start::StartError;
use crate::sys::{self, Cloned};

/// What is made.
enum Part {
    Directory,
    File,
    Link(&'static str),
}

const PARTS: [(&str, Part); 10] = [
    ("/dev/pts", Part::Directory),
    ("/dev/shm", Part::Directory),
    ("/proc", Part::Directory),
    ("/sys", Part::Directory),
    ("/.dockerenv", Part::File),
    ("/etc/resolv.conf", Part::File),
    ("/etc/hosts", Part::File),
    ("/etc/hostname", Part::File),
    ("/dev/console", Part::File),
    ("/etc/mtab", Part::Link("/proc/mounts")),
];

/// Fills the writable layer of `root`. This process must have one thread.
pub fn fill(root: &RootFiles) -> Result<(), StartError> {
    // An overlay belongs to whoever has the mounts of the process that makes it.
    if userns::is_first() { Ok(fill_here(root)?) } else { fill_among_own_mounts(root) }
}

/// In a process with mounts of its own, as an ordinary user's namespace needs it.
fn fill_among_own_mounts(root: &RootFiles) -> Result<(), StartError> {
    let (said, say) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| StartError::Process(errno.into()))?;
    match sys::clone(libc::CLONE_NEWNS as u64, None).map_err(StartError::Process)? {
        Cloned::Child => {
            drop(said);
            if let Err(refusal) = fill_here(root) {
                refusal.tell(say.into());
            }
            sys::exit_now(0)
        }
        Cloned::Parent { handle, .. } => {
            drop(say);
            let mut reason = Vec::new();
            std::fs::File::from(said).read_to_end(&mut reason).map_err(StartError::Process)?;
            let ended = waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED);
            ended.map_err(|errno| StartError::Process(errno.into()))?;
            if reason.is_empty() { Ok(()) } else { Err(Refusal::read(&reason).into()) }
        }
    }
}

fn fill_here(root: &RootFiles) -> Result<(), Refusal> {
    match &root.changes {
        Changes::Layer(upper) => {
            // An ordinary user's overlays have marks of their own.
            let step = "cannot make the init layer";
            if userns::is_first() && by_hand::fill(&root.lower, &upper.diff).step(step)? {
                return Ok(());
            }
            fill_through_overlay(root, upper)
        }
        Changes::InPlace | Changes::Memory => {
            let folder = root.lower.first().map_or(Path::new("/nothing"), PathBuf::as_path);
            make_all(fs::open(folder, DIRECTORY, Mode::empty()).step("cannot open the init layer")?)
        }
    }
}

fn fill_through_overlay(root: &RootFiles, upper: &Upper) -> Result<(), Refusal> {
    make_all(root::overlaid(root, upper)?)?;
    // It is never written again.
    root::forget_volatile(upper);
    Ok(())
}

fn make_all(top: OwnedFd) -> Result<(), Refusal> {
    PARTS.iter().try_for_each(|(path, part)| {
        let step = format!("cannot make '{path}' in the init layer");
        make(top.as_fd(), path, part).map_err(|errno| Refusal::setup(step, in_words(&errno.into())))
    })
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folders on the way to a part, and its own name.
fn components(path: &str) -> (impl Iterator<Item = &str>, &str) {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    (above.split('/').filter(|component| !component.is_empty()), name)
}

/// One name, component by component, each by the handle of the one above: nothing is followed.
fn make(top: BorrowedFd, path: &str, part: &Part) -> Result<(), Errno> {
    let (above, name) = components(path);
    let mut at = top.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for component in above {
        clear(at.as_fd(), component)?;
        make_directory(at.as_fd(), component)?;
        at = fs::openat(&at, component, DIRECTORY, Mode::empty())?;
    }
    clear(at.as_fd(), name)?;
    if fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(());
    }
    make_part(at.as_fd(), name, part)
}

fn make_part(at: BorrowedFd, name: &str, part: &Part) -> Result<(), Errno> {
    match part {
        Part::Directory => make_directory(at, name),
        Part::Link(to) => fs::symlinkat(*to, at, name),
        Part::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = fs::openat(at, name, flags, Mode::from_raw_mode(0o755))?;
            fs::fchmod(file, Mode::from_raw_mode(0o755))
        }
    }
}

/// Takes a component away that is no directory.
fn clear(at: BorrowedFd, component: &str) -> Result<(), Errno> {
    match fs::unlinkat(at, component, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn make_directory(at: BorrowedFd, name: &str) -> Result<(), Errno> {
    match fs::mkdirat(at, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => fs::chmodat(at, name, Mode::from_raw_mode(0o755), AtFlags::empty()),
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}
