//! Which driver a root is written with: the one that dockerd would take.

use hostfs::{Shift, Target};
use model::{Driver, HostPath};

use super::EditError;
use crate::docker_content::read::USUAL_RANGE;
use crate::home::{Home, ids_of};

/// Drivers that are only read. dockerd takes one whose folder is not empty (moby v20.10.24
/// daemon/graphdriver/driver.go scanPriorDrivers; `vfs` never counts there).
const ONLY_READ: [&str; 7] = ["btrfs", "zfs", "fuse-overlayfs", "aufs", "overlay", "devicemapper", "windowsfilter"];

/// The driver of the root: overlay2 where it is in use or nothing is, vfs where only that is.
pub(super) fn of(target: &Target) -> Result<Driver, EditError> {
    let only_read = |why: String| Err(EditError::OnlyRead { root: target.path().to_path_buf(), why });
    if has(target, "overlay2") {
        return Ok(Driver::Overlay2);
    }
    if let Some(name) = ONLY_READ.iter().find(|name| has(target, name)) {
        return only_read(format!("its storage driver is {name}, which is only read"));
    }
    if has(target, "graph") {
        return only_read("it was written by docker before 1.10, and nothing newer has opened it yet".into());
    }
    if has(target, "overlay-images") || has(target, "vfs-images") {
        return only_read("it is Podman's (containers/storage)".into());
    }
    if has(target, "vfs/dir") || has(target, "image/vfs") {
        return Ok(Driver::Vfs);
    }
    if has(target, "rootfs") || has(target, "containerd/daemon/io.containerd.content.v1.content/blobs/sha256") {
        return only_read("its images are in containerd's store".into());
    }
    Ok(Driver::Overlay2)
}

/// The owners on disk of a root of user namespaces, which is named by the first of them: `<uid>.<gid>` (moby v20.10.24
/// daemon/daemon_unix.go setupDaemonRoot). How many there are is not recorded there; the usual number is taken.
pub(super) fn shift(target: &Target) -> Option<Shift> {
    use std::os::unix::ffi::OsStrExt;
    let path = target.path().canonicalize().ok()?;
    let (uid, gid) = ids_of(path.file_name()?.as_bytes())?;
    let count = u32::try_from(USUAL_RANGE).ok()?;
    let first = |id: u64| u32::try_from(id).ok().filter(|id| *id >= count && id.checked_add(count).is_some());
    Some(Shift { uid: first(uid)?, gid: first(gid)?, count })
}

/// Refuses a root that only holds roots of user namespaces (`<uid>.<gid>`), and one whose shifted owners cannot be told from those
/// of inside.
pub(super) fn refuse_remapped(target: &Target) -> Result<(), EditError> {
    use std::os::unix::ffi::OsStrExt;
    let path = target.path().canonicalize().unwrap_or_else(|_| target.path().to_path_buf());
    let only_read = |why: String| Err(EditError::OnlyRead { root: target.path().to_path_buf(), why });
    let is_one = path.file_name().is_some_and(|name| ids_of(name.as_bytes()).is_some()) && has(target, "image");
    if is_one && shift(target).is_none() {
        return only_read("its user namespace has ids below 65536, which cannot be told from those of inside".into());
    }
    let home = Home::new(target.root(), HostPath::default());
    match home.remapped().first().filter(|_| !has(target, "image")) {
        None => Ok(()),
        Some(below) => only_read(format!(
            "its daemon used user namespaces: what is written is '{}'",
            path.join(below.path.to_string()).display()
        )),
    }
}

/// Whether there is a folder of that name with something in it.
fn has(target: &Target, folder: &str) -> bool {
    let entries = target.root().open_dir(&folder.into()).ok().and_then(|dir| dir.entries().ok());
    entries.is_some_and(|entries| !entries.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folders: &[&str], answer: &str) {
        let dir = tempfile::tempdir().unwrap();
        for folder in folders {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let target = Target::open(dir.path()).unwrap();
        let said = match refuse_remapped(&target).and_then(|()| of(&target)) {
            Ok(driver) => driver.name().to_string(),
            Err(EditError::OnlyRead { why, .. }) => why,
            Err(other) => other.to_string(),
        };
        assert_eq!(said, answer, "{folders:?}");
    }

    #[test]
    fn the_driver_is_dockers_own_choice() {
        check(&[], "overlay2");
        check(&["overlay2/l"], "overlay2");
        check(&["overlay2/l", "overlay/x", "vfs/dir/x"], "overlay2");
        check(&["vfs/dir/x"], "vfs");
        check(&["image/vfs/layerdb", "aufs"], "vfs");
        check(&["aufs/diff"], "its storage driver is aufs, which is only read");
        check(&["graph/x", "vfs/dir/x"], "it was written by docker before 1.10, and nothing newer has opened it yet");
        check(&["overlay-images/x", "overlay/l"], "its storage driver is overlay, which is only read");
        check(&["overlay-images/x"], "it is Podman's (containers/storage)");
        check(&["231072.231072/image", "image/overlay2", "overlay2/l"], "overlay2");
    }
}
