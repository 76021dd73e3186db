//! containerd's overlayfs snapshotter: `snapshots/<n>/fs` (containerd v1.6.20 snapshots/overlay/overlay.go).

use model::HostPath;

use super::Place;
use crate::dialect::Dialect;

/// The snapshot's `fs`.
pub fn place(home: HostPath, user: bool) -> Place {
    Place { path: home.join("fs"), dialect: Dialect::Overlay { user }, whole: false }
}
