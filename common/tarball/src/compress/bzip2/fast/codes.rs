//! The codes of a block: which bytes it uses, its tables, and the bytes that they make.

/// Symbols that follow each other with one table.
const GROUP: usize = 50;
/// Tables of a block at most.
const TABLES: usize = 6;
/// Bits of the longest code.
const LONGEST: u32 = 20;
/// Bits of a code that is found at the first look.
const SHORT: u32 = 10;
/// Tables that a block may name: those beyond are passed over.
const SELECTORS: usize = 18_002;

/// Reads the codes of a block's bytes; gives how many bytes there are, and counts them by value.
pub(super) fn read(
    bits: &mut Bits,
    mut front: Front,
    tables: &[Table],
    selectors: &[u8],
    places: &mut [u32],
    counts: &mut [u32; 256],
) -> Option<usize> {
    let end = front.used as u16 + 1;
    let (mut size, mut run, mut digit) = (0, 0, 0);
    for &selector in selectors {
        let table = tables.get(usize::from(selector))?;
        for _ in 0..GROUP {
            let code = table.next(bits)?;
            // Runs of the byte in front are numbers with the digits 1 and 2.
            if code <= 1 {
                if digit > LONGEST {
                    return None;
                }
                run += (usize::from(code) + 1) << digit;
                digit += 1;
                continue;
            }
            if run > 0 {
                let byte = front.first();
                places.get_mut(size..size + run)?.fill(u32::from(byte));
                counts[usize::from(byte)] += run as u32;
                size += run;
                (run, digit) = (0, 0);
            }
            if code == end {
                return Some(size);
            }
            let byte = front.take(usize::from(code) - 1);
            *places.get_mut(size)? = u32::from(byte);
            counts[usize::from(byte)] += 1;
            size += 1;
        }
    }
    None
}

/// The bytes that a block uses, the one used last in front.
pub(super) struct Front {
    /// Sixteen bytes each, the first lowest.
    rows: [u128; 16],
    /// How many there are.
    pub(super) used: usize,
}

impl Front {
    pub(super) fn read(bits: &mut Bits) -> Option<Front> {
        let groups = bits.take(16);
        let mut front = Front { rows: [0; 16], used: 0 };
        for group in (0..16).filter(|group| groups >> (15 - group) & 1 == 1) {
            let members = bits.take(16);
            for member in (0..16).filter(|member| members >> (15 - member) & 1 == 1) {
                front.rows[front.used / 16] |= (group * 16 + member) << (front.used % 16 * 8);
                front.used += 1;
            }
        }
        (front.used > 0).then_some(front)
    }

    fn first(&self) -> u8 {
        self.rows[0] as u8
    }

    /// Takes the byte at a place to the front.
    fn take(&mut self, place: usize) -> u8 {
        let (before, rest) = self.rows.split_at_mut(place / 16);
        let shift = place as u32 % 16 * 8;
        let byte = (rest[0] >> shift) as u8;
        let mut moved = u128::from(byte);
        for row in before {
            (*row, moved) = (*row << 8 | moved, *row >> 120);
        }
        let those = u128::MAX >> (120 - shift);
        rest[0] = rest[0] & !those | rest[0] << 8 & those | moved;
        byte
    }
}

/// The tables of a block, and which is used for each group of symbols.
pub(super) fn tables(bits: &mut Bits, used: usize) -> Option<(Vec<Table>, Vec<u8>)> {
    let count = bits.take(3) as usize;
    let groups = bits.take(15) as usize;
    if !(2..=TABLES).contains(&count) || groups == 0 {
        return None;
    }
    let mut order = [0, 1, 2, 3, 4, 5];
    let mut selectors = Vec::with_capacity(groups.min(SELECTORS));
    for _ in 0..groups {
        let mut place = 0;
        while bits.take(1) == 1 {
            place += 1;
            if place == count {
                return None;
            }
        }
        order[..=place].rotate_right(1);
        if selectors.len() < SELECTORS {
            selectors.push(order[0]);
        }
    }
    let tables = (0..count).map(|_| Table::read(bits, used + 2)).collect::<Option<_>>()?;
    Some((tables, selectors))
}

