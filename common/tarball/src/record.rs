//! The archive as records. The law: *the records of any archive, joined, are the archive*.
//!
//! A record is everything between two contents, as it lies: the padding after the content before, extended headers, the
//! header, a sparse map; then its content, passed by reference. The last ones are the end blocks and whatever follows.

use std::io::{self, BufRead, Read as _};

use crate::block::{self, Block};
use crate::error::{Place, TarError};
use crate::header::{Extended, Header, refused};
use crate::sparse::{self, Pax10};

/// Bytes of one extended header (PAX, GNU long name) at most. Real ones hold xattrs of up to 64 KiB each.
pub const MAX_EXTENDED: u64 = 1 << 20;

/// Bytes of one record without its content at most: all extended headers and the sparse map of one member.
pub const MAX_RECORD: usize = 8 << 20;

/// Bytes of a piece of what follows the end blocks, as docker's tar-split cuts it.
const TRAILING: u64 = 1 << 20;

/// Cuts an archive into its records.
pub struct Scanner<R> {
    input: R,
    /// The record in work, without its content.
    raw: Vec<u8>,
    /// Bytes of content that were not read yet.
    content: u64,
    /// Bytes of padding after it.
    padding: usize,
    offset: u64,
    extended: Extended,
    place: Place,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Members,
    Trailing,
    Done,
}

/// What kind of record it is. Its bytes are [`Scanner::raw`].
#[derive(Debug)]
pub enum Step {
    /// A member; [`Header::stored`] bytes of content follow.
    Member(Box<Header>),
    /// The two zero blocks.
    End,
    /// Bytes after the end, at most 1 MiB of them. Nothing is known about them.
    Trailing,
}

impl<R: BufRead> Scanner<R> {
    /// Reads an archive from its beginning. Larger buffers are faster: content is passed on as it lies in them.
    pub fn new(input: R) -> Scanner<R> {
        Scanner {
            input,
            raw: Vec::new(),
            content: 0,
            padding: 0,
            offset: 0,
            extended: Extended::default(),
            place: Place::default(),
            state: State::Members,
        }
    }

    /// The next record; `None` when the input ends where it may. Content that was not read is passed over.
    pub fn step(&mut self) -> Result<Option<Step>, TarError> {
        self.skip_content()?;
        self.raw.clear();
        match self.state {
            State::Members => self.member_or_end().map(Some),
            State::Trailing => self.trailing(),
            State::Done => Ok(None),
        }
    }

