//! A file by its number (linux 6.12 fs/ext4/ext4.h, struct ext4_inode).

use hostfs::{FileKind, Stat};
use model::Timestamp;

use super::blocks::Blocks;
use super::superblock::Superblock;
use crate::bytes::Bytes;
use crate::error::DiskError;

const EXTENTS: u32 = 0x8_0000;
const INLINE: u32 = 0x1000_0000;
const ENCRYPTED: u32 = 0x800;
const HUGE: u32 = 0x4_0000;

/// An inode's bytes, and what they say.
pub struct Inode {
    raw: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// Bytes of its content.
    pub size: u64,
}

/// Reads one.
pub fn read(superblock: &Superblock, blocks: &Blocks, number: u64) -> Result<Inode, DiskError> {
    let damaged = |why: String| DiskError::damaged(format!("inode {number}"), why);
    if number == 0 || number > superblock.inodes {
        return Err(damaged("there is none of that number".into()));
    }
    let (group, index) = ((number - 1) / superblock.inodes_per_group, (number - 1) % superblock.inodes_per_group);
    let (block, inside) = superblock.descriptor_of(group);
    let mut descriptor = vec![0; if superblock.is_wide() { 64 } else { 32 }];
    blocks.read(&mut descriptor, block, inside)?;
    let table = u64::from(descriptor.u32(8)) | u64::from(descriptor.u32(40)) << 32;
    let offset = index * superblock.inode_size;
    let mut raw = vec![0; superblock.inode_size as usize];
    blocks.read(&mut raw, table.saturating_add(offset / blocks.size()), offset % blocks.size())?;
    let kind = kind(&raw).ok_or_else(|| damaged(format!("its mode {:o} is none", raw.u16(0))))?;
    // 2^32 blocks is the most that an extent can name.
    let most = blocks.size() << 32;
    let size = match kind {
        FileKind::File | FileKind::Directory => u64::from(raw.u32(4)) | u64::from(raw.u32(108)) << 32,
        _ => u64::from(raw.u32(4)),
    };
    if size > most {
        return Err(damaged(format!("it says that it has {size} bytes")));
    }
    let inode = Inode { raw, kind, size };
    if inode.flags() & ENCRYPTED != 0 {
        return Err(DiskError::Unsupported("encryption"));
    }
    Ok(inode)
}

fn kind(raw: &[u8]) -> Option<FileKind> {
    Some(match raw.u16(0) >> 12 {
        0x1 => FileKind::Fifo,
        0x2 => device(raw, FileKind::CharDevice),
        0x4 => FileKind::Directory,
        0x6 => device(raw, FileKind::BlockDevice),
        0x8 => FileKind::File,
        0xA => FileKind::Symlink,
        0xC => FileKind::Socket,
        _ => return None,
    })
}

/// Two forms of device numbers: sixteen bits, or thirty-two beside them (fs/ext4/inode.c, linux/kdev_t.h).
fn device(raw: &[u8], kind: fn(u32, u32) -> FileKind) -> FileKind {
    match (raw.u32(40), raw.u32(44)) {
        (0, new) => kind((new & 0xF_FF00) >> 8, new & 0xFF | (new >> 12) & 0xF_FF00),
        (old, _) => kind(old >> 8 & 0xFF, old & 0xFF),
    }
}

impl Inode {
    /// The sixty bytes that hold the map of its blocks, or its content.
    pub fn map(&self) -> &[u8] {
        &self.raw[40..100]
    }

    /// Whether the map is a tree of extents.
    pub fn has_extents(&self) -> bool {
        self.flags() & EXTENTS != 0
    }

    /// Whether the content is in the inode.
    pub fn is_inline(&self) -> bool {
        self.flags() & INLINE != 0
    }

    /// The room behind the fixed fields, for attributes.
    pub fn room(&self) -> &[u8] {
        self.raw.get(128 + usize::from(self.extra())..).unwrap_or_default()
    }

    /// The block that holds more attributes; 0 for none.
    pub fn attribute_block(&self) -> u64 {
        u64::from(self.raw.u32(104)) | u64::from(self.raw.u16(118)) << 32
    }

    /// Attributes, with the numbers that a tree gives.
    pub fn stat(&self, device: u64, number: u64, block: u64) -> Stat {
        let unit = if self.flags() & HUGE != 0 { block } else { 512 };
        let count = u64::from(self.raw.u32(28)) | u64::from(self.raw.u16(116)) << 32;
        Stat {
            kind: self.kind,
            mode: u32::from(self.raw.u16(0)) & 0o7777,
            uid: u64::from(self.raw.u16(2)) | u64::from(self.raw.u16(120)) << 16,
            gid: u64::from(self.raw.u16(24)) | u64::from(self.raw.u16(122)) << 16,
            size: if matches!(self.kind, FileKind::CharDevice(..) | FileKind::BlockDevice(..)) { 0 } else { self.size },
            allocated: count.saturating_mul(unit),
            mtime: self.time(16, 136),
            ctime: self.time(12, 132),
            atime: self.time(8, 140),
            born: (self.has(144)).then(|| self.time(144, 148)),
            links: u64::from(self.raw.u16(26)),
            inode: (device, number),
        }
    }

    /// Seconds, signed; two bits above them and nanoseconds stand where the inode is long enough.
    fn time(&self, at: usize, more: usize) -> Timestamp {
        let seconds = i64::from(self.raw.u32(at) as i32);
        let more = if self.has(more) { self.raw.u32(more) } else { 0 };
        Timestamp { seconds: seconds + (i64::from(more & 3) << 32), nanos: (more >> 2).min(999_999_999) }
    }

    fn has(&self, field: usize) -> bool {
        self.raw.len() > 128 && field + 4 <= 128 + usize::from(self.extra())
    }

    /// Bytes of the fixed fields beyond the first 128.
    fn extra(&self) -> u16 {
        if self.raw.len() > 128 { self.raw.u16(128) } else { 0 }
    }

    fn flags(&self) -> u32 {
        self.raw.u32(32)
    }
}
