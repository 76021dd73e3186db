//! What a journal holds that is not yet in its place (linux 6.12 include/linux/jbd2.h, fs/jbd2/recovery.c).
//!
//! Checksums of the journal are not looked at: a transaction counts when its commit block is there, as for the kernel
//! where the journal has none.

use std::collections::HashMap;

use super::Ext4;
use super::blocks::Change;
use super::map::{self, Run};
use crate::bytes::Bytes;
use crate::error::DiskError;

/// The beginning of each of its own blocks, big endian.
pub const MAGIC: [u8; 4] = [0xC0, 0x3B, 0x39, 0x98];

/// Blocks of a journal that are looked at: 2 GiB of 4 KiB each, twice what mke2fs makes for the largest filesystems.
const MOST_BLOCKS: u64 = 524_288;
/// Blocks that may be revoked; 64 MiB of memory.
const MOST_REVOKED: usize = 2_000_000;

const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;

const WIDE: u32 = 0x2;
const CHECKSUMS_2: u32 = 0x8;
const CHECKSUMS_3: u32 = 0x10;
const FAST_COMMITS: u32 = 0x20;

/// Blocks of the device whose newest content is in the journal.
pub fn changes(ext4: &Ext4) -> Result<HashMap<u64, Change>, DiskError> {
    let inode = ext4.inode(ext4.superblock.journal)?;
    let runs = map::runs(ext4, &inode)?;
    let Some(log) = Log::open(ext4, &runs, inode.size / ext4.superblock.block)? else { return Ok(HashMap::new()) };
    let mut replay = Replay::default();
    log.walk(&mut replay)?;
    Ok(replay.changes())
}

struct Log<'a> {
    ext4: &'a Ext4,
    runs: &'a [Run],
    /// Blocks of the log, and the first that holds anything but its superblock.
    end: u64,
    first: u64,
    /// Where the oldest transaction begins, and its number.
    start: u64,
    sequence: u32,
    features: u32,
}

/// What was met, in order.
#[derive(Default)]
struct Replay {
    written: Vec<(u32, u64, Change)>,
    revoked: HashMap<u64, u32>,
}

/// What one transaction says before it is known to be complete.
#[derive(Default)]
struct Pending {
    written: Vec<(u64, Change)>,
    revoked: Vec<u64>,
}

impl Replay {
    fn commit(&mut self, sequence: u32, pending: Pending) {
        self.written.extend(pending.written.into_iter().map(|(block, change)| (sequence, block, change)));
        self.revoked.extend(pending.revoked.into_iter().map(|block| (block, sequence)));
    }

    /// A block that was revoked is not written by that transaction nor by those before it.
    fn changes(self) -> HashMap<u64, Change> {
        let is_valid = |sequence: u32, block: &u64| {
            self.revoked.get(block).is_none_or(|revoked| sequence.wrapping_sub(*revoked) as i32 > 0)
        };
        let valid = self.written.iter().filter(|(sequence, block, _)| is_valid(*sequence, block));
        valid.map(|(_, block, change)| (*block, *change)).collect()
    }
}

