//! How much room files take: of a container's or image's own layer, as docker's `ps -s` and `system df` count, or of any
//! folder, such as a volume's.
//!
//! A file with several names counts once. What is remembered for that is one number for each file of several names.

use std::collections::HashSet;

use hostfs::{Dir, FileKind, Root, Stat};
use model::{Driver, Finding, HostPath, Rootfs};

use crate::compare::{Compare, Found, Rules};
use crate::dialect::Dialect;
use crate::diff;
use crate::drivers::{self, Branch};
use crate::error::StorageError;
use crate::walk::{Node, Walk, What};

/// Room that files take, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Room {
    /// Sizes of the files, holes included; of a symbolic link, the length of its target.
    pub size: u64,
    /// What files of all kinds and directories take on disk, holes left out.
    pub allocated: u64,
}

impl Room {
    /// What the engine counts for a layer of this driver: containerd's snapshotters count blocks
    /// (containerd/continuity v0.4 fs/du_unix.go), docker's graph drivers sizes (moby v28 pkg/directory/directory_unix.go).
    pub fn counted(self, driver: &Driver) -> u64 {
        match driver {
            Driver::OverlayfsSnapshot | Driver::NativeSnapshot => self.allocated,
            _ => self.size,
        }
    }
}

/// Bytes in the top layer's files, as the engine counts them. Where a driver keeps full trees, the files that differ from
/// the layer below are counted.
pub fn written(root: &Root, rootfs: &Rootfs) -> Result<(u64, Vec<Finding>), StorageError> {
    let (room, findings) = room(root, rootfs)?;
    Ok((rootfs.layers.first().map_or(room.size, |top| room.counted(&top.driver)), findings))
}

/// Room that the top layer's files take; otherwise as [`written`].
pub fn room(root: &Root, rootfs: &Rootfs) -> Result<(Room, Vec<Finding>), StorageError> {
    let top = rootfs.layers.first().ok_or(StorageError::Empty)?;
    if is_compared(&top.driver) || drivers::place(root, top, rootfs.user_xattrs)?.whole {
        return changed(root, rootfs);
    }
    let (mut branches, findings) = drivers::stack(root, rootfs)?;
    let (room, more) = of_layer(branches.swap_remove(0));
    Ok((room, findings.into_iter().chain(more).collect()))
}

/// Whether docker compares trees to tell what a container wrote (moby v20.10.24 daemon/graphdriver/fsdiff.go): overlay
/// copies the init layer into the container's, and fuse-overlayfs has marks of its own.
fn is_compared(driver: &Driver) -> bool {
    matches!(driver, Driver::Overlay | Driver::FuseOverlayfs)
}

/// Room that everything below an opened folder takes; `path` is where it lies, for findings.
pub fn folder(dir: Dir, path: HostPath) -> (Room, Vec<Finding>) {
    of_layer(Branch { path, dialect: Dialect::Plain, dir, lost: None })
}

fn of_layer(branch: Branch) -> (Room, Vec<Finding>) {
    let mut walk = Walk::layer(branch);
    let mut count = Count::default();
    if let Some(top) = walk.enter_top() {
        count.add(&top.stat);
    }
    while walk.depth() > 0 {
        let Some(node) = walk.take() else {
            walk.leave();
            continue;
        };
        let What::Shown(stat) = node.what else { continue };
        count.add(&stat);
        if stat.kind == FileKind::Directory {
            walk.enter(&node);
        }
    }
    (count.room, walk.take_findings())
}

fn changed(root: &Root, rootfs: &Rootfs) -> Result<(Room, Vec<Finding>), StorageError> {
    let (new, mut findings) = drivers::stack(root, rootfs)?;
    let (old, more) = diff::below(root, rootfs)?;
    findings.extend(more.into_iter().filter(|finding| !findings.contains(finding)).collect::<Vec<_>>());
    let mut compare = Compare::new(new, old, Rules::default());
    let mut count = Count::default();
    while let Some(step) = compare.next_step() {
        match step.found {
            Some(Found::Directory(entered)) => count.add(&entered.stat),
            Some(Found::Other(Node { what: What::Shown(stat), .. })) => count.add(&stat),
            _ => {}
        }
    }
    findings.extend(compare.take_findings());
    Ok((count.room, findings))
}

#[derive(Default)]
struct Count {
    room: Room,
    linked: HashSet<(u64, u64)>,
}

impl Count {
    fn add(&mut self, stat: &Stat) {
        let is_new = stat.kind == FileKind::Directory || stat.links < 2 || self.linked.insert(stat.inode);
        if !is_new {
            return;
        }
        self.room.allocated = self.room.allocated.saturating_add(stat.allocated);
        // Docker adds the length of a symbolic link's target too.
        if stat.kind != FileKind::Directory {
            self.room.size = self.room.size.saturating_add(stat.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_of_one_file_count_once_and_holes_only_by_size() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("a"), [1; 5000]).unwrap();
        fs::hard_link(at("a"), at("sub/b")).unwrap();
        fs::File::create(at("holes")).unwrap().set_len(1 << 30).unwrap();
        symlink("twelve bytes", at("link")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let (room, findings) = folder(root.open_dir(&HostPath::default()).unwrap(), HostPath::default());
        assert_eq!((room.size, findings), (5000 + (1 << 30) + 12, vec![]));
        assert!(room.allocated < 1 << 20, "{}", room.allocated);
    }
}
