//! How trees of files move: a source yields entries, a sink takes them. N sources and M sinks, never N times M.

use std::io::Read;
use std::os::fd::BorrowedFd;

use crate::{Entry, Finding};

/// Whatever a source or a sink ran into. It says what was being done, to what, and why not.
pub type StreamError = Box<dyn std::error::Error + Send + Sync>;

/// Yields the entries of a tree in path order (by component), the top first.
///
/// A hard link comes after the entry that it names. The content of a file is borrowed on demand and need not be read.
pub trait Source {
    /// The next entry, or `None` at the end. An error ends the stream; what merely could not be read is a finding.
    fn next_entry(&mut self) -> Result<Option<Entry>, StreamError>;

    /// The content of the regular file that [`Source::next_entry`] returned last. At most once per entry.
    fn content(&mut self) -> Result<Box<dyn Content + '_>, StreamError>;

    /// What could not be read since this was last asked.
    fn take_findings(&mut self) -> Vec<Finding>;
}

/// The content of one file. Reading gives the bytes of its [`Content::extents`], one after the other, holes left out.
pub trait Content: Read {
    /// Where there is data, in order, not overlapping, inside the file's size. A dense file has one extent; an empty
    /// one, or one that is all hole, has none.
    fn extents(&self) -> &[Extent];

    /// The open file behind it, for copying within the kernel; its offset is not to be relied on.
    fn file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A run of data in a file: bytes from `offset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// Takes the entries of a tree in the order that a [`Source`] yields them.
pub trait Sink {
    /// Takes one entry; `content` is there for regular files of more than zero bytes.
    fn entry(&mut self, entry: &Entry, content: Option<&mut dyn Content>) -> Result<(), StreamError>;

    /// Says that the tree is complete. Without it, what was written does not count as whole.
    fn finish(&mut self) -> Result<(), StreamError>;
}
