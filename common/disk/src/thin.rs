//! Thin devices of a device-mapper pool, from its metadata device and its data device.
//!
//! The format is the kernel's (linux 6.12 drivers/md/dm-thin-metadata.c, drivers/md/persistent-data/dm-btree-internal.h):
//! a superblock, and trees of checksummed nodes of 4096 bytes, from device number to that device's own tree, and in there
//! from the block of the device to the block of the pool. Blocks are shared between a device and its snapshots, and that is
//! all a snapshot is. Blocks that were never written are not mapped and read as zeros.

mod node;
mod superblock;

use std::sync::Arc;

use crate::device::Device;
use crate::error::DiskError;
use node::Nodes;
use superblock::Superblock;

/// A pool.
pub struct Pool {
    metadata: Arc<Nodes>,
    data: Arc<dyn Device>,
    superblock: Superblock,
}

/// A device of a pool, of a size that the pool itself does not record.
pub struct Thin {
    metadata: Arc<Nodes>,
    data: Arc<dyn Device>,
    /// The top of its own tree.
    root: u64,
    /// Bytes of a block.
    block: u64,
    size: u64,
}

impl Pool {
    /// Opens a pool.
    pub fn open(metadata: Arc<dyn Device>, data: Arc<dyn Device>) -> Result<Pool, DiskError> {
        let superblock = Superblock::read(&*metadata)?;
        Ok(Pool { metadata: Arc::new(Nodes::new(metadata)), data, superblock })
    }

    /// How many changes the pool's user has committed.
    pub fn transaction(&self) -> u64 {
        self.superblock.transaction
    }

    /// The device of a number, with as many bytes as its user says.
    pub fn device(&self, number: u64, size: u64) -> Result<Thin, DiskError> {
        let root = self.metadata.find(self.superblock.mappings, number)?.ok_or(DiskError::NoDevice(number))?;
        let (metadata, data) = (self.metadata.clone(), self.data.clone());
        Ok(Thin { metadata, data, root, block: self.superblock.block, size })
    }
}

impl Thin {
    /// Where a block of the device lies in the pool; `None` where it was never written.
    fn place(&self, block: u64) -> Result<Option<u64>, DiskError> {
        /// Beside the number of a block stands, in the lower bits, when it was mapped.
        const TIME_BITS: u32 = 24;
        let Some(value) = self.metadata.find(self.root, block)? else { return Ok(None) };
        let place = (value >> TIME_BITS).checked_mul(self.block);
        let is_inside =
            place.and_then(|place| place.checked_add(self.block)).is_some_and(|end| end <= self.data.size());
        match place {
            Some(place) if is_inside => Ok(Some(place)),
            _ => Err(DiskError::damaged(
                format!("the map of block {block}"),
                format!("it leads to block {} beyond the end of the pool", value >> TIME_BITS),
            )),
        }
    }
}

impl Device for Thin {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, mut buffer: &mut [u8], mut offset: u64) -> Result<(), DiskError> {
        while !buffer.is_empty() {
            let inside = offset % self.block;
            let count = buffer.len().min(usize::try_from(self.block - inside).unwrap_or(usize::MAX));
            let (piece, rest) = buffer.split_at_mut(count);
            match self.place(offset / self.block)? {
                Some(place) => self.data.read(piece, place + inside)?,
                None => piece.fill(0),
            }
            offset += count as u64;
            buffer = rest;
        }
        Ok(())
    }
}
