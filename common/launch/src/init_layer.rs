//! The layer between an image and a container: what every container has, whatever its image lacks.
//!
//! As docker makes it (moby v20.10.24 daemon/initlayer/setup_unix.go): of each name every component that is a file or a
//! link in the image goes, directories stay; then what is missing is made. It is made through a mount, in a process of its
//! own, so that attributes of directories come from the image.

use std::io::Read;
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::inside::{Refusal, Step, root};
use crate::spec::RootFiles;
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

/// Fills the writable layer of `root`. `scratch` has an empty folder `root` to mount on. This process must have one thread.
pub fn fill(root: &RootFiles, scratch: &Path) -> Result<(), StartError> {
    let (said, say) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| StartError::Process(errno.into()))?;
    match sys::clone(libc::CLONE_NEWNS as u64, None).map_err(StartError::Process)? {
        Cloned::Child => {
            drop(said);
            if let Err(refusal) = root::pivot(root, scratch).and_then(|()| make()) {
                refusal.tell(say.into());
            }
            sys::exit_now(0)
        }
        Cloned::Parent { handle, .. } => {
            drop(say);
            let mut reason = Vec::new();
            std::fs::File::from(said).read_to_end(&mut reason).map_err(StartError::Process)?;
            let ended = rustix::process::waitid(
                rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&handle)),
                rustix::process::WaitIdOptions::EXITED,
            );
            ended.map_err(|errno| StartError::Process(errno.into()))?;
            if reason.is_empty() { Ok(()) } else { Err(Refusal::read(&reason).into()) }
        }
    }
}

fn make() -> Result<(), Refusal> {
    for (path, part) in &PARTS {
        let step = format!("cannot make '{path}' in the init layer");
        clear(path).and_then(|()| make_one(path, part)).map_err(|errno| Refusal::setup(step, errno))?;
    }
    fs::open("/", OFlags::PATH, Mode::empty()).map(drop).step("cannot leave the init layer")
}

/// Takes every component away that is no directory.
fn clear(path: &str) -> Result<(), Errno> {
    let ends = path.match_indices('/').skip(1).map(|(at, _)| at).chain([path.len()]);
    for end in ends {
        match fs::unlink(&path[..end]) {
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::NOTDIR | Errno::PERM) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn make_one(path: &str, part: &Part) -> Result<(), Errno> {
    if fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(());
    }
    let above = Path::new(path).parent().unwrap_or(Path::new("/"));
    make_directory(above)?;
    match part {
        Part::Directory => make_directory(Path::new(path)),
        Part::Link(to) => fs::symlink(*to, path),
        Part::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            fs::open(path, flags, Mode::from_raw_mode(0o755))
                .and_then(|file| fs::fchmod(file, Mode::from_raw_mode(0o755)))
        }
    }
}

fn make_directory(path: &Path) -> Result<(), Errno> {
    match fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) => fs::chmod(path, Mode::from_raw_mode(0o755)),
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}
