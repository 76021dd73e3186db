//! A tree of files that no kernel shows: a tar's index, a filesystem inside a disk. Whoever reads one implements [`Tree`],
//! and [`Dir`](crate::Dir) and [`File`](crate::File) walk it like any directory.

use std::io;

use model::{Extent, Finding, Xattrs};

use crate::dir::DirEntry;
use crate::error::Problem;
use crate::stat::Stat;

/// Nodes by number, and what they are. Numbers are the tree's own; equal numbers are one file.
///
/// What a tree yields is finite, whatever it was read from: no directory is its own descendant.
pub trait Tree: Send + Sync {
    /// The node of a name in a directory; the directory itself for `.`.
    fn child(&self, dir: u64, name: &[u8]) -> Result<u64, Problem>;

    /// The names of a directory, sorted by bytes, without `.` and `..`; each is one component and comes once.
    fn entries(&self, dir: u64) -> Result<Vec<DirEntry>, Problem>;

    /// Attributes.
    fn stat(&self, node: u64) -> Result<Stat, Problem>;

    /// Extended attributes.
    fn xattrs(&self, node: u64) -> Result<Xattrs, Problem>;

    /// The target of a symbolic link.
    fn read_link(&self, node: u64) -> Result<Vec<u8>, Problem>;

    /// Where a regular file has data, in order.
    fn extents(&self, node: u64) -> Result<Vec<Extent>, Problem>;

    /// Reads a regular file's bytes from `offset`, zeros where it has holes; none at the end.
    fn read_at(&self, node: u64, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Damage that was found on the way since this was last asked.
    fn take_findings(&self) -> Vec<Finding> {
        Vec::new()
    }
}
