//! Maps of sparse files: where in a file the bytes lie that the archive holds.
//!
//! Sources: GNU tar 1.34 manual, "Storing Sparse Files" (old GNU, PAX 0.0, 0.1, 1.0); src/sparse.c.

use model::Extent;

use crate::block::{self, Block};
use crate::pax::parse_decimal;

/// Data extents of one file at most; 16 bytes of memory each.
pub const MAX_EXTENTS: usize = 400_000;

/// A map as read: the extents with data and the size of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// In order, not overlapping, none of them empty.
    pub extents: Vec<Extent>,
    /// Bytes, holes included.
    pub size: u64,
}

impl Map {
    /// Checks a map: in order, apart, inside the file, and of `stored` bytes together.
    pub fn checked(extents: Vec<Extent>, size: u64, stored: u64) -> Result<Map, &'static str> {
        let (mut end, mut sum) = (0u64, 0u64);
        for extent in &extents {
            if extent.offset < end {
                return Err("the extents of its sparse map overlap or are out of order");
            }
            end = extent.offset.checked_add(extent.size).ok_or("its sparse map goes beyond 64 bits")?;
            sum = sum.checked_add(extent.size).ok_or("its sparse map goes beyond 64 bits")?;
        }
        if end > size {
            return Err("its sparse map goes beyond its size");
        }
        if sum != stored {
            return Err("its sparse map does not fit its stored size");
        }
        Ok(Map { extents: extents.into_iter().filter(|extent| extent.size > 0).collect(), size })
    }
}

/// The entries of an old GNU header or of a block that continues it, at `at`; `None` where one is no number.
/// An entry without an offset ends the list.
pub fn old_gnu(raw: Block, at: usize, count: usize, extents: &mut Vec<Extent>) -> Option<()> {
    for i in 0..count {
        let start = at + i * 24;
        if raw.field(start..start + 12)[0] == 0 && raw.field(start + 12..start + 24)[0] == 0 {
            break;
        }
        let extent = Extent { offset: raw.number(start..start + 12)?, size: raw.number(start + 12..start + 24)? };
        extents.push(extent);
    }
    Some(())
}

/// Whether an old GNU header, or a block that continues it, is followed by another such block.
pub fn old_gnu_goes_on(raw: Block, first: bool) -> bool {
    raw.0[if first { 482 } else { 504 }] != 0
}

/// The size of the whole file in an old GNU header.
pub fn old_gnu_size(raw: Block) -> Option<u64> {
    raw.number(483..495)
}

/// The list of PAX 0.1: `OFFSET,SIZE,OFFSET,SIZE`.
pub fn pax_0_1(list: &[u8]) -> Option<Vec<Extent>> {
    if list.is_empty() {
        return Some(Vec::new());
    }
    let numbers: Vec<u64> = list.split(|&byte| byte == b',').map(parse_decimal).collect::<Option<_>>()?;
    let pairs = numbers.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| Extent { offset: pair[0], size: pair[1] }).collect())
}

/// The map of PAX 1.0, which stands before the data in whole blocks: decimal numbers, one a line.
#[derive(Default)]
pub struct Pax10 {
    number: u64,
    digits: usize,
    count: Option<u64>,
    offset: Option<u64>,
    extents: Vec<Extent>,
}

impl Pax10 {
    /// Takes one block; true when the map is complete, whatever the rest of that block holds. `None`: it is no map.
    pub fn take(&mut self, block: &[u8; block::SIZE]) -> Option<bool> {
        for &byte in block {
            if self.is_complete() {
                break;
            }
            match byte {
                b'0'..=b'9' => {
                    self.number = self.number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
                    self.digits += 1;
                }
                b'\n' if self.digits > 0 => self.line()?,
                _ => return None,
            }
        }
        Some(self.is_complete())
    }

    /// The extents read.
    pub fn extents(self) -> Vec<Extent> {
        self.extents
    }

    fn is_complete(&self) -> bool {
        self.count.is_some_and(|count| count == self.extents.len() as u64)
    }

    fn line(&mut self) -> Option<()> {
        let number = std::mem::take(&mut self.number);
        self.digits = 0;
        match (self.count, self.offset.take()) {
            (None, _) => self.count = Some(number).filter(|&count| count <= MAX_EXTENTS as u64),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => self.extents.push(Extent { offset, size: number }),
        }
        self.count.map(|_| ())
    }
}

/// The map of PAX 1.0 for `extents` of a file of `size` bytes, zeros up to a whole block after it. As GNU tar does, a
/// hole at the end is told by an empty extent there.
pub fn put_pax_1_0(extents: &[Extent], size: u64) -> Vec<u8> {
    let end = extents.last().map_or(0, |last| last.offset + last.size);
    let tail = (end < size || extents.is_empty()).then_some(Extent { offset: size, size: 0 });
    let mut map = format!("{}\n", extents.len() + usize::from(tail.is_some()));
    for extent in extents.iter().chain(&tail) {
        map.push_str(&format!("{}\n{}\n", extent.offset, extent.size));
    }
    let mut map = map.into_bytes();
    map.resize(map.len() + block::padding(map.len() as u64), 0);
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extent(offset: u64, size: u64) -> Extent {
        Extent { offset, size }
    }

    #[test]
    fn maps_that_do_not_add_up_are_refused() {
        for (extents, size, stored, why) in [
            (vec![extent(5, 5), extent(0, 2)], 10, 7, "overlap"),
            (vec![extent(0, 5), extent(4, 2)], 10, 7, "overlap"),
            (vec![extent(0, 5)], 4, 5, "beyond its size"),
            (vec![extent(0, 5)], 10, 6, "stored size"),
            (vec![extent(u64::MAX, 5)], 10, 5, "64 bits"),
        ] {
            assert!(Map::checked(extents, size, stored).unwrap_err().contains(why), "{why}");
        }
        assert_eq!(Map::checked(vec![extent(2, 3), extent(9, 0)], 9, 3).unwrap().extents, [extent(2, 3)]);
    }

    #[test]
    fn lists_of_0_1_are_pairs() {
        assert_eq!(pax_0_1(b"0,5,10,1"), Some(vec![extent(0, 5), extent(10, 1)]));
        for bad in [&b"0"[..], b"0,5,", b"0,5,x,1", b"-1,2"] {
            assert_eq!(pax_0_1(bad), None);
        }
    }

    proptest! {
        #[test]
        fn maps_of_1_0_come_back(pairs in proptest::collection::vec((1u64..1 << 40, 1u64..1 << 30), 0..100), tail in 0u64..9) {
            let mut end = 0;
            let extents: Vec<Extent> = pairs.iter().map(|&(gap, size)| { let e = extent(end + gap, size); end = e.offset + size; e }).collect();
            let stored = extents.iter().map(|e| e.size).sum();
            let raw = put_pax_1_0(&extents, end + tail);
            let mut map = Pax10::default();
            let blocks: Vec<&[u8; 512]> = raw.chunks(512).map(|b| b.try_into().unwrap()).collect();
            for (i, block) in blocks.iter().enumerate() {
                prop_assert_eq!(map.take(block), Some(i + 1 == blocks.len()));
            }
            prop_assert_eq!(Map::checked(map.extents(), end + tail, stored).unwrap().extents, extents);
        }
    }
}
