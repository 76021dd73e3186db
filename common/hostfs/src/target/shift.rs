//! Owners of a user namespace: what was made with the ids of inside gets those of the disk.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::remove::names;

/// The ids that a root's user namespace has on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shift {
    /// User 0 of inside.
    pub uid: u32,
    /// Group 0 of inside.
    pub gid: u32,
    /// How many of each.
    pub count: u32,
}

impl Shift {
    /// An id of inside on disk. One that is of the disk already stays, so shifting twice is no harm; one that is neither
    /// cannot be had.
    fn id(first: u32, count: u32, id: u32) -> Result<u32, Errno> {
        match id {
            _ if id.checked_sub(first).is_some_and(|above| above < count) => Ok(id),
            _ if id < count => Ok(first + id),
            _ => Err(Errno::OVERFLOW),
        }
    }
}

/// Shifts a directory and all below it. Nothing is followed.
pub(super) fn tree(top: OwnedFd, shift: Shift) -> Result<(), (CString, Errno)> {
    let own = CString::from(c".");
    one(top.as_fd(), &own, shift).map_err(|errno| (own, errno))?;
    let mut folders = vec![top];
    while let Some(folder) = folders.pop() {
        for (name, is_dir) in names(folder.as_fd()).map_err(|errno| (CString::from(c"."), errno))? {
            one(folder.as_fd(), &name, shift).map_err(|errno| (name.clone(), errno))?;
            if is_dir {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let below = fs::openat(&folder, &name, flags, Mode::empty()).map_err(|errno| (name, errno))?;
                folders.push(below);
            }
        }
    }
    Ok(())
}

fn one(folder: BorrowedFd, name: &CStr, shift: Shift) -> Result<(), Errno> {
    let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let uid = Shift::id(shift.uid, shift.count, stat.st_uid)?;
    let gid = Shift::id(shift.gid, shift.count, stat.st_gid)?;
    if (uid, gid) == (stat.st_uid, stat.st_gid) {
        return Ok(());
    }
    let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
    // By the folder's handle: a link's own attributes can be had by path only.
    let path = [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name.to_bytes()].concat();
    let kept: Vec<(&str, Vec<u8>)> =
        OWNED.iter().filter(|_| !is_link).filter_map(|own| Some((*own, xattr(&path, own)?))).collect();
    let (own, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    fs::chownat(folder, name, own, group, AtFlags::SYMLINK_NOFOLLOW)?;
    // A change of owner takes the setuid bit and the capability away.
    if !is_link && stat.st_mode & 0o6000 != 0 {
        fs::chmodat(folder, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
    }
    for (own, value) in kept {
        fs::lsetxattr(&path[..], own, &shifted(own, value, shift)?, XattrFlags::empty())?;
    }
    Ok(())
}

/// Attributes that name owners.
const OWNED: [&str; 3] = ["security.capability", "system.posix_acl_access", "system.posix_acl_default"];

fn xattr(path: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 64 << 10];
    let size = fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(size);
    Some(value)
}

fn shifted(name: &str, mut value: Vec<u8>, shift: Shift) -> Result<Vec<u8>, Errno> {
    if name == OWNED[0] {
        // Revision 2 means the machine's root; revision 3 names the root of a namespace in a last word
        // (include/uapi/linux/capability.h, vfs_ns_cap_data).
        if value.len() == 20 && value[3] == 2 {
            value[3] = 3;
            value.extend_from_slice(&shift.uid.to_le_bytes());
        }
        return Ok(value);
    }
    // A version word, then tag, permission and id of each entry (include/uapi/linux/posix_acl_xattr.h).
    for entry in value.get_mut(4..).into_iter().flat_map(|entries| entries.chunks_exact_mut(8)) {
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let id = match u16::from_le_bytes([entry[0], entry[1]]) {
            2 => Shift::id(shift.uid, shift.count, id)?,
            8 => Shift::id(shift.gid, shift.count, id)?,
            _ => continue,
        };
        entry[4..].copy_from_slice(&id.to_le_bytes());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shifted_once() {
        let of = |id| Shift::id(231_072, 65_536, id);
        assert_eq!(of(0), Ok(231_072));
        assert_eq!(of(231_072), Ok(231_072));
        assert_eq!(of(65_535), Ok(296_607));
        assert_eq!(of(65_536), Err(Errno::OVERFLOW));
    }
}
