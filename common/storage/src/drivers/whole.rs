//! vfs, btrfs, and containerd's native snapshotter: every layer is the full tree (moby v20.10.24
//! daemon/graphdriver/{vfs,btrfs}, containerd v1.6.20 snapshots/native).

use model::HostPath;

use super::Place;
use crate::dialect::Dialect;

/// The layer's folder itself.
pub fn place(home: HostPath) -> Place {
    Place { path: home, dialect: Dialect::Plain, whole: true }
}
