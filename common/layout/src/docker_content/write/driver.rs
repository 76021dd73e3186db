//! Which driver a root is written with: the one that dockerd would take.

use hostfs::Target;
use model::{Driver, HostPath};

use super::EditError;
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

/// Refuses a root whose owners are shifted by user namespaces (`<uid>.<gid>`), and one that only holds such roots.
// GAP: layers with shifted owners are not written.
pub(super) fn refuse_remapped(target: &Target) -> Result<(), EditError> {
    use std::os::unix::ffi::OsStrExt;
    let path = target.path().canonicalize().unwrap_or_else(|_| target.path().to_path_buf());
    let own = path.file_name().filter(|name| ids_of(name.as_bytes()).is_some() && has(target, "image"));
    let home = Home::new(target.root(), HostPath::default());
    let below = || home.remapped().first().map(|below| below.path.clone()).filter(|_| !has(target, "image"));
    let folder = own.map(|name| HostPath::new(name.as_bytes())).or_else(below);
    match folder {
        None => Ok(()),
        Some(folder) => Err(EditError::OnlyRead {
            root: target.path().to_path_buf(),
            why: format!("its daemon used user namespaces ('{folder}'), and layers with shifted owners are only read"),
        }),
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
        check(
            &["231072.231072/image"],
            "its daemon used user namespaces ('231072.231072'), and layers with shifted owners are only read",
        );
        check(&["231072.231072/image", "image/overlay2", "overlay2/l"], "overlay2");
    }
}
