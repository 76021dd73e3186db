//! Block devices inside files, and the filesystems on them, read without a mount, a kernel module or a loop device.
//!
//! In reading order: a device as anything that has bytes ([`device`]), thin devices of a device-mapper pool ([`thin`]), the
//! filesystem ext4 ([`ext4`]) and what goes wrong ([`error`]). [`tree`] opens whatever filesystem a device holds, as a
//! [`hostfs::Tree`].
//!
//! Everything here was perhaps written by somebody hostile: every number is checked before it is followed, every walk is
//! bounded, and no directory can be reached twice.
//!
//! Nothing here may know docker, layers or records.

mod bytes;
pub mod device;
pub mod error;
pub mod ext4;
pub mod thin;

use std::sync::Arc;

pub use device::{Device, Image};
pub use error::DiskError;
use hostfs::Tree;

/// The filesystem of a device, and the node of its top.
pub fn tree(device: Arc<dyn Device>) -> Result<(Arc<dyn Tree>, u64), DiskError> {
    match kind(&*device)? {
        Kind::Ext => Ok((Arc::new(ext4::Ext4::open(device)?), ext4::TOP)),
        Kind::Xfs => Err(DiskError::Filesystem { name: "xfs" }),
        Kind::Unknown => Err(DiskError::Filesystem { name: "of no kind that is known here" }),
    }
}

enum Kind {
    Ext,
    Xfs,
    Unknown,
}

/// By the magic numbers: `XFSB` at the beginning, 0xEF53 in the superblock 1024 bytes from it.
fn kind(device: &dyn Device) -> Result<Kind, DiskError> {
    const LEAST: usize = 2048;
    if device.size() < LEAST as u64 {
        return Ok(Kind::Unknown);
    }
    let mut first = [0; LEAST];
    device.read(&mut first, 0)?;
    Ok(match (&first[..4], &first[1024 + 56..][..2]) {
        (b"XFSB", _) => Kind::Xfs,
        (_, [0x53, 0xEF]) => Kind::Ext,
        _ => Kind::Unknown,
    })
}
