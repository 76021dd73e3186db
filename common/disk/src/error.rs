//! Why a device or a filesystem cannot be read.

use std::io;

use hostfs::Problem;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// What is read contradicts its own format.
    #[error("{structure} is damaged: {why}")]
    Damaged {
        /// Which one, with its place.
        structure: String,
        /// What is wrong with it.
        why: String,
    },
    /// A device has no such number.
    #[error("the pool has no device {0}")]
    NoDevice(u64),
    /// Something the format allows, and that is not read here.
    #[error("it uses {0}, which is not read here")]
    Unsupported(&'static str),
    /// The filesystem is another one.
    #[error("its filesystem is {name}, which is not read here")]
    Filesystem {
        /// Which.
        name: &'static str,
    },
    /// Bytes that should be there are not, or cannot be read.
    #[error("cannot read {size} bytes at byte {offset}")]
    Read {
        /// Bytes from the beginning of the device.
        offset: u64,
        /// How many were wanted.
        size: usize,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl DiskError {
    pub(crate) fn damaged(structure: impl Into<String>, why: impl Into<String>) -> DiskError {
        DiskError::Damaged { structure: structure.into(), why: why.into() }
    }
}

/// As the trees of [`hostfs`] say it.
impl From<DiskError> for Problem {
    fn from(error: DiskError) -> Problem {
        Problem::Io(error.into())
    }
}

impl From<DiskError> for io::Error {
    fn from(error: DiskError) -> io::Error {
        let text = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}
