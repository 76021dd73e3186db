//! Block 0 of a pool's metadata (linux 6.12 drivers/md/dm-thin-metadata.c, struct thin_disk_superblock).

use super::node::{NODE, checksum};
use crate::bytes::Bytes;
use crate::device::Device;
use crate::error::DiskError;

const MAGIC: u64 = 27_022_010;
/// Makes the checksums of superblocks differ from those of other blocks.
const SALT: u32 = 160_774;
/// Blocks of a pool are between 64 KiB and 1 GiB, in sectors.
const SECTORS: std::ops::RangeInclusive<u32> = 128..=2_097_152;

/// What is needed of it.
pub struct Superblock {
    /// Changes that the user has committed.
    pub transaction: u64,
    /// The top of the tree from device to mappings.
    pub mappings: u64,
    /// Bytes of a data block.
    pub block: u64,
}

impl Superblock {
    /// Reads and checks it.
    pub fn read(metadata: &dyn Device) -> Result<Superblock, DiskError> {
        let mut raw = [0; NODE];
        metadata.read(&mut raw, 0)?;
        let damaged = |why: String| DiskError::damaged("the superblock of the pool", why);
        if raw.u64(32) != MAGIC {
            return Err(damaged("its magic number is another".into()));
        }
        if checksum(&raw, SALT) != raw.u32(0) {
            return Err(damaged("its checksum is wrong".into()));
        }
        let (version, sectors, incompatible) = (raw.u32(40), raw.u32(336), raw.u32(360));
        if !(1..=2).contains(&version) || incompatible != 0 {
            return Err(DiskError::Unsupported("a newer form of the pool's metadata"));
        }
        if !SECTORS.contains(&sectors) {
            return Err(damaged(format!("it says that blocks have {sectors} sectors")));
        }
        Ok(Superblock { transaction: raw.u64(48), mappings: raw.u64(320), block: u64::from(sectors) * 512 })
    }
}
