//! devicemapper: each layer is a thin device of a pool, with `/rootfs` in it. The pool's records are read, its file
//! systems are not (moby v20.10.24 daemon/graphdriver/devmapper/deviceset.go).

use hostfs::Root;
use model::{HostPath, LayerRef};

use super::text;
use crate::error::StorageError;

/// Says where the layer's device is, and how to get at its files with the system's own tools.
pub fn refuse(root: &Root, layer: &LayerRef) -> StorageError {
    // GAP: the thin pool's block map and the ext4 or xfs inside are not read.
    let home = home(&layer.folder);
    let metadata = home.join("metadata").join(layer.id.as_bytes());
    let record = text(root, &metadata).unwrap_or_default();
    let device = number(&record, "device_id").map_or("of unknown number".into(), |id| format!("{id}"));
    let sectors = number(&record, "size").map_or("SECTORS".into(), |size| format!("{}", size / 512));
    let loopback = home.join("devicemapper").join("data");
    let why = if root.exists(&loopback) {
        format!(
            "the layer is thin device {device} of the pool in '{}'; on a copy, attach 'data' and 'metadata' with losetup -r, \
             run dmsetup create pool --table '0 SIZE thin-pool METADATA DATA 128 0' and dmsetup create layer --table \
             '0 {sectors} thin /dev/mapper/pool {device}', mount it read-only, and its rootfs folder is the tree",
            loopback.parent()
        )
    } else {
        format!(
            "the layer is thin device {device} of a pool on a block device outside of the data root (direct-lvm): \
                 activate that volume group, then dmsetup create layer --table '0 {sectors} thin POOL {device}'"
        )
    };
    StorageError::Driver { driver: layer.driver.clone(), why }
}

/// `devicemapper`, whichever of its folders holds the ids.
fn home(folder: &HostPath) -> HostPath {
    if folder.name() == b"devicemapper" { folder.clone() } else { folder.parent() }
}

/// A number of the layer's record, `{"device_id":7,"size":10737418240,…}`.
fn number(record: &str, key: &str) -> Option<u64> {
    let rest = record.split_once(&format!("\"{key}\":"))?.1.trim_start();
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}
