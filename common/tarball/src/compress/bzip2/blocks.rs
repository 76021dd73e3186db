//! The blocks of bzip2 streams, found by their marks without unpacking them.
//!
//! A stream is `BZh`, a digit (its largest block in 100,000 bytes), blocks, and an end mark with the sum of their sums,
//! filled up to a byte (bzip2 1.0.8, compress.c). Blocks begin at any bit with a mark of 48 bits and their sum of 32.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::fast::Packed;
use super::{BLOCK_MARK, END_MARK, damaged};

/// Bits of a mark.
const MARK: usize = 48;
/// Bytes that a block may have: 900,000 that do not pack at all take some 910,000.
const LARGEST: usize = 2 << 20;
const CHUNK: usize = 256 << 10;

/// A part of a stream.
#[derive(Debug)]
pub(super) enum Piece {
    Block(Block),
    /// The end of a stream, with the sum that it states.
    End(u32),
}

/// A block from its mark on.
#[derive(Debug)]
pub(super) struct Block {
    /// Its bits from the first byte's highest on; what is left of the last byte is zero.
    bytes: Vec<u8>,
    bits: usize,
    /// The digit of its stream.
    level: u8,
}

impl Block {
    /// The bits from one place to another, both counted from the first byte's highest.
    fn cut(raw: &[u8], from: usize, to: usize, level: u8) -> Block {
        let mut block = Block { bytes: Vec::with_capacity((to - from) / 8 + 16), bits: 0, level };
        block.push(&raw[from / 8..to.div_ceil(8)], from % 8, to - from);
        block
    }

    /// Adds so many bits of `raw`, after leaving out `skip` (0 to 7).
    fn push(&mut self, raw: &[u8], skip: usize, bits: usize) {
        let shift = self.bits % 8;
        for n in 0..bits.div_ceil(8) {
            let pair = u16::from(raw[n]) << 8 | u16::from(raw.get(n + 1).copied().unwrap_or(0));
            let mut byte = (pair << skip >> 8) as u8;
            let left = bits - n * 8;
            if left < 8 {
                byte &= !(0xff >> left);
            }
            match self.bytes.last_mut().filter(|_| shift > 0) {
                Some(last) => {
                    *last |= byte >> shift;
                    if shift + left.min(8) > 8 {
                        self.bytes.push(byte << (8 - shift));
                    }
                }
                None => self.bytes.push(byte),
            }
        }
        self.bits += bits;
    }

    /// Goes on with what was taken for another block.
    pub(super) fn append(&mut self, rest: &Block) {
        self.push(&rest.bytes, 0, rest.bits);
    }

    /// The sum that stands behind the mark.
    pub(super) fn sum(&self) -> u32 {
        self.bytes.get(6..10).map_or(0, |sum| u32::from_be_bytes(sum.try_into().unwrap_or_default()))
    }

    /// As it lies, for those who read its bits.
    pub(super) fn packed(&self) -> Packed<'_> {
        Packed { bytes: &self.bytes, bits: self.bits, most: usize::from(self.level - b'0') * 100_000 }
    }

    /// The block as a stream of its own, unpacked.
    pub(super) fn decoder(&self) -> impl Read + Send + use<> {
        let mut stream = Block { bytes: Vec::with_capacity(self.bytes.len() + 16), bits: 0, level: self.level };
        stream.push(&[b'B', b'Z', b'h', self.level], 0, 32);
        stream.append(self);
        stream.push(&END_MARK, 0, MARK);
        stream.push(&self.sum().to_be_bytes(), 0, 32);
        bzip2::read::BzDecoder::new(io::Cursor::new(stream.bytes))
    }
}

/// Takes a file of streams apart.
pub(super) struct Pieces<R> {
    input: R,
    /// Bytes that were read; those before `at` are dealt with.
    ahead: Vec<u8>,
    at: usize,
    is_ended: bool,
    /// The digit of the stream at hand, `None` between streams.
    level: Option<u8>,
    is_begun: bool,
    /// The bit of `ahead`, from the byte at `at` on, where a block's mark begins.
    open: Option<usize>,
    found: VecDeque<Piece>,
}

impl<R: Read> Pieces<R> {
    pub(super) fn new(input: R) -> Pieces<R> {
        Pieces {
            input,
            ahead: Vec::new(),
            at: 0,
            is_ended: false,
            level: None,
            is_begun: false,
            open: None,
            found: VecDeque::new(),
        }
    }

