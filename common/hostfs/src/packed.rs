//! A root in a tar: an index of its names in memory, contents by their place in the archive.
//!
//! A plain archive in a file is read where it lies. A compressed one, or one that comes through a pipe, is unpacked once
//! into an unlinked temporary file in $TMPDIR, else /var/tmp: of the evidence nothing is written, and nothing stays.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use model::{Extent, Finding, Metadata, Xattrs};

use crate::dir::DirEntry;
use crate::error::Problem;
use crate::os::Links;
use crate::stat::{FileKind, Stat};

mod index;
mod spool;
mod tree;

/// Symbolic links on one way, as the kernel counts them (path_resolution(7)).
const LINKS: usize = 40;

/// An archive, opened.
pub(crate) struct Packed {
    nodes: Vec<Node>,
    bytes: File,
    findings: Vec<Finding>,
}

/// Something of the archive; several names may mean one node.
struct Node {
    kind: NodeKind,
    meta: Metadata,
    links: u64,
}

enum NodeKind {
    Directory(BTreeMap<Box<[u8]>, usize>),
    File { size: u64, pieces: Box<[Piece]> },
    Symlink(Box<[u8]>),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

/// A run of data in a file, and where the bytes are.
#[derive(Clone, Copy)]
struct Piece {
    extent: Extent,
    at: u64,
}

/// The top of the tree.
pub(crate) const TOP: usize = 0;

impl Packed {
    /// Opens an archive in a file.
    pub fn open(path: &Path) -> Result<Packed, Problem> {
        index::of_file(path)
    }

    /// Reads an archive from a stream to its end.
    pub fn of_stream(input: Box<dyn io::Read + Send>) -> Result<Packed, Problem> {
        index::of_stream(input)
    }

    /// What was wrong with the archive itself.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The node of a path below `from`; a link at the end is not followed with [`Links::Refused`].
    pub fn find(&self, path: &[u8], links: Links) -> Result<usize, Problem> {
        let mut way = vec![TOP];
        let mut left: Vec<Box<[u8]>> = parts(path);
        let mut followed = 0;
        while let Some(part) = left.pop() {
            if &*part == b".." {
                if way.len() > 1 {
                    way.pop();
                } else if links == Links::Refused {
                    return Err(Problem::Missing);
                }
                continue;
            }
            let node = self.node(*way.last().unwrap_or(&TOP), &part)?;
            match &self.nodes[node].kind {
                NodeKind::Symlink(target) if links == Links::Inside => {
                    followed += 1;
                    if followed > LINKS {
                        return Err(Problem::Symlink);
                    }
                    if target.first() == Some(&b'/') {
                        way.truncate(1);
                    }
                    left.extend(parts(target));
                }
                NodeKind::Symlink(_) if !left.is_empty() => return Err(Problem::Symlink),
                _ => way.push(node),
            }
        }
        Ok(*way.last().unwrap_or(&TOP))
    }

    /// The node of a name in a directory.
    pub fn node(&self, dir: usize, name: &[u8]) -> Result<usize, Problem> {
        if name == b"." {
            return Ok(dir);
        }
        let NodeKind::Directory(names) = &self.nodes[dir].kind else { return Err(Problem::NotDir) };
        names.get(name).copied().ok_or(Problem::Missing)
    }

    /// The names of a directory, sorted by bytes.
    pub fn entries(&self, dir: usize) -> Vec<DirEntry> {
        let NodeKind::Directory(names) = &self.nodes[dir].kind else { return Vec::new() };
        let entry = |(name, node): (&[u8], usize)| {
            let kind = self.stat(node).kind;
            DirEntry {
                name: name.into(),
                is_dir: Some(kind == FileKind::Directory),
                is_char_device: Some(matches!(kind, FileKind::CharDevice(..))),
            }
        };
        names.iter().map(|(name, node)| entry((name, *node))).collect()
    }

    /// Attributes as lstat would give them after unpacking. Times that tar does not keep are those of the content.
    pub fn stat(&self, node: usize) -> Stat {
        let Node { kind, meta, links } = &self.nodes[node];
        let (kind, size, allocated) = match kind {
            NodeKind::Directory(_) => (FileKind::Directory, 0, 0),
            NodeKind::File { size, pieces } => {
                (FileKind::File, *size, pieces.iter().map(|piece| piece.extent.size.next_multiple_of(512)).sum())
            }
            NodeKind::Symlink(target) => (FileKind::Symlink, target.len() as u64, 0),
            &NodeKind::CharDevice(major, minor) => (FileKind::CharDevice(major, minor), 0, 0),
            &NodeKind::BlockDevice(major, minor) => (FileKind::BlockDevice(major, minor), 0, 0),
            NodeKind::Fifo => (FileKind::Fifo, 0, 0),
        };
        Stat {
            kind,
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            size,
            allocated,
            mtime: meta.mtime,
            ctime: meta.mtime,
            atime: meta.mtime,
            born: None,
            links: *links,
            inode: (0, node as u64 + 1),
        }
    }

    /// Extended attributes.
    pub fn xattrs(&self, node: usize) -> Xattrs {
        self.nodes[node].meta.xattrs.clone()
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, node: usize) -> Result<Vec<u8>, Problem> {
        match &self.nodes[node].kind {
            NodeKind::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Problem::Io(rustix::io::Errno::INVAL.into())),
        }
    }

    /// Where a file has data, in order.
    pub fn extents(&self, node: usize) -> Vec<Extent> {
        self.pieces(node).iter().map(|piece| piece.extent).collect()
    }

    fn pieces(&self, node: usize) -> &[Piece] {
        match &self.nodes[node].kind {
            NodeKind::File { pieces, .. } => pieces,
            _ => &[],
        }
    }

    /// Reads a file's bytes from `offset`, zeros where it has holes; none at the end.
    pub fn read_at(&self, node: usize, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.stat(node).size.saturating_sub(offset);
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let pieces = self.pieces(node);
        let next = pieces.partition_point(|piece| piece.extent.offset + piece.extent.size <= offset);
        let Some(piece) = pieces.get(next) else {
            buffer[..want].fill(0);
            return Ok(want);
        };
        let fits = |bytes: u64| want.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        if offset < piece.extent.offset {
            let hole = fits(piece.extent.offset - offset);
            buffer[..hole].fill(0);
            return Ok(hole);
        }
        let inside = offset - piece.extent.offset;
        let data = fits(piece.extent.size - inside);
        loop {
            match rustix::io::pread(self.bytes.as_fd(), &mut buffer[..data], piece.at + inside) {
                Err(rustix::io::Errno::INTR) => continue,
                // The archive got shorter since it was opened.
                Ok(0) if data > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                other => return Ok(other?),
            }
        }
    }
}

/// The components of a path, the last one first.
fn parts(path: &[u8]) -> Vec<Box<[u8]>> {
    path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").rev().map(Into::into).collect()
}

#[cfg(test)]
mod tests;
