//! Extended attributes, in the inode and in one block beside it (linux 6.12 Documentation/filesystems/ext4/attributes.rst,
//! fs/ext4/{xattr,acl}.h).

use model::Xattrs;

use super::Ext4;
use super::inode::Inode;
use super::map;
use crate::bytes::Bytes;
use crate::error::DiskError;

const MAGIC: u32 = 0xEA02_0000;
/// The kernel's own limit for one value.
const LONGEST: usize = 65_536;

/// Attributes by their full names.
pub fn read(ext4: &Ext4, inode: &Inode) -> Result<Xattrs, DiskError> {
    let mut out = Xattrs::new();
    for (index, name, value) in stored(ext4, inode)? {
        let beginning: &[u8] = match index {
            1 => b"user.",
            2 => b"system.posix_acl_access",
            3 => b"system.posix_acl_default",
            4 => b"trusted.",
            6 => b"security.",
            7 if name == b"data" => continue,
            7 => b"system.",
            8 => b"system.richacl",
            _ => return Err(damaged("a name begins in an unknown way")),
        };
        let value = if matches!(index, 2 | 3) { acl(&value).ok_or_else(|| damaged("an ACL is none"))? } else { value };
        out.insert([beginning, &name].concat().into(), value.into());
    }
    Ok(out)
}

/// The part of a file's content that did not fit beside its map.
pub fn inline(ext4: &Ext4, inode: &Inode) -> Result<Option<Vec<u8>>, DiskError> {
    let all = stored(ext4, inode)?;
    Ok(all.into_iter().find(|(index, name, _)| *index == 7 && name == b"data").map(|(_, _, value)| value))
}

type Stored = (u8, Vec<u8>, Vec<u8>);

fn stored(ext4: &Ext4, inode: &Inode) -> Result<Vec<Stored>, DiskError> {
    let mut out = Vec::new();
    let room = inode.room();
    // Values are counted from the first entry here, from the beginning of the block there.
    if room.len() > 4 && room.u32(0) == MAGIC {
        entries(ext4, &room[4..], 0, &mut out)?;
    }
    if inode.attribute_block() != 0 {
        let raw = ext4.blocks.block(inode.attribute_block())?;
        if raw.u32(0) != MAGIC {
            return Err(damaged("their block is none"));
        }
        entries(ext4, &raw, 32, &mut out)?;
    }
    Ok(out)
}

fn entries(ext4: &Ext4, raw: &[u8], mut at: usize, out: &mut Vec<Stored>) -> Result<(), DiskError> {
    // Four zeros end the list.
    while at + 4 <= raw.len() && raw.u32(at) != 0 {
        let (name_size, index) = (usize::from(raw[at]), raw[at + 1]);
        let (place, inode, size) = (usize::from(raw.u16(at + 2)), raw.u32(at + 4), raw.u32(at + 8) as usize);
        let name = raw.get(at + 16..at + 16 + name_size).ok_or_else(|| damaged("a name leads out"))?;
        if size > LONGEST {
            return Err(damaged("a value is longer than any can be"));
        }
        let value = if inode != 0 {
            far(ext4, u64::from(inode), size)?
        } else {
            raw.get(place..place + size).ok_or_else(|| damaged("a value leads out"))?.to_vec()
        };
        out.push((index, name.to_vec(), value));
        at += (16 + name_size).next_multiple_of(4);
    }
    Ok(())
}

/// A value in an inode of its own.
fn far(ext4: &Ext4, number: u64, size: usize) -> Result<Vec<u8>, DiskError> {
    let inode = ext4.inode(number)?;
    let mut value = vec![0; size];
    ext4.content(&map::runs(ext4, &inode)?, &mut value, 0)?;
    Ok(value)
}

/// An ACL as programs see it: on disk, entries of no particular user or group lack the number.
fn acl(raw: &[u8]) -> Option<Vec<u8>> {
    const USER: u16 = 2;
    const GROUP: u16 = 8;
    if raw.len() < 4 || raw.u32(0) != 1 {
        return None;
    }
    let mut out = 2u32.to_le_bytes().to_vec();
    let mut at = 4;
    while at < raw.len() {
        let long = matches!(raw.u16(at), USER | GROUP);
        let entry = raw.get(at..at + if long { 8 } else { 4 })?;
        out.extend_from_slice(entry);
        if !long {
            out.extend_from_slice(&u32::MAX.to_le_bytes());
        }
        at += entry.len();
    }
    Some(out)
}

fn damaged(why: &str) -> DiskError {
    DiskError::damaged("the attributes of a file", why)
}
