//! Blocks unpacked some at a time, in two thirds of the time of one by one.
//!
//! Half of the time of unpacking goes by waiting for memory: the bytes of a sorted block are linked in an order that no
//! cache foresees. So the links of several blocks are followed in turns. What follows is only as strict as speed
//! allows: a block that is odd in any way is given up, and the library says what it is. Format: bzip2 1.0.8
//! (decompress.c, huffman.c, compress.c).

mod codes;

use std::cell::RefCell;
use std::ops::Range;

use crc_fast::CrcAlgorithm;

use codes::{Bits, Front};

/// Blocks that are unpacked in turns.
pub(super) const LANES: usize = 2;

/// Places for the bytes of a block, more than it may have; a power of two, so that no place is outside.
const PLACES: usize = 1 << 20;

/// A block as its bits lie.
pub(super) struct Packed<'b> {
    /// From the mark on.
    pub bytes: &'b [u8],
    /// How many there are.
    pub bits: usize,
    /// Bytes that it may have before runs are written out.
    pub most: usize,
}

/// What several blocks need; a thread uses it again and again.
struct Lane {
    /// Of each sorted byte: it, and above it the place of the one that follows.
    links: Box<[u32; PLACES]>,
    /// The bytes in their order, runs not yet written out.
    line: Vec<u8>,
}

thread_local! {
    static ROOM: RefCell<Vec<Lane>> = const { RefCell::new(Vec::new()) };
}

/// The bytes of each block, `None` for one that is damaged, of an old kind, or of more than `limit` bytes.
pub(super) fn unpack(blocks: &[Packed], limit: usize) -> Vec<Option<Vec<u8>>> {
    ROOM.with_borrow_mut(|room| {
        while room.len() < blocks.len().min(LANES) {
            let links = vec![0; PLACES].into_boxed_slice().try_into().expect("it has that many");
            room.push(Lane { links, line: Vec::new() });
        }
        let all = blocks.chunks(LANES).flat_map(|blocks| {
            let begun: Vec<Option<Begun>> =
                blocks.iter().zip(room.iter_mut()).map(|(block, lane)| begin(block, &mut lane.links)).collect();
            follow(&begun, room);
            let ended = begun.iter().zip(room.iter());
            ended.map(|(begun, lane)| end(&lane.line, begun.as_ref()?.sum, limit)).collect::<Vec<_>>()
        });
        all.collect()
    })
}

/// A block whose bytes are linked.
#[derive(Clone, Copy)]
struct Begun {
    /// The place from which to follow the links.
    start: u32,
    /// Bytes, runs not yet written out.
    size: usize,
    /// What the sum of its bytes must be.
    sum: u32,
}

/// Reads a block's codes and links its bytes.
fn begin(block: &Packed, links: &mut [u32; PLACES]) -> Option<Begun> {
    let mut bits = Bits::new(block.bytes, 6);
    let sum = bits.take(16) << 16 | bits.take(16);
    let is_shuffled = bits.take(1) == 1;
    let origin = bits.take(24);
    if is_shuffled {
        return None;
    }
    let front = Front::read(&mut bits)?;
    let (tables, selectors) = codes::tables(&mut bits, front.used)?;
    let mut counts = [0; 256];
    let size = codes::read(&mut bits, front, &tables, &selectors, &mut links[..block.most], &mut counts)?;
    if bits.used() != block.bits || origin as usize >= size {
        return None;
    }
    link(links, size, &counts);
    Some(Begun { start: links[origin as usize] >> 8, size, sum })
}

/// Puts into each place the one whose byte comes next.
fn link(links: &mut [u32; PLACES], size: usize, counts: &[u32; 256]) {
    let mut next = [0; 256];
    let mut before = 0;
    for (next, count) in next.iter_mut().zip(counts) {
        *next = before;
        before += count;
    }
    for place in 0..size {
        let next = &mut next[(links[place] & 0xff) as usize];
        links[*next as usize % PLACES] |= (place as u32) << 8;
        *next += 1;
    }
}

/// Follows the links of all blocks, in turns where none is missing.
fn follow(begun: &[Option<Begun>], room: &mut [Lane]) {
    let mut lanes: Vec<(Begun, &mut Lane)> =
        begun.iter().zip(room).filter_map(|(begun, lane)| Some(((*begun)?, lane))).collect();
    for (begun, lane) in &mut lanes {
        lane.line.clear();
        lane.line.resize(begun.size, 0);
    }
    let mut done = 0;
    if let Some(all) = lanes.first_chunk_mut::<LANES>() {
        done = all.iter().map(|(begun, _)| begun.size).min().unwrap_or_default();
        steps(all, 0..done);
    }
    for lane in &mut lanes {
        let size = lane.0.size;
        steps(std::array::from_mut(lane), done..size);
    }
}

