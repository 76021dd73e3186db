//! `/dev`: memory with device nodes, made where that is allowed, else the host's own.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Mode};
use rustix::io::Errno;
use rustix::mount::{self, OpenTreeFlags};

use super::mounts::{attach, own_directory, target, tmpfs};
use super::{Refusal, Step};
use crate::spec::{Device, Spec, Users};

/// Docker's own links in `/dev` (runc v1.1.5 libcontainer/rootfs_linux.go setupDevSymlinks, setupPtmx).
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Where device nodes come from: `None` for making them, else those of the host, in the spec's order.
pub type Devices = Option<Vec<OwnedFd>>;

/// Takes the host's device nodes where none can be made: outside of the first user namespace nobody may make one.
pub fn open(devices: &[Device], users: Option<Users>) -> Result<Devices, Refusal> {
    if userns::is_first() && users.is_none() {
        return Ok(None);
    }
    devices.iter().map(open_one).collect::<Result<Vec<_>, _>>().map(Some)
}

fn open_one(device: &Device) -> Result<OwnedFd, Refusal> {
    let step = format!("cannot take the device '{}' of the host", device.path.display());
    let place = [device.path.clone(), hosts_own(device)].into_iter().find(|place| is_it(place, device));
    let Some(place) = place else { return Err(Refusal::setup(step, "it is not there")) };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = mount::open_tree(fs::CWD, &place, flags).step(&step)?;
    // Looked at once more: what is mounted is what was opened, not what has the name.
    let stat = fs::statat(&tree, "", AtFlags::EMPTY_PATH).step(&step)?;
    if is_of(&stat, device) { Ok(tree) } else { Err(Refusal::setup(step, "it was changed meanwhile")) }
}

/// Where the host has a device: by its numbers, in `/sys/dev`.
fn hosts_own(device: &Device) -> PathBuf {
    let folder = if device.kind == 'b' { "block" } else { "char" };
    let path = format!("/sys/dev/{folder}/{}:{}/uevent", device.major, device.minor);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Path::new("/dev").join(text.lines().find_map(|line| line.strip_prefix("DEVNAME=")).unwrap_or_default())
}

fn is_it(place: &Path, device: &Device) -> bool {
    fs::statat(fs::CWD, place, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_of(&stat, device))
}

fn is_of(stat: &fs::Stat, device: &Device) -> bool {
    let kind = if device.kind == 'b' { fs::FileType::BlockDevice } else { fs::FileType::CharacterDevice };
    fs::FileType::from_raw_mode(stat.st_mode) == kind && stat.st_rdev == fs::makedev(device.major, device.minor)
}

/// Makes `/dev`, in memory, with its devices and links.
pub fn make(spec: &Spec, devices: Devices) -> Result<(), Refusal> {
    let step = "cannot make '/dev'";
    let memory = tmpfs(Some(65_536 * 1024), 0o755, &["exec".into(), "dev".into()]).step(step)?;
    attach(&memory, &own_directory(Path::new("/dev")).step(step)?).step(step)?;
    let mut trees = devices.map(Vec::into_iter);
    for device in &spec.devices {
        let made = match trees.as_mut().and_then(Iterator::next) {
            Some(tree) => target(&device.path, false).and_then(|at| attach(&tree, &at)),
            None => make_node(device),
        };
        made.step(&format!("cannot make the device '{}'", device.path.display()))?;
    }
    for (to, link) in LINKS {
        fs::symlink(to, link).step(step)?;
    }
    if fs::access("/proc/kcore", fs::Access::EXISTS).is_ok() {
        fs::symlink("/proc/kcore", "/dev/core").step(step)?;
    }
    Ok(())
}

fn make_node(device: &Device) -> Result<(), Errno> {
    if let Some(folder) = device.path.parent().filter(|folder| *folder != Path::new("/dev")) {
        target(folder, true)?;
    }
    let kind = if device.kind == 'b' { fs::FileType::BlockDevice } else { fs::FileType::CharacterDevice };
    let number = fs::makedev(device.major, device.minor);
    fs::mknodat(fs::CWD, &device.path, kind, Mode::from_raw_mode(device.mode), number)?;
    fs::chmod(&device.path, Mode::from_raw_mode(device.mode))?;
    let (uid, gid) = (fs::Uid::from_raw(device.uid), fs::Gid::from_raw(device.gid));
    fs::chownat(fs::CWD, &device.path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}
