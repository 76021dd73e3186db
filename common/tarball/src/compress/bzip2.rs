//! bzip2: all streams are read; blocks are packed on two threads, each as a stream of its own.

use std::io::{self, BufRead, Read, Write};

use super::Finish;
use super::pool::Pool;

/// The 48 bits before a block, and those after the last one.
const BLOCK_MARK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END_MARK: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

/// Whether a stream begins so after its four first bytes.
pub(super) fn begins(rest: &[u8]) -> bool {
    rest.starts_with(&BLOCK_MARK) || rest.starts_with(&END_MARK)
}

/// Reads stream after stream.
// GAP: on one core; lbzip2 finds the blocks by their marks and unpacks them side by side.
pub(super) struct Decoder<R: BufRead>(bzip2::bufread::MultiBzDecoder<R>);

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(input: R) -> Decoder<R> {
        Decoder(bzip2::bufread::MultiBzDecoder::new(input))
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

struct Job {
    bytes: Vec<u8>,
    level: u32,
}

/// Writes streams of one block each, as pbzip2 does.
pub(super) struct Encoder {
    out: Box<dyn Write + Send>,
    pool: Pool<Job, io::Result<Vec<u8>>>,
    level: u32,
    pending: Vec<u8>,
    is_begun: bool,
}

impl Encoder {
    pub(super) fn new(out: Box<dyn Write + Send>, level: u32) -> Encoder {
        Encoder { out, pool: Pool::new(pack), level, pending: Vec::new(), is_begun: false }
    }

    fn give(&mut self) -> io::Result<()> {
        if self.pool.is_full() {
            self.take()?;
        }
        self.is_begun = true;
        let bytes = std::mem::take(&mut self.pending);
        self.pool.give(Job { bytes, level: self.level })
    }

    fn take(&mut self) -> io::Result<bool> {
        let Some(packed) = self.pool.take()? else { return Ok(false) };
        self.out.write_all(&packed?)?;
        Ok(true)
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.level as usize * 100_000 - self.pending.len();
        let count = bytes.len().min(room);
        self.pending.extend_from_slice(&bytes[..count]);
        if count == room {
            self.give()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Finish for Encoder {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if !self.pending.is_empty() || !self.is_begun {
            self.give()?;
        }
        while self.take()? {}
        self.out.flush()
    }
}

fn pack(job: Job) -> io::Result<Vec<u8>> {
    let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(job.level));
    packed.write_all(&job.bytes)?;
    packed.finish()
}