impl<'a> Log<'a> {
    /// `None` where nothing is in it.
    fn open(ext4: &'a Ext4, runs: &'a [Run], size: u64) -> Result<Option<Log<'a>>, DiskError> {
        let mut log = Log { ext4, runs, end: size, first: 0, start: 0, sequence: 0, features: 0 };
        let raw = log.block(0)?;
        if raw[..4] != MAGIC || u64::from(raw.be32(12)) != ext4.superblock.block {
            return Err(damaged("its superblock is none"));
        }
        if raw.be32(4) == 4 {
            log.features = raw.be32(40);
        }
        if log.features & FAST_COMMITS != 0 {
            ext4.find("journal-lost", "the journal may hold fast commits, which are not read".into());
        }
        (log.first, log.sequence, log.start) = (u64::from(raw.be32(20)), raw.be32(24), u64::from(raw.be32(28)));
        let count = u64::from(raw.be32(16));
        let fast = if log.features & FAST_COMMITS != 0 { u64::from(raw.be32(84)) } else { 0 };
        if count > MOST_BLOCKS {
            return Err(damaged("it is larger than any that is read"));
        }
        if count > size || log.first == 0 || log.first >= count || log.start >= count || fast >= count - log.first {
            return Err(damaged("its sizes contradict one another"));
        }
        log.end = count - fast;
        Ok((log.start != 0).then_some(log))
    }

    fn place(&self, block: u64) -> Result<u64, DiskError> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end() <= block));
        run.filter(|run| run.logical <= block)
            .map(|run| run.physical + (block - run.logical))
            .ok_or_else(|| damaged("it has holes"))
    }

    fn block(&self, number: u64) -> Result<Vec<u8>, DiskError> {
        self.ext4.blocks.block(self.place(number)?)
    }

    fn after(&self, block: u64) -> u64 {
        if block + 1 >= self.end { self.first } else { block + 1 }
    }

    /// From the oldest transaction to the first block that belongs to none; at most once around.
    fn walk(&self, replay: &mut Replay) -> Result<(), DiskError> {
        let (mut at, mut sequence, mut pending) = (self.start, self.sequence, Pending::default());
        let mut left = self.end - self.first;
        while left > 0 {
            let raw = self.block(at)?;
            if raw[..4] != MAGIC || raw.be32(8) != sequence {
                return Ok(());
            }
            (at, left) = (self.after(at), left - 1);
            match raw.be32(4) {
                DESCRIPTOR => {
                    for (block, is_escaped) in self.tags(&raw) {
                        if left == 0 {
                            return Ok(());
                        }
                        pending.written.push((block, Change { place: self.place(at)?, is_escaped }));
                        (at, left) = (self.after(at), left - 1);
                    }
                }
                COMMIT => {
                    replay.commit(sequence, std::mem::take(&mut pending));
                    sequence = sequence.wrapping_add(1);
                }
                REVOKE if replay.revoked.len() + pending.revoked.len() < MOST_REVOKED => {
                    pending.revoked.extend(self.revoked(&raw));
                }
                REVOKE => return Err(damaged("it revokes more blocks than are followed")),
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// The blocks that a descriptor's followers belong to, and whether each was escaped.
    fn tags(&self, raw: &[u8]) -> Vec<(u64, bool)> {
        const ESCAPED: u32 = 1;
        const SAME_UUID: u32 = 2;
        const LAST: u32 = 8;
        let is_wide = self.features & WIDE != 0;
        let has_long = self.features & CHECKSUMS_3 != 0;
        let has_checksums = self.features & (CHECKSUMS_2 | CHECKSUMS_3) != 0;
        let size = match (has_long, is_wide) {
            (true, _) => 16,
            (false, wide) => 8 + if wide { 4 } else { 0 } + if self.features & CHECKSUMS_2 != 0 { 2 } else { 0 },
        };
        let end = raw.len() - if has_checksums { 4 } else { 0 };
        let (mut at, mut out) = (12, Vec::new());
        while at + size <= end {
            let flags = if has_long { raw.be32(at + 4) } else { raw.be32(at + 4) & 0xFFFF };
            let upper = if is_wide { raw.be32(at + 8) } else { 0 };
            out.push((u64::from(raw.be32(at)) | u64::from(upper) << 32, flags & ESCAPED != 0));
            at += size + if flags & SAME_UUID == 0 { 16 } else { 0 };
            if flags & LAST != 0 {
                break;
            }
        }
        out
    }

    fn revoked(&self, raw: &[u8]) -> Vec<u64> {
        let size = if self.features & WIDE != 0 { 8 } else { 4 };
        let end = (raw.be32(12) as usize).min(raw.len());
        let numbers = raw.get(16..end).unwrap_or_default().chunks_exact(size);
        let number = |raw: &[u8]| raw.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        numbers.map(number).collect()
    }
}

fn damaged(why: &str) -> DiskError {
    DiskError::damaged("the journal", why)
}
