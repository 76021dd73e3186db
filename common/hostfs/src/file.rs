//! One regular file of the evidence.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use model::{Extent, Xattrs};
use rustix::fs::{self, SeekFrom};
use rustix::io::Errno;

use crate::error::Problem;
use crate::os;
use crate::stat::{FileKind, Stat};
use crate::tree::Tree;

/// An open regular file. Reads from its own position; [`File::read_at`] from any.
pub struct File {
    place: Place,
    stat: Stat,
    at: u64,
}

enum Place {
    Kernel(OwnedFd),
    Tree(Arc<dyn Tree>, u64),
}

impl File {
    pub(crate) fn new(fd: OwnedFd, stat: Stat) -> File {
        File { place: Place::Kernel(fd), stat, at: 0 }
    }

    /// A regular file of a tree.
    pub fn of_tree(tree: Arc<dyn Tree>, node: u64) -> Result<File, Problem> {
        let stat = tree.stat(node)?;
        match stat.kind {
            FileKind::File => Ok(File { place: Place::Tree(tree, node), stat, at: 0 }),
            FileKind::Symlink => Err(Problem::Symlink),
            other => Err(Problem::NotFile(other.words())),
        }
    }

    /// Attributes, as they were when it was opened.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Extended attributes.
    pub fn xattrs(&self) -> Result<Xattrs, Problem> {
        match &self.place {
            Place::Kernel(fd) => Ok(os::xattrs(fd.as_fd())?),
            Place::Tree(tree, node) => tree.xattrs(*node),
        }
    }

    /// Reads from `offset`; fewer bytes than asked for mean the end, or just a short read.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let fd = match &self.place {
            Place::Kernel(fd) => fd,
            Place::Tree(tree, node) => return tree.read_at(*node, buffer, offset),
        };
        loop {
            match rustix::io::pread(fd, &mut *buffer, offset) {
                Err(Errno::INTR) => continue,
                other => return Ok(other?),
            }
        }
    }

    /// The whole content; more than `limit` bytes are refused, whatever the size was said to be.
    pub fn read_all(&self, limit: u64) -> Result<Vec<u8>, Problem> {
        if self.stat.size > limit {
            return Err(Problem::TooLarge { size: self.stat.size, limit });
        }
        let size = usize::try_from(self.stat.size).unwrap_or(0);
        let mut out = vec![0; size.saturating_add(1)];
        let n = self.read_at(&mut out, 0).map_err(Problem::Io)?;
        out.truncate(n);
        // One byte more was asked for than there should be: a regular file of the kernel's ends here.
        if n == size && matches!(self.place, Place::Kernel(_)) {
            return Ok(out);
        }
        let mut reader = Reader { file: self, at: n as u64 }.take((limit + 1).saturating_sub(n as u64));
        reader.read_to_end(&mut out).map_err(Problem::Io)?;
        if out.len() as u64 > limit {
            return Err(Problem::TooLarge { size: out.len() as u64, limit });
        }
        Ok(out)
    }

    /// Where there is data, in order, within the size; what lies between is holes, which read as zeros.
    pub fn extents(&self) -> Result<Vec<Extent>, Problem> {
        let fd = match &self.place {
            Place::Kernel(fd) => fd,
            Place::Tree(tree, node) => return tree.extents(*node),
        };
        let size = self.stat.size;
        if size == 0 {
            return Ok(Vec::new());
        }
        let dense = || vec![Extent { offset: 0, size }];
        // A file that takes as much room as it has bytes has no holes worth asking for.
        if self.stat.allocated >= size {
            return Ok(dense());
        }
        let mut out = Vec::new();
        let mut at = 0;
        while at < size {
            let start = match fs::seek(fd, SeekFrom::Data(at)) {
                Ok(start) => start,
                Err(Errno::NXIO) => break,
                Err(Errno::INVAL) => return Ok(dense()),
                Err(errno) => return Err(errno.into()),
            };
            if start >= size {
                break;
            }
            let end = fs::seek(fd, SeekFrom::Hole(start))?.min(size);
            out.push(Extent { offset: start, size: end - start });
            at = end;
        }
        Ok(out)
    }

    /// The handle itself, where this file is one of the kernel's, for copying within the kernel.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.place {
            Place::Kernel(fd) => Some(fd.as_fd()),
            Place::Tree(..) => None,
        }
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

struct Reader<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
