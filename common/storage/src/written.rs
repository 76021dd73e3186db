//! How much a container wrote: the sizes of the files in its own layer, as docker's `ps -s` counts them.

use std::collections::HashSet;

use hostfs::{FileKind, Root, Stat};
use model::{Finding, Rootfs};

use crate::compare::{Happened, Rules};
use crate::diff::diff;
use crate::drivers::{self, Branch};
use crate::error::StorageError;
use crate::walk::{Walk, What};

/// Bytes in the top layer's files, a file with several names counted once. Where a driver keeps full trees, the files
/// that differ from the layer below are counted.
pub fn written(root: &Root, rootfs: &Rootfs) -> Result<(u64, Vec<Finding>), StorageError> {
    let top = rootfs.layers.first().ok_or(StorageError::Empty)?;
    if drivers::place(root, top, rootfs.user_xattrs)?.whole {
        return changed(root, rootfs);
    }
    let (mut branches, findings) = drivers::stack(root, rootfs)?;
    let (size, more) = of_layer(branches.swap_remove(0));
    Ok((size, findings.into_iter().chain(more).collect()))
}

fn of_layer(branch: Branch) -> (u64, Vec<Finding>) {
    let mut walk = Walk::layer(branch);
    let mut count = Count::default();
    walk.enter_top();
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
    (count.bytes, walk.take_findings())
}

fn changed(root: &Root, rootfs: &Rootfs) -> Result<(u64, Vec<Finding>), StorageError> {
    let home = drivers::place(root, &rootfs.layers[0], rootfs.user_xattrs)?.path;
    let (differences, findings) = diff(root, rootfs, Rules::default())?;
    let mut count = Count::default();
    for difference in differences.iter().filter(|difference| difference.happened != Happened::Deleted) {
        if let Ok(stat) = root.stat(&home.join(difference.path.as_bytes())) {
            count.add(&stat);
        }
    }
    Ok((count.bytes, findings))
}

#[derive(Default)]
struct Count {
    bytes: u64,
    linked: HashSet<(u64, u64)>,
}

impl Count {
    fn add(&mut self, stat: &Stat) {
        if stat.kind == FileKind::File && (stat.links < 2 || self.linked.insert(stat.inode)) {
            self.bytes = self.bytes.saturating_add(stat.size);
        }
    }
}
