//! A view of a directory through which reading leaves no trace, where the kernel gives us one.
//!
//! O_NOATIME covers files and directories, but reading a symbolic link moves its access time whatever was said at open.
//! So a directory is looked at through a copy of its mount that is attached nowhere (open_tree(2), Linux 5.2 and later;
//! mount_setattr(2), 5.12): no path leads to it, no other process sees it, and it ends with our handle. It is set to
//! keep access times, to refuse every write, and to open no device.

// mount_setattr is in neither std nor rustix.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::mount::{OpenTreeFlags, open_tree};

/// The quiet view of a directory; `None` where there is none to be had: for an ordinary user, on an old kernel, and where
/// something is mounted below, which would be hidden (a live daemon's root, whose access times move anyway).
pub(crate) fn view(dir: BorrowedFd) -> Option<OwnedFd> {
    if has_mounts_below(dir)? { None } else { view_alone(dir) }
}

/// The same; what is mounted below is hidden, and the folders it is mounted on show.
pub(crate) fn view_alone(dir: BorrowedFd) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let copy = open_tree(dir, c"", flags).ok()?;
    is_quietened(copy.as_fd()).then_some(copy)
}

fn is_quietened(copy: BorrowedFd) -> bool {
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_NOATIME | libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID,
        attr_clr: libc::MOUNT_ATTR__ATIME,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: the handle is open, the path is an empty C string, and the structure outlives the call, which is told its
    // size and only reads it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            copy.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of_val(&attr),
        )
    };
    done == 0
}

/// Whether anything is mounted below a directory in our view; `None` where that cannot be told.
pub(crate) fn has_mounts_below(dir: BorrowedFd) -> Option<bool> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).ok()?;
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    let mut place = path.as_os_str().as_bytes().to_vec();
    if !place.ends_with(b"/") {
        place.push(b'/');
    }
    // The fifth field is where it is mounted, with spaces, tabs, newlines and backslashes as octal (proc(5)).
    let mut points = table.split(|&b| b == b'\n').filter_map(|line| line.split(|&b| b == b' ').nth(4)).map(unescape);
    Some(points.any(|point| point.starts_with(&place)))
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| byte == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                out.push(code);
                rest = &after[3..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;
    use model::HostPath;

    #[test]
    fn octal_escapes_are_undone() {
        assert_eq!(unescape(b"/a\\040b\\134c\\"), b"/a b\\c\\");
    }

    #[test]
    fn reading_moves_no_access_time_not_even_of_links() {
        let dir = tempfile::tempdir().unwrap();
        let script = "mkdir -p d/e && echo x > d/f && ln -s f d/link && find . -exec touch -h -a -d 2001-01-01 {} +";
        assert!(
            std::process::Command::new("sh").args(["-ec", script]).current_dir(dir.path()).status().unwrap().success()
        );
        let times = || {
            let out = std::process::Command::new("find")
                .args([".", "-printf", "%p %A@ %C@\n"])
                .current_dir(dir.path())
                .output()
                .unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        // find(1) itself reads directories, so they are looked at by their contents only.
        let of_files = |text: String| {
            text.lines()
                .filter(|line| line.contains("/f") || line.contains("/link"))
                .map(str::to_string)
                .collect::<Vec<_>>()
        };
        let before = of_files(times());
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(root.read(&HostPath::from("d/f"), 10).unwrap(), b"x\n");
        assert_eq!(root.read_link(&HostPath::from("d/link")).unwrap(), b"f");
        let folder = root.open_dir(&HostPath::from("d")).unwrap();
        assert_eq!((folder.entries().unwrap().len(), folder.read_link(b"link").unwrap()), (3, b"f".to_vec()));
        folder.xattrs(b"f").unwrap();
        if rustix::process::geteuid().is_root() && std::env::var_os("CI").is_some() {
            assert!(
                view(std::fs::File::open(dir.path()).unwrap().as_fd()).is_some(),
                "CI is expected to have Linux 5.12"
            );
        }
        let quiet = view(std::fs::File::open(dir.path()).unwrap().as_fd()).is_some();
        let after = of_files(times());
        let kept =
            |list: &[String]| list.iter().filter(|line| quiet || line.contains("/f")).cloned().collect::<Vec<_>>();
        assert_eq!(kept(&after), kept(&before));
    }
}
