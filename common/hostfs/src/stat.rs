//! What is known of a name without opening it.

use model::Timestamp;

/// Attributes of a name, as lstat gives them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner on disk.
    pub uid: u64,
    /// Group on disk.
    pub gid: u64,
    /// Bytes, holes included; for a symbolic link the length of its target.
    pub size: u64,
    /// Bytes that it takes on disk.
    pub allocated: u64,
    /// When the content last changed.
    pub mtime: Timestamp,
    /// When anything of it last changed.
    pub ctime: Timestamp,
    /// When it was last read.
    pub atime: Timestamp,
    /// When it was made, where the file system keeps that.
    pub born: Option<Timestamp>,
    /// How many names it has.
    pub links: u64,
    /// Device and inode: equal for names of one file.
    pub inode: (u64, u64),
}

/// What a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device with its major and minor number.
    CharDevice(u32, u32),
    /// A block device with its major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            FileKind::File => "regular file",
            FileKind::Directory => "directory",
            FileKind::Symlink => "symbolic link",
            FileKind::CharDevice(..) => "character device",
            FileKind::BlockDevice(..) => "block device",
            FileKind::Fifo => "FIFO",
            FileKind::Socket => "socket",
        }
    }
}
