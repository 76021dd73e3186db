//! The root: an overlay of the layers, put in place before anything else of the image is looked at.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::mount::{
    self, FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use super::{Refusal, Step};
use crate::spec::{Changes, RootFiles, Upper, Users};
use crate::sys;

/// `MOUNT_ATTR_RDONLY` (linux/mount.h).
pub const READ_ONLY: u64 = 1;

/// Makes the overlay on `scratch` and changes the root to it. From here on the host's files are gone.
pub fn pivot(root: &RootFiles, scratch: &Path) -> Result<(), Refusal> {
    let top = mount(root, scratch)?;
    rustix::process::chdir(&top).step("cannot enter the container's root")?;
    leave()
}

/// The root joined but nowhere mounted, for a process of another user namespace that could not join it.
pub fn joined(root: &RootFiles, owner: Users) -> Result<OwnedFd, Refusal> {
    match &root.changes {
        Changes::Layer(upper) => overlaid(root, upper),
        Changes::InPlace => cloned(root),
        Changes::Memory => {
            let tree = new_memory()?;
            let step = "cannot make a folder in memory";
            let own = (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)));
            for name in ["diff", "work"] {
                rustix::fs::mkdirat(&tree, name, Mode::from_raw_mode(0o755)).step(step)?;
                rustix::fs::chownat(&tree, name, own.0, own.1, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).step(step)?;
            }
            let below = |name: &str| PathBuf::from(format!("/proc/self/fd/{}/{name}", tree.as_raw_fd()));
            overlaid(root, &Upper { diff: below("diff"), work: below("work"), lasting: false })
        }
    }
}

/// Changes the root to a joined one.
pub fn pivot_to(tree: &OwnedFd) -> Result<(), Refusal> {
    mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("cannot leave the host's mounts")?;
    // Over the host's own root: every other place may be closed to whoever this process is.
    mount::move_mount(tree.as_fd(), "", rustix::fs::CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .step("cannot mount the root")?;
    rustix::process::fchdir(tree).step("cannot enter the container's root")?;
    leave()
}

fn leave() -> Result<(), Refusal> {
    rustix::process::pivot_root(".", ".").step("cannot change the root")?;
    mount::unmount(".", UnmountFlags::DETACH).step("cannot leave the host's root")?;
    rustix::process::chdir("/").step("cannot enter the container's root")
}

/// Makes the overlay on `scratch`, seen in this mount namespace only. Returns where its top is.
pub fn mount(root: &RootFiles, scratch: &Path) -> Result<PathBuf, Refusal> {
    mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("cannot leave the host's mounts")?;
    let mut top = scratch.join("root");
    match &root.changes {
        Changes::Memory => {
            // Beside what lies in `scratch`, since a layer may lie there too.
            let upper = memory(&top)?;
            top = top.join("root");
            overlay(root, &upper, &top)?;
        }
        Changes::Layer(upper) => overlay(root, upper, &top)?,
        Changes::InPlace => directory(root, &top)?,
    }
    Ok(top)
}

/// Makes `/` read-only where asked, once everything that had to be made in it is there.
pub fn close(root: &RootFiles) -> Result<(), Refusal> {
    if !root.read_only {
        return Ok(());
    }
    let top = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).step("cannot open the root")?;
    sys::mount_setattr(top.as_fd(), READ_ONLY, false).step("cannot make the root read-only")
}

/// A writable layer that lives in memory and ends with the container.
fn memory(scratch: &Path) -> Result<Upper, Refusal> {
    let tree = new_memory()?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    mount::move_mount(tree.as_fd(), "", rustix::fs::CWD, scratch, flags).step("cannot mount memory")?;
    let upper = Upper { diff: scratch.join("diff"), work: scratch.join("work"), lasting: false };
    for dir in [&upper.diff, &upper.work, &scratch.join("root")] {
        rustix::fs::mkdir(dir, Mode::from_raw_mode(0o755)).step("cannot make a folder in memory")?;
    }
    Ok(upper)
}

