//! Why a layer could not be unpacked.

use std::io;

use model::StreamError;
use model::path::shown;
use tarball::TarError;

/// Why unpacking stopped. What was made so far is of no use and is the caller's to remove.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive itself: cut, damaged, contradictory.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// An entry that must not, or cannot, be kept.
    #[error("entry '{}': {why}", shown(entry))]
    Refused {
        /// Its name as written.
        entry: Box<[u8]>,
        /// Why.
        why: String,
    },
    /// An entry that the file system did not take.
    #[error("cannot {doing} '{}'", shown(entry))]
    Entry {
        /// Its name as written.
        entry: Box<[u8]>,
        /// What was being done to it.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The tar-split could not be written.
    #[error("cannot write the tar-split")]
    Split(#[source] io::Error),
    /// The caller's watch stopped it.
    #[error(transparent)]
    Stopped(StreamError),
}

impl UnpackError {
    /// Whether the archive was cut: the caller may offer to take what there is.
    pub fn is_truncated(&self) -> bool {
        matches!(self, UnpackError::Tar(error) if error.is_truncated())
    }

    /// Whether the file system is full, of bytes or of inodes.
    pub fn is_full(&self) -> bool {
        match self {
            UnpackError::Entry { source, .. } | UnpackError::Split(source) => {
                source.kind() == io::ErrorKind::StorageFull
            }
            _ => false,
        }
    }
}

/// What a step of unpacking one entry ran into; the caller adds which entry.
#[derive(Debug)]
pub(super) enum Trouble {
    Refused(String),
    System(&'static str, io::Error),
    Split(io::Error),
    Tar(TarError),
    Stopped(StreamError),
}

impl Trouble {
    pub(super) fn at(self, entry: &[u8]) -> UnpackError {
        match self {
            Trouble::Refused(why) => UnpackError::Refused { entry: entry.into(), why },
            Trouble::System(doing, source) => UnpackError::Entry { entry: entry.into(), doing, source },
            Trouble::Split(source) => UnpackError::Split(source),
            Trouble::Tar(error) => UnpackError::Tar(error),
            Trouble::Stopped(error) => UnpackError::Stopped(error),
        }
    }
}

impl From<TarError> for Trouble {
    fn from(error: TarError) -> Trouble {
        Trouble::Tar(error)
    }
}

/// Says what was being done when a system call failed.
pub(super) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Trouble>;
}

impl<T> Doing<T> for rustix::io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Trouble> {
        self.map_err(|errno| Trouble::System(what, errno.into()))
    }
}
