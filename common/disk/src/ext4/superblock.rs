//! What a filesystem says of itself (linux 6.12 fs/ext4/ext4.h, struct ext4_super_block).

use crate::bytes::Bytes;
use crate::device::Device;
use crate::error::DiskError;

/// Bytes from the beginning of the device.
pub const AT: u64 = 1024;
/// Bytes.
pub const SIZE: usize = 1024;

const MAGIC: u16 = 0xEF53;

/// What has to be understood, or the filesystem is not.
const COMPRESSED: u32 = 0x1;
const RECOVER: u32 = 0x4;
const JOURNAL_DEVICE: u32 = 0x8;
const META_GROUPS: u32 = 0x10;
const WIDE: u32 = 0x80;
const DATA_IN_ENTRIES: u32 = 0x1000;
/// Those, and file types, extents, multiple mount protection, flexible groups, values in inodes, checksum seed, large
/// directories, inline data, encryption (told file by file) and case folding.
const KNOWN: u32 =
    0x2 | RECOVER | META_GROUPS | 0x40 | WIDE | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;
const SPARSE_SUPERBLOCKS: u32 = 0x1;

/// What is needed of it.
pub struct Superblock {
    /// Bytes of a block.
    pub block: u64,
    /// How many inodes there are.
    pub inodes: u64,
    /// How many of them a group has.
    pub inodes_per_group: u64,
    /// Bytes of an inode.
    pub inode_size: u64,
    /// Whether the journal holds what is not yet in its place.
    pub is_dirty: bool,
    /// The inode of the journal.
    pub journal: u64,
    first_data_block: u64,
    blocks_per_group: u64,
    /// Bytes of a group's descriptor.
    descriptor: u64,
    first_meta_group: Option<u64>,
    has_sparse_superblocks: bool,
}

impl Superblock {
    /// From a device.
    pub fn read(device: &dyn Device) -> Result<Superblock, DiskError> {
        let mut raw = [0; SIZE];
        device.read(&mut raw, AT)?;
        Superblock::parse(&raw)
    }

    /// From its bytes.
    pub fn parse(raw: &[u8]) -> Result<Superblock, DiskError> {
        let damaged = |why: &str| DiskError::damaged("the superblock of the filesystem", why);
        if raw.u16(56) != MAGIC {
            return Err(damaged("its magic number is another"));
        }
        let (incompatible, readable) = (raw.u32(96), raw.u32(100));
        for (bit, name) in [
            (COMPRESSED, "compression"),
            (JOURNAL_DEVICE, "a journal on another device"),
            (DATA_IN_ENTRIES, "data in directory entries"),
        ] {
            if incompatible & bit != 0 {
                return Err(DiskError::Unsupported(name));
            }
        }
        if incompatible & !KNOWN != 0 {
            return Err(DiskError::Unsupported("a feature of ext4 that is newer"));
        }
        let shift = raw.u32(24);
        // 1 KiB to 64 KiB.
        if shift > 6 {
            return Err(damaged("the size of its blocks is none"));
        }
        let is_old = raw.u32(76) == 0;
        let inode_size = if is_old { 128 } else { u64::from(raw.u16(88)) };
        let block = 1024 << shift;
        let descriptor = if incompatible & WIDE != 0 { u64::from(raw.u16(254)) } else { 32 };
        let (inodes_per_group, blocks_per_group) = (u64::from(raw.u32(40)), u64::from(raw.u32(32)));
        let is_wrong = !(128..=block).contains(&inode_size)
            || !inode_size.is_power_of_two()
            || !(32..=block).contains(&descriptor)
            || inodes_per_group == 0
            || blocks_per_group == 0;
        if is_wrong {
            return Err(damaged("its sizes contradict one another"));
        }
        Ok(Superblock {
            block,
            inodes: u64::from(raw.u32(0)),
            inodes_per_group,
            inode_size,
            is_dirty: incompatible & RECOVER != 0,
            journal: u64::from(raw.u32(224)),
            first_data_block: u64::from(raw.u32(20)),
            blocks_per_group,
            descriptor,
            first_meta_group: (incompatible & META_GROUPS != 0).then(|| u64::from(raw.u32(260))),
            has_sparse_superblocks: readable & SPARSE_SUPERBLOCKS != 0,
        })
    }

    /// The block, and the place in it, of a group's descriptor.
    pub fn descriptor_of(&self, group: u64) -> (u64, u64) {
        let each = self.block / self.descriptor;
        let (index, inside) = (group / each, group % each * self.descriptor);
        // Block 1 where blocks have 1 KiB, which need not be the first that counts as data.
        let own = AT / self.block;
        let block = match self.first_meta_group {
            // From there on descriptors stand in the first of the groups that they describe.
            Some(first) if index >= first => {
                let holder = index * each;
                let shifted = if index == 0 { own - self.first_data_block.min(own) } else { 0 };
                let start = self.first_data_block + holder * self.blocks_per_group;
                start + u64::from(self.has_superblock(holder)) + shifted
            }
            _ => own + 1 + index,
        };
        (block, inside)
    }

    /// Whether a descriptor has the upper halves of its numbers.
    pub fn is_wide(&self) -> bool {
        self.descriptor >= 64
    }

    fn has_superblock(&self, group: u64) -> bool {
        let is_power = |of: u64| {
            let mut power = of;
            while power < group {
                power *= of;
            }
            power == group
        };
        !self.has_sparse_superblocks || group <= 1 || is_power(3) || is_power(5) || is_power(7)
    }
}
