//! How much a file system can still take.

use std::os::fd::BorrowedFd;

use rustix::fs;
use rustix::io::Errno;

/// What a file system can still take, for this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Files and directories; `None` where the file system makes them as it goes.
    pub inodes: Option<u64>,
}

pub(super) fn of(fd: BorrowedFd) -> Result<Room, Errno> {
    let raw = fs::fstatvfs(fd)?;
    let privileged = rustix::process::geteuid().is_root();
    let blocks = if privileged { raw.f_bfree } else { raw.f_bavail };
    let inodes = if privileged { raw.f_ffree } else { raw.f_favail };
    Ok(Room { bytes: blocks.saturating_mul(raw.f_frsize), inodes: (raw.f_files > 0).then_some(inodes) })
}

impl Room {
    /// What is needed and what there is, in words, where that is too little.
    pub fn lacks(&self, bytes: u64, inodes: u64) -> Option<(String, String)> {
        if bytes > self.bytes {
            return Some(self.short_of(bytes));
        }
        let has = self.inodes.filter(|&has| inodes > has)?;
        Some((format!("{inodes} inodes"), format!("{has}")))
    }

    pub(super) fn short_of(&self, bytes: u64) -> (String, String) {
        (format!("{bytes} bytes"), format!("{}", self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_said_with_its_unit() {
        let room = Room { bytes: 100, inodes: Some(3) };
        assert_eq!(room.lacks(100, 3), None);
        assert_eq!(room.lacks(101, 9), Some(("101 bytes".into(), "100".into())));
        assert_eq!(room.lacks(1, 4), Some(("4 inodes".into(), "3".into())));
        assert_eq!(Room { bytes: 100, inodes: None }.lacks(1, u64::MAX), None);
    }
}