    /// The next piece; `None` where the file ends after a stream.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.found.pop_front() {
                return Ok(Some(piece));
            }
            match self.level {
                Some(level) => self.scan(level)?,
                None => {
                    if !self.begin()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reads on until so many bytes lie ahead, or the input ends; whether they do.
    fn have(&mut self, count: usize) -> io::Result<bool> {
        while self.ahead.len() - self.at < count && !self.is_ended {
            let before = self.ahead.len();
            let read = self.input.by_ref().take(CHUNK as u64).read_to_end(&mut self.ahead)?;
            self.is_ended = read < CHUNK;
            debug_assert_eq!(self.ahead.len(), before + read);
        }
        Ok(self.ahead.len() - self.at >= count)
    }

    /// Begins a stream; `false` where none is left. Zeros after the last one are padding.
    fn begin(&mut self) -> io::Result<bool> {
        self.have(4)?;
        let rest = &self.ahead[self.at..];
        if let [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] = *rest {
            self.level = Some(level);
            self.is_begun = true;
            self.at += 4;
            return Ok(true);
        }
        match rest {
            [] if self.is_begun => Ok(false),
            [] => Err(io::ErrorKind::UnexpectedEof.into()),
            rest if rest.iter().any(|&byte| byte != 0) && b"BZh".starts_with(&rest[..rest.len().min(3)]) => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            rest if rest.iter().all(|&byte| byte == 0) => {
                self.at = self.ahead.len();
                if self.have(1)? { self.begin() } else { Ok(false) }
            }
            _ => Err(damaged("something else follows it")),
        }
    }

    /// Finds the next pieces of a stream: a block ends where the next mark begins.
    fn scan(&mut self, level: u8) -> io::Result<()> {
        self.ahead.drain(..std::mem::take(&mut self.at));
        let mut from = self.open.map_or(0, |open| open + 1);
        let mut doubt = false;
        loop {
            let Some((bit, is_end)) = self.mark(from)? else {
                let cut = io::ErrorKind::UnexpectedEof.into();
                return Err(if doubt { damaged("something else follows it") } else { cut });
            };
            if self.open.is_none() && bit != 0 {
                return Err(damaged("no block begins where one should"));
            }
            from = bit + 1;
            let end = if is_end { self.end(bit)? } else { None };
            if is_end && end.is_none() {
                doubt = true;
                continue;
            }
            let open = self.open.replace(bit % 8);
            self.found.extend(open.map(|open| Piece::Block(Block::cut(&self.ahead, open, bit, level))));
            match end {
                Some((sum, bytes)) => {
                    self.found.push_back(Piece::End(sum));
                    (self.at, self.open, self.level) = (bytes, None, None);
                    return Ok(());
                }
                None if open.is_some() => {
                    self.at = bit / 8;
                    return Ok(());
                }
                // The stream's first block.
                None => {}
            }
        }
    }

    /// The next mark that begins at a bit or after it: where, and whether it ends the stream.
    fn mark(&mut self, from: usize) -> io::Result<Option<(usize, bool)>> {
        const MASK: u64 = (1 << MARK) - 1;
        let [block, end] =
            [BLOCK_MARK, END_MARK].map(|mark| mark.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte)));
        let mut window = 0;
        let mut byte = from / 8;
        loop {
            for (n, &next) in self.ahead[byte..].iter().enumerate() {
                window = window << 8 | u64::from(next);
                for shift in (0..8).rev() {
                    let bits = window >> shift & MASK;
                    if bits == block || bits == end {
                        let after = (byte + n + 1) * 8 - shift;
                        if after >= from + MARK {
                            return Ok(Some((after - MARK, bits == end)));
                        }
                    }
                }
            }
            byte = self.ahead.len();
            if byte > LARGEST {
                return Err(damaged("a block has no end"));
            }
            if !self.have(byte + 1)? {
                return Ok(None);
            }
        }
    }

    /// The sum behind an end mark, and how many bytes the stream takes; `None` where what follows is neither another
    /// stream nor the end of the file, so that the mark is part of a block.
    fn end(&mut self, bit: usize) -> io::Result<Option<(u32, usize)>> {
        let bytes = (bit + MARK + 32).div_ceil(8);
        if !self.have(bytes)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sum = Block::cut(&self.ahead, bit, bit + MARK + 32, b'9').sum();
        self.have(bytes + 4)?;
        let follows = &self.ahead[bytes..self.ahead.len().min(bytes + 4)];
        let head = &follows[..follows.len().min(3)];
        Ok((follows.iter().all(|&byte| byte == 0) || b"BZh".starts_with(head)).then_some((sum, bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits as text, put together from pieces at every place within a byte.
    #[test]
    fn bits_are_cut_and_joined_at_any_place() {
        let raw: Vec<u8> = (0..40u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
        let text = |bytes: &[u8], bits: usize| -> String {
            bytes.iter().map(|byte| format!("{byte:08b}")).collect::<String>()[..bits].to_string()
        };
        let all = text(&raw, raw.len() * 8);
        for from in 0..17 {
            for middle in from..from + 19 {
                for to in [middle, middle + 1, middle + 7, middle + 8, middle + 21] {
                    let mut block = Block::cut(&raw, from, middle, b'9');
                    block.append(&Block::cut(&raw, middle, to, b'9'));
                    assert_eq!(block.bits, to - from);
                    assert_eq!(block.bytes.len(), block.bits.div_ceil(8), "{from} {middle} {to}");
                    assert_eq!(text(&block.bytes, block.bits), all[from..to], "{from} {middle} {to}");
                    let spare = block.bytes.len() * 8 - block.bits;
                    assert!(block.bytes.last().is_none_or(|last| last & ((1u16 << spare) - 1) as u8 == 0));
                }
            }
        }
    }
}
