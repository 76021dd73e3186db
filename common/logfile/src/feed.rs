//! The bytes of one file of a log, in order. Holes are passed over at once, however long.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};

use hostfs::{File, Root, Stat};
use model::Extent;

use crate::segment::Segment;

/// Bytes read at a time.
pub(crate) const BLOCK: usize = 64 << 10;

/// A source of bytes with gaps.
pub(crate) enum Feed {
    Plain(Box<Plain>),
    Packed(Box<dyn Read + Send>),
}

/// What came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fed {
    /// More bytes.
    Bytes,
    /// That many zeros, as a hole: they are not given.
    Hole(u64),
    /// There is no more, for now.
    End,
}

/// A file that is not compressed.
pub(crate) struct Plain {
    file: File,
    at: u64,
    extents: VecDeque<Extent>,
    size: u64,
}

impl Feed {
    /// Opens a file from `offset` on, which is of no use to a compressed one.
    pub fn open(root: &Root, segment: &Segment, offset: u64) -> io::Result<Feed> {
        let file = root.open_file(&segment.path).map_err(io::Error::other)?;
        if segment.compressed {
            let (_, unpacked) = tarball::compress::decoder(Box::new(BufReader::new(file)))?;
            return Ok(Feed::Packed(unpacked));
        }
        let size = file.stat().size;
        Ok(Feed::Plain(Box::new(Plain { extents: extents(&file)?, file, at: offset, size })))
    }

    /// Whether what now has the file's name is another file, or this one begun anew.
    pub fn is_other(&self, stat: &Stat) -> bool {
        match self {
            Feed::Plain(plain) => plain.file.stat().inode != stat.inode || stat.size < plain.at,
            Feed::Packed(_) => false,
        }
    }

    /// Adds what comes next to `buffer`.
    pub fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<Fed> {
        match self {
            Feed::Plain(plain) => plain.fill(buffer),
            Feed::Packed(reader) => {
                let read = append(buffer, BLOCK, |room| reader.read(room))?;
                Ok(if read == 0 { Fed::End } else { Fed::Bytes })
            }
        }
    }
}

/// Where there is data in a file.
pub(crate) fn extents(file: &File) -> io::Result<VecDeque<Extent>> {
    Ok(file.extents().map_err(io::Error::other)?.into())
}

impl Plain {
    fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<Fed> {
        while self.extents.front().is_some_and(|extent| extent.offset + extent.size <= self.at) {
            self.extents.pop_front();
        }
        let Some(extent) = self.extents.front() else { return self.beyond(buffer) };
        if extent.offset > self.at {
            let hole = extent.offset - self.at;
            self.at = extent.offset;
            return Ok(Fed::Hole(hole));
        }
        let room = usize::try_from(extent.offset + extent.size - self.at).unwrap_or(BLOCK).min(BLOCK);
        self.read(buffer, room)
    }

    /// Behind the last data: a hole up to the size, then what was written since the file was opened.
    fn beyond(&mut self, buffer: &mut Vec<u8>) -> io::Result<Fed> {
        if self.at < self.size {
            let hole = self.size - self.at;
            self.at = self.size;
            return Ok(Fed::Hole(hole));
        }
        self.read(buffer, BLOCK)
    }

    fn read(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<Fed> {
        let (file, at) = (&self.file, self.at);
        let read = append(buffer, room, |room| file.read_at(room, at))?;
        self.at += read as u64;
        Ok(if read == 0 { Fed::End } else { Fed::Bytes })
    }
}

fn append(buffer: &mut Vec<u8>, room: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
    let start = buffer.len();
    buffer.resize(start + room, 0);
    let read = read(&mut buffer[start..]);
    buffer.truncate(start + read.as_ref().copied().unwrap_or(0));
    read
}
