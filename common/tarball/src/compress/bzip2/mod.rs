//! bzip2: all streams are read; blocks are unpacked, and packed, on two threads.

mod blocks;
mod fast;

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use super::Finish;
use super::pool::{JOBS, Pool};
use blocks::{Block, Piece, Pieces};

/// The bytes of a block that are kept in memory: text has at most 900,000, a long run of one byte 46 million.
const KEPT: u64 = 4 << 20;

/// Batches of blocks under way.
const BATCHES: usize = 3;

/// The 48 bits before a block, and those after the last one.
const BLOCK_MARK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END_MARK: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

/// Whether a stream begins so after its four first bytes.
pub(super) fn begins(rest: &[u8]) -> bool {
    rest.starts_with(&BLOCK_MARK) || rest.starts_with(&END_MARK)
}

/// Reads stream after stream, the blocks of each side by side.
pub(super) struct Decoder<R> {
    pieces: Pieces<R>,
    pool: Pool<Vec<Block>, Vec<Outcome>>,
    /// Blocks that wait for others to be unpacked with.
    batch: Vec<Block>,
    /// What became of blocks that are not yet shown.
    done: VecDeque<Outcome>,
    /// What is under way: blocks, and the ends of streams between them.
    order: VecDeque<Slot>,
    /// Everything was read, or could not be: that is said after what came before it.
    ended: Option<io::Result<()>>,
    plain: Box<dyn Read + Send>,
    /// The sum of the current stream's blocks.
    sum: u32,
}

/// What stands in line.
enum Slot {
    Block,
    End(u32),
}

/// What became of a block.
enum Outcome {
    Plain {
        bytes: Vec<u8>,
        sum: u32,
    },
    /// Too long to be kept whole: to be unpacked as it is read.
    Long(Block),
    /// It does not unpack; the mark that ended it may have been data.
    Bad(Block, io::Error),
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(input: R) -> Decoder<R> {
        Decoder {
            pieces: Pieces::new(input),
            pool: Pool::new(unpack_all, BATCHES),
            batch: Vec::new(),
            done: VecDeque::new(),
            order: VecDeque::new(),
            ended: None,
            plain: Box::new(io::empty()),
            sum: 0,
        }
    }

    /// Keeps both threads at work.
    fn fill(&mut self) -> io::Result<()> {
        while self.ended.is_none() && !self.pool.is_full() {
            match self.pieces.next_piece() {
                Ok(Some(Piece::Block(block))) => {
                    self.order.push_back(Slot::Block);
                    self.batch.push(block);
                    if self.batch.len() == fast::LANES {
                        self.pool.give(std::mem::take(&mut self.batch))?;
                    }
                }
                Ok(Some(Piece::End(sum))) => self.order.push_back(Slot::End(sum)),
                Ok(None) => self.ended = Some(Ok(())),
                Err(error) => self.ended = Some(Err(error)),
            }
        }
        Ok(())
    }

    /// What became of the oldest block; `None` when none is under way.
    fn outcome(&mut self) -> io::Result<Option<Outcome>> {
        if self.done.is_empty() {
            let outcomes = match self.pool.take()? {
                Some(outcomes) => outcomes,
                None => unpack_all(std::mem::take(&mut self.batch)),
            };
            self.done.extend(outcomes);
        }
        Ok(self.done.pop_front())
    }

    /// The next block's bytes become what is read; `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.fill()?;
        match self.order.pop_front() {
            None => match self.ended.replace(Ok(())) {
                Some(Err(error)) => Err(error),
                _ => Ok(false),
            },
            Some(Slot::End(stated)) if stated == std::mem::take(&mut self.sum) => Ok(true),
            Some(Slot::End(_)) => Err(damaged("the sum of the blocks is not the one that the stream states")),
            Some(Slot::Block) => {
                let Some(outcome) = self.outcome()? else { return Err(damaged("a block is lost")) };
                self.show(outcome).map(|()| true)
            }
        }
    }

    fn show(&mut self, outcome: Outcome) -> io::Result<()> {
        match outcome {
            Outcome::Plain { bytes, sum } => {
                self.add(sum);
                self.plain = Box::new(io::Cursor::new(bytes));
            }
            Outcome::Long(block) => {
                self.add(block.sum());
                self.plain = Box::new(block.decoder());
            }
            Outcome::Bad(block, error) => return self.join(block, error),
        }
        Ok(())
    }

    /// A block that does not unpack is tried with what follows it: what looked like a mark may be part of it.
    fn join(&mut self, mut block: Block, error: io::Error) -> io::Result<()> {
        self.fill()?;
        let Some(Slot::Block) = self.order.front() else { return Err(error) };
        let Some(Outcome::Bad(rest, _)) = self.outcome()? else { return Err(error) };
        self.order.pop_front();
        block.append(&rest);
        match unpack(block) {
            Outcome::Bad(..) => Err(error),
            whole => self.show(whole),
        }
    }

    fn add(&mut self, sum: u32) {
        self.sum = self.sum.rotate_left(1) ^ sum;
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let count = self.plain.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

/// The bytes of some blocks: of most the fast way.
fn unpack_all(blocks: Vec<Block>) -> Vec<Outcome> {
    let packed: Vec<fast::Packed> = blocks.iter().map(Block::packed).collect();
    let found = fast::unpack(&packed, KEPT as usize);
    let outcomes = blocks.into_iter().zip(found).map(|(block, found)| match found {
        Some(bytes) => Outcome::Plain { bytes, sum: block.sum() },
        None => unpack(block),
    });
    outcomes.collect()
}

/// A block's bytes. One that is cut cannot be told from one that is damaged.
fn unpack(block: Block) -> Outcome {
    let mut bytes = Vec::new();
    match block.decoder().take(KEPT + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > KEPT => Outcome::Long(block),
        Ok(_) => Outcome::Plain { bytes, sum: block.sum() },
        Err(error) => Outcome::Bad(block, damaged(&error.to_string())),
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the bzip2 stream is damaged: {why}"))
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
        Encoder { out, pool: Pool::new(pack, JOBS), level, pending: Vec::new(), is_begun: false }
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
