//! Where a file's blocks lie: a tree of extents, or the older map of blocks
//! (linux 6.12 fs/ext4/ext4_extents.h; Documentation/filesystems/ext4/{ifork,blockmap}.rst).

use super::Ext4;
use super::inode::Inode;
use crate::bytes::Bytes;
use crate::error::DiskError;

/// Blocks of a file that lie side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// First block of the file.
    pub logical: u64,
    /// First block of the device.
    pub physical: u64,
    /// How many.
    pub count: u64,
}

impl Run {
    /// The block of the file after the last.
    pub fn end(&self) -> u64 {
        self.logical + self.count
    }
}

/// Pieces of one file that are followed; 48 MiB of memory.
const MOST: usize = 2_000_000;
/// Blocks full of the places of blocks that are read for one file: 256 GiB of content.
const MOST_MAPS: usize = 65_536;
const DEPTH: u16 = 5;

/// The runs of a file in order. Extents that were reserved and never written are left out, as holes.
pub fn runs(ext4: &Ext4, inode: &Inode) -> Result<Vec<Run>, DiskError> {
    let mut runs = Runs { list: Vec::new(), next: 0 };
    if inode.has_extents() {
        extents(ext4, inode.map(), None, &mut runs)?;
    } else {
        let mut maps = 0;
        pointers(ext4, inode, &mut runs, &mut maps)?;
    }
    Ok(runs.list)
}

struct Runs {
    list: Vec<Run>,
    /// Nothing may come before this block of the file any more.
    next: u64,
}

impl Runs {
    fn add(&mut self, run: Run, is_written: bool) -> Result<(), DiskError> {
        if run.logical < self.next || run.count == 0 {
            return Err(damaged("its extents are out of order"));
        }
        self.next = run.end();
        if !is_written {
            return Ok(());
        }
        if let Some(last) = self.list.last_mut()
            && last.end() == run.logical
            && last.physical + last.count == run.physical
        {
            last.count += run.count;
            return Ok(());
        }
        if self.list.len() >= MOST {
            return Err(damaged("it has more pieces than are followed"));
        }
        self.list.push(run);
        Ok(())
    }
}

fn damaged(why: &str) -> DiskError {
    DiskError::damaged("the map of a file", why)
}

/// One node of the tree: twelve bytes of header, then entries of twelve. Below the top, a node without entries does not
/// occur: so every one that is read moves on within the file, and the walk ends.
fn extents(ext4: &Ext4, raw: &[u8], above: Option<u16>, runs: &mut Runs) -> Result<(), DiskError> {
    const MAGIC: u16 = 0xF30A;
    let (count, depth) = (usize::from(raw.u16(2)), raw.u16(6));
    let fits = 12 + count * 12 <= raw.len();
    let is_level = above.map_or(depth <= DEPTH, |above| depth + 1 == above && count > 0);
    if raw.u16(0) != MAGIC || !fits || !is_level {
        return Err(damaged("a node of it is none"));
    }
    for entry in raw[12..12 + count * 12].chunks_exact(12) {
        if depth == 0 {
            let (run, is_written) = extent(entry);
            runs.add(run, is_written)?;
        } else {
            let child = u64::from(entry.u32(4)) | u64::from(entry.u16(8)) << 32;
            extents(ext4, &ext4.blocks.block(child)?, Some(depth), runs)?;
        }
    }
    Ok(())
}

fn extent(entry: &[u8]) -> (Run, bool) {
    // Longer ones say that their blocks were reserved and not written.
    const LONGEST: u16 = 32_768;
    let length = entry.u16(4);
    let physical = u64::from(entry.u32(8)) | u64::from(entry.u16(6)) << 32;
    let count = if length > LONGEST { length - LONGEST } else { length };
    (Run { logical: u64::from(entry.u32(0)), physical, count: u64::from(count) }, length <= LONGEST)
}

/// Twelve blocks, then one each of one, two and three levels.
fn pointers(ext4: &Ext4, inode: &Inode, runs: &mut Runs, maps: &mut usize) -> Result<(), DiskError> {
    let size = ext4.superblock.block;
    let end = inode.size.div_ceil(size);
    let each = size / 4;
    let mut logical = 0;
    for at in 0..12 {
        point(u64::from(inode.map().u32(at * 4)), logical, end, runs)?;
        logical += 1;
    }
    for (level, at) in (1..=3).zip(12..) {
        indirect(ext4, u64::from(inode.map().u32(at * 4)), level, logical, end, runs, maps)?;
        logical += each.pow(level);
    }
    Ok(())
}

fn point(physical: u64, logical: u64, end: u64, runs: &mut Runs) -> Result<(), DiskError> {
    if physical == 0 || logical >= end { Ok(()) } else { runs.add(Run { logical, physical, count: 1 }, true) }
}

fn indirect(
    ext4: &Ext4,
    block: u64,
    level: u32,
    logical: u64,
    end: u64,
    runs: &mut Runs,
    maps: &mut usize,
) -> Result<(), DiskError> {
    if block == 0 || logical >= end {
        return Ok(());
    }
    *maps += 1;
    if *maps > MOST_MAPS {
        return Err(damaged("it has more pieces than are followed"));
    }
    let raw = ext4.blocks.block(block)?;
    let step = (ext4.superblock.block / 4).pow(level - 1);
    for (at, number) in (0u64..).zip(raw.chunks_exact(4)) {
        let (next, logical) = (u64::from(number.u32(0)), logical + at * step);
        if level == 1 {
            point(next, logical, end, runs)?;
        } else {
            indirect(ext4, next, level - 1, logical, end, runs, maps)?;
        }
    }
    Ok(())
}