/// Goes so many steps in each block, one after the other.
fn steps<const COUNT: usize>(lanes: &mut [(Begun, &mut Lane); COUNT], range: Range<usize>) {
    let mut at = [0; COUNT];
    let mut lines = lanes.each_mut().map(|(begun, lane)| (begun, &*lane.links, &mut lane.line[range.clone()]));
    for (at, (begun, ..)) in at.iter_mut().zip(&lines) {
        *at = begun.start;
    }
    for step in 0..range.len() {
        for (at, (_, links, line)) in at.iter_mut().zip(&mut lines) {
            let link = links[*at as usize % PLACES];
            line[step] = link as u8;
            *at = link >> 8;
        }
    }
    for (at, (begun, ..)) in at.into_iter().zip(lines) {
        begun.start = at;
    }
}

/// Writes out the runs: after four equal bytes one says how many more there are.
fn end(line: &[u8], sum: u32, limit: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(line.len() + line.len() / 8);
    let mut rest = line;
    while let Some(run) = rest.windows(4).position(|four| four == [four[0]; 4]) {
        let (before, after) = rest.split_at(run + 4);
        let (&more, after) = after.split_first()?;
        bytes.extend_from_slice(before);
        bytes.resize(bytes.len() + usize::from(more), before[run]);
        if bytes.len() > limit {
            return None;
        }
        rest = after;
    }
    bytes.extend_from_slice(rest);
    let is_whole = bytes.len() <= limit && crc_fast::checksum(CrcAlgorithm::Crc32Bzip2, &bytes) == u64::from(sum);
    is_whole.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::super::blocks::{Block, Piece, Pieces};
    use super::*;

    fn blocks(plain: &[u8], level: u32) -> Vec<Block> {
        let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
        packed.write_all(plain).unwrap();
        let packed = packed.finish().unwrap();
        let mut pieces = Pieces::new(&packed[..]);
        let mut blocks = Vec::new();
        while let Some(piece) = pieces.next_piece().unwrap() {
            blocks.extend(match piece {
                Piece::Block(block) => Some(block),
                Piece::End(_) => None,
            });
        }
        blocks
    }

    fn unpacked(blocks: &[Block]) -> Vec<Option<Vec<u8>>> {
        unpack(&blocks.iter().map(Block::packed).collect::<Vec<_>>(), usize::MAX)
    }

    fn check(plain: &[u8], level: u32) {
        let blocks = blocks(plain, level);
        let found: Option<Vec<Vec<u8>>> = unpacked(&blocks).into_iter().collect();
        assert!(found.is_some_and(|found| found.concat() == plain), "{} bytes of level {level}", plain.len());
    }

    /// Bytes that do not pack, the same each time.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..size).map(next).collect()
    }

    #[test]
    fn blocks_of_every_size_and_kind_come_out() {
        for size in [1, 2, 3, 4, 5, 255, 256, 99_980, 100_000, 100_001, 350_000] {
            check(&vec![b'a'; size], 1);
            check(&noise(size), 1);
            check(&(0..size).map(|n| (n / 5) as u8).collect::<Vec<_>>(), 9);
        }
        check(&noise(2_000_000), 9);
        check(&vec![0; 50_000_000], 9);
        check(&b"two words, ".repeat(300_000), 9);
    }

    #[test]
    fn more_than_the_limit_is_given_up() {
        let blocks = blocks(&[0; 5000], 9);
        assert_eq!(unpack(&[blocks[0].packed()], 5000), [Some(vec![0; 5000])]);
        assert_eq!(unpack(&[blocks[0].packed()], 4999), [None]);
    }

    #[test]
    fn a_damaged_block_does_not_harm_the_one_beside_it() {
        let (good, bad) = (noise(3000), blocks(b"bad, bad, bad", 9));
        let good = blocks(&good, 9);
        let cut = Packed { bits: bad[0].packed().bits - 1, ..bad[0].packed() };
        let found = unpack(&[cut, good[0].packed(), good[0].packed()], usize::MAX);
        assert_eq!(found, [None, Some(noise(3000)), Some(noise(3000))]);
    }

    proptest! {
        #[test]
        fn what_a_few_symbols_make_comes_out(plain in prop::collection::vec(0..4u8, 0..3000)) {
            check(&plain, 9);
        }

        /// The sum sees to that, whatever the bits say.
        #[test]
        fn what_is_damaged_is_given_up_or_comes_out_as_it_was(
            plain in prop::collection::vec(any::<u8>(), 1..400),
            flips in prop::collection::vec(0..8000usize, 1..4),
        ) {
            let block = &blocks(&plain, 9)[0];
            let mut bytes = block.packed().bytes.to_vec();
            for flip in flips {
                let at = flip % block.packed().bits;
                bytes[at / 8] ^= 0x80 >> (at % 8);
            }
            let damaged = Packed { bytes: &bytes, ..block.packed() };
            let found = unpack(&[damaged], usize::MAX).remove(0);
            prop_assert!(found.is_none_or(|found| found == plain));
        }
    }
}
