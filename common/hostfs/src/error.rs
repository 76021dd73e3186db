//! What can go wrong when something of the evidence is read, in terms a caller can tell apart.

use std::io;

use model::HostPath;

/// Why something below the root could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read '{path}'")]
pub struct ReadError {
    /// Where, below the root.
    pub path: HostPath,
    /// Why not.
    #[source]
    pub problem: Problem,
}

/// The reasons that callers tell apart.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is nothing of that name.
    #[error("no such file or directory")]
    Missing,
    /// It is a symbolic link, where none is followed.
    #[error("it is a symbolic link, which is not followed")]
    Symlink,
    /// It is no regular file: a FIFO, a device, a socket, a directory.
    #[error("it is a {0}, not a regular file")]
    NotFile(&'static str),
    /// It is no directory.
    #[error("it is not a directory")]
    NotDir,
    /// It is neither a directory nor an archive that can be read.
    #[error("it is neither a directory nor a tar: {0}")]
    NotTar(String),
    /// It is larger than a record of its kind may be.
    #[error("it has {size} bytes, more than the {limit} that are read of such a record")]
    TooLarge {
        /// Bytes on disk.
        size: u64,
        /// The limit that the caller named.
        limit: u64,
    },
    /// Reading it is not allowed.
    #[error("permission denied")]
    Denied,
    /// Anything else.
    #[error("{0}")]
    Io(io::Error),
}

impl ReadError {
    pub(crate) fn new(path: &HostPath, problem: Problem) -> ReadError {
        ReadError { path: path.clone(), problem }
    }

    /// Whether there is simply nothing of that name.
    pub fn is_missing(&self) -> bool {
        matches!(self.problem, Problem::Missing)
    }
}

impl From<rustix::io::Errno> for Problem {
    fn from(errno: rustix::io::Errno) -> Problem {
        match errno {
            rustix::io::Errno::NOENT => Problem::Missing,
            rustix::io::Errno::LOOP => Problem::Symlink,
            rustix::io::Errno::NOTDIR => Problem::NotDir,
            rustix::io::Errno::ACCESS => Problem::Denied,
            other => Problem::Io(other.into()),
        }
    }
}