/// A table of codes.
pub(super) struct Table {
    /// By the first bits: the symbol, and above it the bits of its code; 0 where the code is longer.
    short: [u16; 1 << SHORT],
    /// The symbols in the order of their codes.
    symbols: [u16; 258],
    /// Of each length: the first code after those of that length, and that of its first symbol, both filled up with
    /// zeros, and where that symbol stands.
    long: [(u32, u32, u16); LONGEST as usize + 1],
}

impl Table {
    fn read(bits: &mut Bits, symbols: usize) -> Option<Table> {
        let mut lengths = [0; 258];
        let mut length = bits.take(5);
        for symbol in &mut lengths[..symbols] {
            loop {
                if !(1..=LONGEST).contains(&length) {
                    return None;
                }
                match bits.take(1) {
                    0 => break,
                    _ if bits.take(1) == 0 => length += 1,
                    _ => length -= 1,
                }
            }
            *symbol = length;
        }
        Table::new(&lengths[..symbols])
    }

    fn new(lengths: &[u32]) -> Option<Table> {
        let mut table = Table { short: [0; 1 << SHORT], symbols: [0; 258], long: [(0, 0, 0); LONGEST as usize + 1] };
        let (mut code, mut found) = (0, 0);
        for length in 1..=LONGEST {
            let (first, step) = (code, 1 << (LONGEST - length));
            let place = found as u16;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, has)| **has == length) {
                if code >= 1 << LONGEST {
                    return None;
                }
                table.symbols[found] = symbol as u16;
                found += 1;
                if length <= SHORT {
                    let at = (code >> (LONGEST - SHORT)) as usize;
                    table.short[at..at + (1 << (SHORT - length))].fill((length as u16) << 9 | symbol as u16);
                }
                code += step;
            }
            table.long[length as usize] = (code, first, place);
        }
        Some(table)
    }

    fn next(&self, bits: &mut Bits) -> Option<u16> {
        bits.fill();
        let ahead = (bits.buffer >> (64 - LONGEST)) as u32;
        let found = self.short[(ahead >> (LONGEST - SHORT)) as usize];
        if found != 0 {
            bits.pass(u32::from(found >> 9));
            return Some(found & 0x1ff);
        }
        let length = (SHORT + 1..=LONGEST).find(|length| ahead < self.long[*length as usize].0)?;
        let (_, first, place) = self.long[length as usize];
        bits.pass(length);
        self.symbols.get(usize::from(place) + ((ahead - first) >> (LONGEST - length)) as usize).copied()
    }
}

/// Bits, the first of a byte the highest. After the end come zeros: [`Bits::used`] tells.
pub(super) struct Bits<'b> {
    bytes: &'b [u8],
    /// The byte that is taken into the buffer next.
    at: usize,
    /// The bits ahead, the first the highest.
    buffer: u64,
    /// How many of them count.
    count: u32,
}

impl<'b> Bits<'b> {
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Bits<'b> {
        Bits { bytes, at, buffer: 0, count: 0 }
    }

    /// At least 56 bits are ahead.
    fn fill(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let next = rest.first_chunk().map_or_else(|| last(rest), |eight| u64::from_be_bytes(*eight));
        self.buffer |= next >> self.count;
        self.at += (63 - self.count as usize) >> 3;
        self.count |= 56;
    }

    fn pass(&mut self, count: u32) {
        self.buffer <<= count;
        self.count -= count;
    }

    /// The next bits, 1 to 32, as a number.
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.fill();
        let bits = self.buffer >> (64 - count);
        self.pass(count);
        bits as u32
    }

    /// Bits that were taken.
    pub(super) fn used(&self) -> usize {
        self.at * 8 - self.count as usize
    }
}

#[cold]
fn last(rest: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(eight)
}
