//! Entries of an archive, one after the other.

use std::io::{BufReader, Read};

use crate::error::TarError;
use crate::header::Header;
use crate::record::{Scanner, Step};

/// Reads entries. What stands between them is passed over; [`Scanner`] gives that too.
pub struct Reader<R: Read> {
    scanner: Scanner<BufReader<R>>,
}

impl<R: Read> Reader<R> {
    /// Reads an archive from its beginning. It need not be buffered.
    pub fn new(input: R) -> Reader<R> {
        Reader { scanner: Scanner::new(BufReader::with_capacity(128 << 10, input)) }
    }

    /// The next entry; content of the one before that was not read is passed over. `None` after the end blocks: what
    /// follows them is not read.
    #[allow(clippy::should_implement_trait)] // An iterator could not lend the content.
    pub fn next(&mut self) -> Result<Option<Header>, TarError> {
        match self.scanner.step()? {
            Some(Step::Member(header)) => Ok(Some(*header)),
            Some(Step::End | Step::Trailing) | None => Ok(None),
        }
    }

    /// The content of that entry as the archive holds it: of a sparse file the data only. It ends early only with an
    /// error, whose inner one is a [`TarError`].
    pub fn content(&mut self) -> ContentReader<'_, R> {
        ContentReader { scanner: &mut self.scanner }
    }

    /// Reads all of that entry's content, when it has at most `limit` bytes and no holes; else refuses it.
    pub fn read_all(&mut self, header: &Header, limit: u64) -> Result<Vec<u8>, TarError> {
        if header.stored > limit || header.sparse.is_some() {
            let why = format!("it has {} bytes; at most {limit} without holes are taken here", header.size);
            return Err(TarError::Refused { entry: header.path.clone(), why });
        }
        let mut all = Vec::with_capacity(header.stored as usize);
        loop {
            let bytes = self.scanner.content()?;
            if bytes.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(bytes);
            let count = bytes.len();
            self.scanner.consume(count);
        }
    }

    /// The scanner below, for bytes and places.
    pub fn scanner(&mut self) -> &mut Scanner<BufReader<R>> {
        &mut self.scanner
    }

    /// Reads the rest of the input, so that whoever writes it is not cut off; returns how many bytes that were.
    pub fn drain(self) -> std::io::Result<u64> {
        std::io::copy(&mut self.scanner.into_inner(), &mut std::io::sink())
    }
}

/// Reads the content of one entry.
pub struct ContentReader<'a, R: Read> {
    scanner: &'a mut Scanner<BufReader<R>>,
}

impl<R: Read> Read for ContentReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.scanner.content().map_err(TarError::into_io)?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.scanner.consume(count);
        Ok(count)
    }
}