fn new_memory() -> Result<OwnedFd, Refusal> {
    let fs = mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).step("cannot make a file system in memory")?;
    mount::fsconfig_set_string(fs.as_fd(), "mode", "0755").step("cannot make a file system in memory")?;
    mount::fsconfig_create(fs.as_fd()).step("cannot make a file system in memory")?;
    mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).step("cannot mount memory")
}

/// A directory as it is.
fn directory(root: &RootFiles, top: &Path) -> Result<(), Refusal> {
    let tree = cloned(root)?;
    mount::move_mount(tree.as_fd(), "", rustix::fs::CWD, top, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .step("cannot mount the root")
}

fn cloned(root: &RootFiles) -> Result<OwnedFd, Refusal> {
    let Some(folder) = root.lower.first() else {
        return Err(Refusal::setup("cannot mount the root", "no folder is named"));
    };
    let step = format!("cannot take '{}' as the root", folder.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    mount::open_tree(rustix::fs::CWD, folder, flags).step(&step)
}

/// Has the overlay keep its marks as `user.overlay.*`: `trusted.*` is kept for the first user namespace.
pub fn own_marks(fs: BorrowedFd) -> Result<(), rustix::io::Errno> {
    if userns::is_first() { Ok(()) } else { mount::fsconfig_set_flag(fs, "userxattr") }
}

fn overlay(root: &RootFiles, upper: &Upper, top: &Path) -> Result<(), Refusal> {
    let tree = overlaid(root, upper)?;
    mount::move_mount(tree.as_fd(), "", rustix::fs::CWD, top, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .step("cannot mount the root")
}

/// Has the kernel sync nothing (Linux 5.10; an earlier one syncs). It leaves a mark that keeps the layer from being mounted
/// again after a crash, which is not meant for one that is removed then.
fn be_volatile(fs: BorrowedFd, upper: &Upper) {
    forget_volatile(upper);
    let _ = mount::fsconfig_set_flag(fs, "volatile");
}

/// Takes that mark away (Documentation/filesystems/overlayfs.rst, "Volatile mount").
pub fn forget_volatile(upper: &Upper) {
    for (name, flags) in [
        ("work/incompat/volatile/dirty", AtFlags::empty()),
        ("work/incompat/volatile", AtFlags::REMOVEDIR),
        ("work/incompat", AtFlags::REMOVEDIR),
    ] {
        if rustix::fs::unlinkat(rustix::fs::CWD, upper.work.join(name), flags).is_err() {
            return;
        }
    }
}

/// The overlay, which is mounted nowhere: it goes with its handle.
pub fn overlaid(root: &RootFiles, upper: &Upper) -> Result<OwnedFd, Refusal> {
    let fs = mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).step("the kernel has no overlay file system")?;
    mount::fsconfig_set_string(fs.as_fd(), "source", "overlay").step("cannot set up the overlay")?;
    let set = |key: &str, path: &Path| {
        let step = format!("cannot use '{}' as a layer", path.display());
        // A parameter holds 255 bytes at most; a handle's path is short whatever the real one is.
        let handle = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).step(&step)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle)));
        mount::fsconfig_set_string(fs.as_fd(), key, short).step(&step)
    };
    // One call a layer: no limit of one page for all of them (Linux 6.5).
    for layer in &root.lower {
        set("lowerdir+", layer)?;
    }
    set("upperdir", &upper.diff)?;
    set("workdir", &upper.work)?;
    // What dockerd mounts with: no index that a later mount elsewhere would trip over.
    mount::fsconfig_set_string(fs.as_fd(), "index", "off").step("cannot set up the overlay")?;
    own_marks(fs.as_fd()).step("this kernel has no overlay for ordinary users (Linux 5.11 has it)")?;
    if !upper.lasting {
        be_volatile(fs.as_fd(), upper);
    }
    mount::fsconfig_create(fs.as_fd()).step("cannot join the layers")?;
    mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).step("cannot mount the root")
}
