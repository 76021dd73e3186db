//! What a tree of files is made of, and what a layer says about one.

use crate::{EntryPath, Timestamp};

/// Extended attributes by full name (`user.x`, `security.capability`, `system.posix_acl_access`), sorted by name.
pub type Xattrs = std::collections::BTreeMap<Box<[u8]>, Box<[u8]>>;

/// One name of a tree: where, what, and with which attributes. Content is read apart, from the [`crate::Source`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where it stands in the tree.
    pub path: EntryPath,
    /// What it is.
    pub kind: Kind,
    /// Its attributes. For [`Kind::HardLink`] those of the file that it names.
    pub meta: Metadata,
}

/// What a name of a tree is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file of `size` bytes, holes included.
    File {
        /// Bytes, holes included.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link. The target is any bytes and is never followed.
    Symlink {
        /// As written.
        target: Box<[u8]>,
    },
    /// Another name of a file that came earlier under `target`.
    HardLink {
        /// The earlier name.
        target: EntryPath,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket, which tar cannot hold.
    Socket,
}

/// The attributes of a name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky: at most 0o7777.
    pub mode: u32,
    /// Owner. 64 bits, since tar can say more than a file system can keep.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// When the content last changed.
    pub mtime: Timestamp,
    /// Extended attributes, access control lists and capabilities among them.
    pub xattrs: Xattrs,
}

/// What a layer says: a name is there, a name is gone, or whatever lower layers have in a directory is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The name is as given, over whatever lower layers have.
    Put(Entry),
    /// The name and all below it is gone.
    Remove(EntryPath),
    /// The directory's contents in lower layers are gone; what this layer puts there stays, in whatever order it comes.
    Opaque(EntryPath),
}
