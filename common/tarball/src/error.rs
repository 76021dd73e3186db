//! What can be wrong with an archive.

use std::fmt;
use std::io;

use model::path::shown;

/// Why an archive cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// It stops before its two zero blocks: a cut pipe, a full disk on the other side.
    #[error("archive ends without end-of-archive blocks{place}")]
    Truncated {
        /// How far it went.
        place: Place,
    },
    /// Not one byte came.
    #[error("the archive is empty: not one byte came")]
    Empty,
    /// The bytes could not be had.
    #[error("cannot read the archive{place}")]
    Read {
        /// How far it went.
        place: Place,
        /// Why.
        source: io::Error,
    },
    /// What stands there is no tar.
    #[error("{what} at byte {offset}{place}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the beginning.
        offset: u64,
        /// How far it went.
        place: Place,
    },
    /// An entry that contradicts itself, so that two programs would read two different archives, or that goes beyond
    /// what is taken.
    #[error("entry '{}': {why}", shown(entry))]
    Refused {
        /// Its name, as far as it is known.
        entry: Box<[u8]>,
        /// Why it is not taken.
        why: String,
    },
}

impl TarError {
    /// Whether the archive was cut, by itself or because the compressed stream around it was.
    pub fn is_truncated(&self) -> bool {
        match self {
            TarError::Truncated { .. } | TarError::Empty => true,
            TarError::Read { source, .. } => crate::compress::is_truncated(source),
            _ => false,
        }
    }

    /// As the error of a `Read`.
    pub fn into_io(self) -> io::Error {
        match self {
            TarError::Truncated { .. } | TarError::Empty => io::Error::new(io::ErrorKind::UnexpectedEof, self),
            other => io::Error::other(other),
        }
    }
}

/// How far into an archive a reader came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// How many entries began.
    pub entries: u64,
    /// The last of them, as written.
    pub last: Box<[u8]>,
    /// Whether it stopped inside that one's content.
    pub inside: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.entries == 0 {
            return f.write_str(" before the first entry");
        }
        let (plural, inside) =
            (if self.entries == 1 { "entry" } else { "entries" }, if self.inside { ", cut short" } else { "" });
        write!(f, " after {} {plural} (last: '{}'{inside})", self.entries, shown(&self.last))
    }
}
