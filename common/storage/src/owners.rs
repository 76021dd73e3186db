//! Owners as they are inside a user namespace, where those on disk are shifted.

use hostfs::Stat;
use model::{IdMap, Metadata, Xattrs};

/// The attributes of a name as they are inside.
pub fn metadata(stat: &Stat, xattrs: Xattrs, ids: &IdMap) -> Metadata {
    Metadata {
        mode: stat.mode,
        uid: ids.uid_inside(stat.uid),
        gid: ids.gid_inside(stat.gid),
        mtime: stat.mtime,
        xattrs: inward(xattrs, ids),
    }
}

/// Attributes that name owners, with the owners as they are inside.
fn inward(mut xattrs: Xattrs, ids: &IdMap) -> Xattrs {
    if ids.uids.is_empty() && ids.gids.is_empty() {
        return xattrs;
    }
    for (name, value) in &mut xattrs {
        match &**name {
            b"security.capability" => *value = capability(value, ids),
            b"system.posix_acl_access" | b"system.posix_acl_default" => acl(value, ids),
            _ => {}
        }
    }
    xattrs
}

/// A capability of revision 3 names the root user of a namespace in its last word; that of revision 2 means uid 0
/// (include/uapi/linux/capability.h, vfs_ns_cap_data).
fn capability(value: &[u8], ids: &IdMap) -> Box<[u8]> {
    const REVISION: usize = 3;
    let outside = match value.split_at_checked(20) {
        Some((data, [])) if data[REVISION] == 2 => 0,
        Some((data, root)) if data[REVISION] == 3 && root.len() == 4 => word(root),
        _ => return value.into(),
    };
    let root = ids.uid_inside(u64::from(outside)) as u32;
    let mut inside = value[..20].to_vec();
    inside[REVISION] = if root == 0 { 2 } else { 3 };
    if root != 0 {
        inside.extend_from_slice(&root.to_le_bytes());
    }
    inside.into()
}

/// An access control list: a version word, then tag, permission and id of each entry (include/uapi/linux/posix_acl_xattr.h).
fn acl(value: &mut [u8], ids: &IdMap) {
    const USER: u16 = 2;
    const GROUP: u16 = 8;
    let Some(entries) = value.get_mut(4..) else { return };
    for entry in entries.chunks_exact_mut(8) {
        let outside = u64::from(word(&entry[4..]));
        let inside = match u16::from_le_bytes([entry[0], entry[1]]) {
            USER => ids.uid_inside(outside),
            GROUP => ids.gid_inside(outside),
            _ => continue,
        };
        entry[4..].copy_from_slice(&(inside as u32).to_le_bytes());
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::IdRange;

    #[test]
    fn owners_named_by_attributes_are_those_inside() {
        let range = IdRange { inside: 0, outside: 231_072, size: 65_536 };
        let ids = IdMap { uids: vec![range], gids: vec![range] };
        // As found in docker-20.10.24-overlay2-userns: cap_net_raw=ep of the namespace's root.
        let outside = [1, 0, 0, 3, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0x86, 3, 0];
        assert_eq!(&*capability(&outside, &ids), &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        // As podman 5 exports a lower layer that lies as the image has it: from outside it is the namespace's root's.
        let lower = [1, 0, 0, 2, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(&*capability(&lower, &ids), &lower);
        let outward = IdMap { uids: vec![range], gids: vec![range] }.outward();
        assert_eq!(&*capability(&lower, &outward), [&[1, 0, 0, 3], &lower[4..], &[0xa0, 0x86, 3, 0]].concat());
        let mut list = [2, 0, 0, 0, 2, 0, 7, 0, 0xa1, 0x86, 3, 0, 4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff];
        acl(&mut list, &ids);
        assert_eq!(list, [2, 0, 0, 0, 2, 0, 7, 0, 1, 0, 0, 0, 4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff]);
    }
}
