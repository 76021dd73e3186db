//! gzip: all members are read; one member is written, its blocks packed on two threads.

use std::io::{self, BufRead, Read, Write};

use flate2::{Compress, Crc, FlushCompress};

use super::pool::{JOBS, Pool};
use super::{Finish, only_zeros_follow};

/// Reads member after member. Zeros after the last one are passed over, as gzip(1) does; anything else is an error.
pub(super) struct Decoder<R> {
    member: Option<flate2::bufread::GzDecoder<R>>,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(input: R) -> Decoder<R> {
        Decoder { member: Some(flate2::bufread::GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut rest = self.member.take().map(flate2::bufread::GzDecoder::into_inner).expect("it is there");
            if rest.fill_buf()?.first() == Some(&0x1f) {
                self.member = Some(flate2::bufread::GzDecoder::new(rest));
            } else if !only_zeros_follow(&mut rest)? {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "what follows the gzip stream is no gzip"));
            }
        }
        Ok(0)
    }
}

/// Bytes packed at once. pigz's size: smaller ones cost more at their seams, larger ones memory.
const BLOCK: usize = 128 << 10;

/// What a block may refer back to.
const WINDOW: usize = 32 << 10;

struct Job {
    /// The window before the block, then the block.
    bytes: Vec<u8>,
    start: usize,
    level: u32,
    is_last: bool,
}

type Outcome = io::Result<(Vec<u8>, Crc)>;

/// Writes one member.
pub(super) struct Encoder {
    out: Box<dyn Write + Send>,
    pool: Pool<Job, Outcome>,
    level: u32,
    /// The window, then what was not given to a thread yet.
    pending: Vec<u8>,
    start: usize,
    crc: Crc,
}

impl Encoder {
    pub(super) fn new(mut out: Box<dyn Write + Send>, level: u32) -> io::Result<Encoder> {
        // No name, no time, so that equal input gives equal bytes; system unknown.
        out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])?;
        Ok(Encoder { out, pool: Pool::new(pack, JOBS), level, pending: Vec::new(), start: 0, crc: Crc::new() })
    }

    fn give(&mut self, is_last: bool) -> io::Result<()> {
        if self.pool.is_full() {
            self.take()?;
        }
        let bytes = std::mem::take(&mut self.pending);
        let window = bytes.len() - bytes.len().min(WINDOW);
        self.pending.reserve(WINDOW + BLOCK);
        self.pending.extend_from_slice(&bytes[window..]);
        let start = std::mem::replace(&mut self.start, self.pending.len());
        self.pool.give(Job { bytes, start, level: self.level, is_last })
    }

    fn take(&mut self) -> io::Result<bool> {
        let Some(outcome) = self.pool.take()? else { return Ok(false) };
        let (packed, crc) = outcome?;
        self.crc.combine(&crc);
        self.out.write_all(&packed)?;
        Ok(true)
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.start + BLOCK - self.pending.len();
        let count = bytes.len().min(room);
        self.pending.extend_from_slice(&bytes[..count]);
        if count == room {
            self.give(false)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Finish for Encoder {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.give(true)?;
        while self.take()? {}
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&self.crc.amount().to_le_bytes())?;
        self.out.flush()
    }
}

/// One block as raw deflate, ending on a byte, so that blocks can be joined.
fn pack(job: Job) -> Outcome {
    let (window, block) = job.bytes.split_at(job.start);
    let mut deflate = Compress::new(flate2::Compression::new(job.level), false);
    if !window.is_empty() {
        deflate.set_dictionary(window).map_err(io::Error::other)?;
    }
    // compress_vec never grows its output: enough for a block that does not pack at all, and for the seam.
    let mut packed = Vec::with_capacity(block.len() + block.len() / 64 + 1024);
    let flush = if job.is_last { FlushCompress::Finish } else { FlushCompress::Sync };
    deflate.compress_vec(block, &mut packed, flush).map_err(io::Error::other)?;
    if deflate.total_in() != block.len() as u64 || packed.len() == packed.capacity() {
        return Err(io::Error::other("a deflate block did not fit its buffer"));
    }
    let mut crc = Crc::new();
    crc.update(block);
    Ok((packed, crc))
}
