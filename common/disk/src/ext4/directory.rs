//! Names of a directory (linux 6.12 Documentation/filesystems/ext4/directory.rst). Hashed directories keep their index in
//! entries without an inode, so that all are read one after the other.

use super::Ext4;
use super::inode::Inode;
use super::{attributes, map};
use crate::bytes::Bytes;
use crate::error::DiskError;

/// Names and inodes, sorted by name.
pub type Names = Vec<(Box<[u8]>, u64)>;

/// Names that one directory may hold; no more fit into memory that we may take.
const MOST: usize = 1_000_000;

/// Names of a directory, and what is damaged of it.
pub fn read(ext4: &Ext4, inode: &Inode) -> Result<(Names, Vec<String>), DiskError> {
    let mut list = List { names: Vec::new(), damage: Vec::new() };
    if inode.is_inline() {
        // The number of the directory above stands where other directories have `.` and `..`.
        list.block(&inode.map()[4..]);
        list.block(&attributes::inline(ext4, inode)?.unwrap_or_default());
    } else {
        let size = ext4.superblock.block;
        let end = inode.size / size;
        for run in map::runs(ext4, inode)? {
            for block in run.logical..run.end().min(end) {
                match ext4.blocks.block(run.physical + (block - run.logical)) {
                    Ok(raw) => list.block(&raw),
                    Err(error) => list.damage.push(error.to_string()),
                }
                if list.names.len() > MOST || list.damage.len() > MOST {
                    list.damage.push(format!("it has more than {MOST} names; the rest is left out"));
                    return Ok(list.sorted());
                }
            }
        }
    }
    Ok(list.sorted())
}

struct List {
    names: Names,
    damage: Vec<String>,
}

impl List {
    /// Entries: inode, length of the entry, length of the name, type, name.
    fn block(&mut self, raw: &[u8]) {
        let mut at = 0;
        while at + 8 <= raw.len() {
            let (inode, name) = (u64::from(raw.u32(at)), usize::from(raw[at + 6]));
            // 65536 does not fit into sixteen bits.
            let length = match raw.u16(at + 4) {
                0 | 0xFFFF if raw.len() == 65_536 => 65_536 - at,
                length => usize::from(length),
            };
            if length < 8 || length % 4 != 0 || at + length > raw.len() || (inode != 0 && name + 8 > length) {
                self.damage.push(format!("an entry says that it has {length} bytes; those behind it are left out"));
                return;
            }
            if inode != 0 {
                self.name(&raw[at + 8..at + 8 + name], inode);
            }
            at += length;
        }
    }

    fn name(&mut self, name: &[u8], inode: u64) {
        if name == b"." || name == b".." {
            return;
        }
        if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
            self.damage.push(format!("'{}' is no name; it is left out", model::path::shown(name)));
            return;
        }
        self.names.push((name.into(), inode));
    }

    fn sorted(mut self) -> (Names, Vec<String>) {
        self.names.sort();
        let before = self.names.len();
        self.names.dedup_by(|later, earlier| later.0 == earlier.0);
        if self.names.len() < before {
            self.damage.push(format!("{} names come twice; the first of each is shown", before - self.names.len()));
        }
        (self.names, self.damage)
    }
}
