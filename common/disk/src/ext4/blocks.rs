//! The blocks of a device, as they are once a journal has been replayed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::device::Device;
use crate::error::DiskError;

/// Blocks by number.
pub struct Blocks {
    device: Arc<dyn Device>,
    /// Bytes of a block.
    size: u64,
    /// Blocks whose newest content stands in the journal.
    changes: HashMap<u64, Change>,
}

/// Where a block's newest content stands.
#[derive(Clone, Copy)]
pub struct Change {
    /// Block of the device.
    pub place: u64,
    /// Whether its first four bytes were taken out, since they looked like the journal's own.
    pub is_escaped: bool,
}

impl Blocks {
    /// Those of a device.
    pub fn new(device: Arc<dyn Device>, size: u64) -> Blocks {
        Blocks { device, size, changes: HashMap::new() }
    }

    /// Bytes of a block.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads some blocks from other places from now on.
    pub fn replace(&mut self, changes: HashMap<u64, Change>) {
        self.changes = changes;
    }

    /// A whole block.
    pub fn block(&self, number: u64) -> Result<Vec<u8>, DiskError> {
        let mut raw = vec![0; self.size as usize];
        self.read(&mut raw, number, 0)?;
        Ok(raw)
    }

    /// Bytes from anywhere of the device.
    pub fn bytes(&self, offset: u64, size: usize) -> Result<Vec<u8>, DiskError> {
        let mut raw = vec![0; size];
        self.read(&mut raw, offset / self.size, offset % self.size)?;
        Ok(raw)
    }

    /// Bytes of a run of blocks, from `inside` of the first.
    pub fn read(&self, mut buffer: &mut [u8], mut number: u64, mut inside: u64) -> Result<(), DiskError> {
        if self.changes.is_empty() {
            return self.device.read(buffer, self.offset(number, inside)?);
        }
        while !buffer.is_empty() {
            let count = buffer.len().min(usize::try_from(self.size - inside).unwrap_or(usize::MAX));
            let (piece, rest) = buffer.split_at_mut(count);
            match self.changes.get(&number) {
                None => self.device.read(piece, self.offset(number, inside)?)?,
                Some(change) => {
                    self.device.read(piece, self.offset(change.place, inside)?)?;
                    if change.is_escaped {
                        restore(piece, inside);
                    }
                }
            }
            (number, inside, buffer) = (number + 1, 0, rest);
        }
        Ok(())
    }

    fn offset(&self, number: u64, inside: u64) -> Result<u64, DiskError> {
        let offset = number.checked_mul(self.size).and_then(|start| start.checked_add(inside));
        offset
            .filter(|&offset| offset < self.device.size())
            .ok_or_else(|| DiskError::damaged(format!("block {number}"), "it lies beyond the end of the device"))
    }
}

/// Puts back the four bytes that were taken out.
fn restore(piece: &mut [u8], inside: u64) {
    for (at, byte) in super::journal::MAGIC.iter().enumerate().skip(usize::try_from(inside).unwrap_or(usize::MAX)) {
        if let Some(place) = piece.get_mut(at - inside as usize) {
            *place = *byte;
        }
    }
}