    /// The bytes of the record, its content left out. After an error: those of it that came.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Content as it lies in the buffer: not empty until all was consumed.
    pub fn content(&mut self) -> Result<&[u8], TarError> {
        if self.content == 0 {
            return Ok(&[]);
        }
        let place = &self.place;
        let bytes = loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Read { place: Place { inside: true, ..place.clone() }, source }),
                Ok([]) => return Err(TarError::Truncated { place: Place { inside: true, ..place.clone() } }),
                // Asked again, since a borrow cannot be returned out of a loop; the buffer is full now.
                Ok(_) => break self.input.fill_buf(),
            }
        };
        let bytes = bytes.map_err(|source| TarError::Read { place: place.clone(), source })?;
        let take = usize::try_from(self.content).map_or(bytes.len(), |left| left.min(bytes.len()));
        Ok(&bytes[..take])
    }

    /// Says that so many bytes of [`Scanner::content`] were used.
    pub fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.content -= bytes as u64;
        self.offset += bytes as u64;
    }

    /// Bytes of content that were not consumed yet.
    pub fn content_left(&self) -> u64 {
        self.content
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How far the archive was read.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The input, wherever it is.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn skip_content(&mut self) -> Result<(), TarError> {
        while self.content > 0 {
            let bytes = self.content()?.len();
            self.consume(bytes);
        }
        Ok(())
    }

    fn member_or_end(&mut self) -> Result<Step, TarError> {
        let padding = std::mem::take(&mut self.padding);
        self.take(padding as u64)?;
        loop {
            let at = self.raw.len();
            self.take(block::SIZE as u64)?;
            let block = Block::of(&self.raw[at..]);
            if block.is_zero() {
                return self.end();
            }
            if !block.is_sound() {
                return Err(self.damaged("no tar header", block::SIZE));
            }
            match block.flag() {
                b'x' | b'X' | b'g' | b'L' | b'K' => self.extended_header(at)?,
                _ => return self.member(at),
            }
        }
    }

    fn end(&mut self) -> Result<Step, TarError> {
        let at = self.raw.len();
        self.take(block::SIZE as u64)?;
        if !Block::of(&self.raw[at..]).is_zero() {
            return Err(self.damaged("a lone zero block", 2 * block::SIZE));
        }
        self.state = State::Trailing;
        Ok(Step::End)
    }

    fn trailing(&mut self) -> Result<Option<Step>, TarError> {
        let wanted = self.input.by_ref().take(TRAILING).read_to_end(&mut self.raw);
        self.offset += wanted.map_err(|source| TarError::Read { place: self.place.clone(), source })? as u64;
        if self.raw.is_empty() {
            self.state = State::Done;
            return Ok(None);
        }
        Ok(Some(Step::Trailing))
    }

    fn extended_header(&mut self, at: usize) -> Result<(), TarError> {
        let block = Block::of(&self.raw[at..]);
        let (flag, size, name) = (block.flag(), block.number(block::SIZE_FIELD), block.name());
        let size = size
            .filter(|&size| size <= MAX_EXTENDED)
            .ok_or_else(|| refused(name.clone().into(), "its extended header is larger than 1 MiB"))?;
        let body = self.raw.len();
        self.take(size + block::padding(size) as u64)?;
        if self.raw.len() > MAX_RECORD {
            return Err(refused(name.into(), "its extended headers are larger than 8 MiB together"));
        }
        let body = &self.raw[body..body + size as usize];
        self.extended.take(flag, body).map_err(|why| refused(name.into(), why))
    }

    fn member(&mut self, at: usize) -> Result<Step, TarError> {
        let block = Block::of(&self.raw[at..]);
        let name = self.extended.name_of(block);
        let refuse = |why: &str| refused(name.clone(), why);
        let mut stored = self.extended.stored(block).map_err(refuse)?;
        self.padding = block::padding(stored);
        let (is_old_sparse, has_map) = (block.flag() == b'S', self.extended.has_map_1_0(block));
        if is_old_sparse {
            self.old_gnu_blocks(at, &name)?;
        }
        let header_end = self.raw.len();
        if has_map {
            stored -= self.map_1_0(stored, &name)?;
        }
        let header = self.extended.header(&self.raw[at..header_end], stored).map_err(|why| refuse(&why))?;
        self.extended.clear_local();
        self.content = stored;
        self.place.entries += 1;
        self.place.last = header.path[..header.path.len().min(300)].into();
        Ok(Step::Member(Box::new(header)))
    }

    fn old_gnu_blocks(&mut self, at: usize, name: &[u8]) -> Result<(), TarError> {
        let mut last = at;
        while sparse::old_gnu_goes_on(Block::of(&self.raw[last..]), last == at) {
            last = self.raw.len();
            self.take(block::SIZE as u64)?;
            self.check_record_size(name)?;
        }
        Ok(())
    }

    /// Reads the map before the data; returns its bytes.
    fn map_1_0(&mut self, stored: u64, name: &[u8]) -> Result<u64, TarError> {
        let refuse = || refused(name.into(), "its sparse map cannot be understood");
        let (mut map, mut bytes) = (Pax10::default(), 0);
        loop {
            if bytes + block::SIZE as u64 > stored {
                return Err(refuse());
            }
            let at = self.raw.len();
            self.take(block::SIZE as u64)?;
            bytes += block::SIZE as u64;
            self.check_record_size(name)?;
            if map.take(Block::of(&self.raw[at..]).0).ok_or_else(refuse)? {
                self.extended.map_1_0 = Some(map.extents());
                return Ok(bytes);
            }
        }
    }

    fn check_record_size(&self, name: &[u8]) -> Result<(), TarError> {
        if self.raw.len() > MAX_RECORD {
            return Err(refused(name.into(), "its headers and sparse map are larger than 8 MiB"));
        }
        Ok(())
    }

    /// Appends the next `bytes` of the input to the record.
    fn take(&mut self, bytes: u64) -> Result<(), TarError> {
        let mut left = bytes;
        while left > 0 {
            let buffer = match self.input.fill_buf() {
                Ok([]) if self.offset == 0 => return Err(TarError::Empty),
                Ok([]) => return Err(TarError::Truncated { place: self.place.clone() }),
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Read { place: self.place.clone(), source }),
            };
            let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            self.raw.extend_from_slice(&buffer[..count]);
            self.input.consume(count);
            self.offset += count as u64;
            left -= count as u64;
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str, back: usize) -> TarError {
        TarError::Damaged { what, offset: self.offset - back as u64, place: self.place.clone() }
    }
}
