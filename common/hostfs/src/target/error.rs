//! What can go wrong while a root is written.

use std::io;
use std::path::PathBuf;

use model::HostPath;
use rustix::io::Errno;

use super::lock::Holder;

/// Why something below the root could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A call failed.
    #[error("cannot {doing} '{path}'")]
    At {
        /// What was being done, in words.
        doing: &'static str,
        /// To what, below the root.
        path: HostPath,
        /// Why not.
        source: io::Error,
    },
    /// The file system is full, or would be.
    #[error("no space left: needs {needs}, has {has} in '{}'", place.display())]
    NoSpace {
        /// What is needed, with its unit.
        needs: String,
        /// What there is, with its unit.
        has: String,
        /// The root.
        place: PathBuf,
    },
    /// Another process writes, and waiting was not wanted.
    #[error("'{path}' is locked by {holder}")]
    Locked {
        /// The lock file, below the root.
        path: HostPath,
        /// Who holds it.
        holder: Holder,
    },
}

impl WriteError {
    pub(super) fn at(doing: &'static str, path: &HostPath, source: io::Error) -> WriteError {
        WriteError::At { doing, path: path.clone(), source }
    }

    pub(super) fn errno(doing: &'static str, path: &HostPath, errno: Errno) -> WriteError {
        WriteError::at(doing, path, errno.into())
    }

    /// Whether the reason is that there is nothing of that name.
    pub fn is_missing(&self) -> bool {
        matches!(self, WriteError::At { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
