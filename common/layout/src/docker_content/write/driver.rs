//! Which driver a root is written with: the one that dockerd would take.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use hostfs::{Shift, Target};
use model::path::shown;
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
    let path = target.path().canonicalize().ok()?;
    let (uid, gid) = ids_of(path.file_name()?.as_bytes())?;
    let count = u32::try_from(USUAL_RANGE).ok()?;
    let first = |id: u64| u32::try_from(id).ok().filter(|id| *id >= count && id.checked_add(count).is_some());
    Some(Shift { uid: first(uid)?, gid: first(gid)?, count })
}

/// Refuses a root that only holds roots of user namespaces (`<uid>.<gid>`), and one whose shifted owners cannot be told from those
/// of inside.
pub(super) fn refuse_remapped(target: &Target) -> Result<(), EditError> {
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

/// What dockerd and we make at the top of a root before its first image, and what a fresh file system has there (moby v28.5.2
/// daemon/daemon.go NewDaemon).
const OWN: [&str; 25] = [
    "aufs",
    "btrfs",
    "buildkit",
    "builder",
    "containerd",
    "containers",
    "devicemapper",
    "dockless.lock",
    "engine-id",
    "fuse-overlayfs",
    "image",
    "key.json",
    "lost+found",
    "network",
    "overlay",
    "overlay2",
    "plugins",
    "rootfs",
    "runtimes",
    "swarm",
    "tmp",
    "trust",
    "vfs",
    "volumes",
    "zfs",
];

/// Refuses a folder that is anything else than docker's data root: a whole disk, another engine's root, somebody's files. What is
/// not there yet, or empty, may become one.
pub(super) fn refuse_others(target: &Target) -> Result<(), EditError> {
    if has(target, "image") {
        return Ok(());
    }
    let (stores, _) = crate::detect(target.root());
    let root = target.path().to_path_buf();
    let Some(store) = stores.iter().find(|store| !store.is_native()) else {
        return match stranger(target).filter(|_| stores.is_empty()) {
            Some(name) => Err(EditError::NoRoot { root, holds: format!("'{}'", shown(&name)) }),
            None => Ok(()),
        };
    };
    if store.home.as_bytes().is_empty() {
        return Err(EditError::OnlyRead { root, why: format!("what is there is only read ({store})") });
    }
    let below = root.join(OsStr::from_bytes(store.home.as_bytes()));
    Err(EditError::NoRoot { root, holds: format!("the data root '{}'", below.display()) })
}

/// The first name at the top that no data root has.
fn stranger(target: &Target) -> Option<Vec<u8>> {
    let names = target.root().open_dir(&HostPath::default()).ok()?.entries().ok()?;
    let names = names.into_iter().map(|entry| entry.name.to_vec());
    names.filter(|name| !OWN.iter().any(|own| own.as_bytes() == name)).min()
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

    #[test]
    fn what_is_something_else_does_not_become_a_data_root() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |folders: &[&str]| {
            let root = tempfile::tempdir_in(dir.path()).unwrap();
            folders.iter().for_each(|folder| std::fs::create_dir_all(root.path().join(folder)).unwrap());
            let said = refuse_others(&Target::open(root.path()).unwrap()).err();
            said.map(|error| error.to_string().replace(root.path().to_str().unwrap(), "/mnt"))
        };
        assert_eq!(refused(&["lost+found", "tmp", "containers"]), None);
        let no_root = |holds: &str| Some(format!("'/mnt' is no data root of docker: it holds {holds}"));
        assert_eq!(refused(&["etc", "var"]), no_root("'etc'"));
        assert_eq!(refused(&["\x1b[31m"]), no_root("'\\x1b[31m'"));
        let disk = ["etc", "var/lib/docker/image/overlay2/imagedb/content/sha256"];
        assert_eq!(refused(&disk), no_root("the data root '/mnt/var/lib/docker'"));
    }
}
