//! One header block: 512 bytes of fields, as v7, ustar and GNU tar lay them out.
//!
//! Sources: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar 1.34 src/tar.h; Go 1.19 archive/tar/format.go (star).

use std::ops::Range;

/// Bytes of a block. Everything in an archive is a whole number of them.
pub const SIZE: usize = 512;

/// A header as it lies in the archive.
#[derive(Clone, Copy)]
pub struct Block<'a>(pub &'a [u8; SIZE]);

/// Which layout of fields a block has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// No magic.
    V7,
    /// `ustar\0`, with a prefix of 155 bytes.
    Ustar,
    /// `ustar\0`, ending in `tar\0`, with a prefix of 131 bytes.
    Star,
    /// `ustar  \0`, without a prefix.
    Gnu,
}

/// Where a field lies.
pub type Field = Range<usize>;

/// The name.
pub const NAME: Field = 0..100;
/// Permission bits.
pub const MODE: Field = 100..108;
/// Owner.
pub const UID: Field = 108..116;
/// Group.
pub const GID: Field = 116..124;
/// Bytes of content.
pub const SIZE_FIELD: Field = 124..136;
/// Seconds since 1970.
pub const MTIME: Field = 136..148;
/// Sum of all bytes, this field taken as spaces.
pub const CHECKSUM: Field = 148..156;
/// Target of a link.
pub const LINK: Field = 157..257;
/// `ustar` and version.
pub const MAGIC: Field = 257..265;
/// Owner's name.
pub const UNAME: Field = 265..297;
/// Group's name.
pub const GNAME: Field = 297..329;
/// Major number of a device.
pub const DEV_MAJOR: Field = 329..337;
/// Minor number of a device.
pub const DEV_MINOR: Field = 337..345;
/// First part of the name (ustar).
pub const PREFIX: Field = 345..500;

/// Where the type flag stands.
pub const FLAG: usize = 156;

impl<'a> Block<'a> {
    /// The first block of `raw`, which has at least one.
    pub fn of(raw: &'a [u8]) -> Block<'a> {
        Block(raw[..SIZE].try_into().expect("the slice has the size of a block"))
    }

    /// The bytes of a field.
    pub fn field(self, field: Field) -> &'a [u8] {
        &self.0[field]
    }

    /// A field of text, up to its first zero byte.
    pub fn text(self, field: Field) -> &'a [u8] {
        until_zero(self.field(field))
    }

    /// A field that holds a number; `None` when it does not, or the number is below zero or beyond 64 bits.
    pub fn number(self, field: Field) -> Option<u64> {
        u64::try_from(parse_number(self.field(field))?).ok()
    }

    /// A field that holds a number that may be below zero.
    pub fn signed(self, field: Field) -> Option<i64> {
        i64::try_from(parse_number(self.field(field))?).ok()
    }

    /// The type flag.
    pub fn flag(self) -> u8 {
        self.0[FLAG]
    }

    /// Which layout the fields have.
    pub fn layout(self) -> Layout {
        match self.field(MAGIC) {
            b"ustar  \0" => Layout::Gnu,
            magic if &magic[..6] == b"ustar\0" && self.0[508..] == *b"tar\0" => Layout::Star,
            magic if &magic[..6] == b"ustar\0" => Layout::Ustar,
            // Some writers of 1990's left the version out, or put a space after the magic.
            magic if &magic[..5] == b"ustar" => Layout::Gnu,
            _ => Layout::V7,
        }
    }

    /// The name, with its prefix where the layout has one.
    pub fn name(self) -> Vec<u8> {
        let prefix = match self.layout() {
            Layout::Ustar => self.text(PREFIX),
            Layout::Star => self.text(PREFIX.start..PREFIX.start + 131),
            Layout::V7 | Layout::Gnu => b"",
        };
        let mut name = Vec::with_capacity(prefix.len() + 1 + 100);
        if !prefix.is_empty() {
            name.extend_from_slice(prefix);
            name.push(b'/');
        }
        name.extend_from_slice(self.text(NAME));
        name
    }

    /// Whether the sum in the header is that of its bytes, taken as unsigned (all programs) or signed (some old ones).
    pub fn is_sound(self) -> bool {
        let Some(stated) = parse_number(self.field(CHECKSUM)) else { return false };
        let (mut unsigned, mut signed) = (0i128, 0i128);
        for (i, &byte) in self.0.iter().enumerate() {
            let byte = if CHECKSUM.contains(&i) { b' ' } else { byte };
            unsigned += i128::from(byte);
            signed += i128::from(byte as i8);
        }
        stated == unsigned || stated == signed
    }

    /// Whether all of it is zero.
    pub fn is_zero(self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }
}

/// The bytes in front of the first zero byte.
pub fn until_zero(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|&byte| byte == 0).unwrap_or(field.len())]
}

/// How many bytes follow `size` bytes up to the next block.
pub fn padding(size: u64) -> usize {
    (size.wrapping_neg() % SIZE as u64) as usize
}

/// A number as octal digits with spaces around, or base-256 where the first bit is set. An empty field is zero.
fn parse_number(field: &[u8]) -> Option<i128> {
    if field[0] & 0x80 != 0 {
        return parse_base_256(field);
    }
    let start = field.iter().position(|&byte| byte != b' ' && byte != 0).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0i128, |n, &digit| match digit {
        b'0'..=b'7' => Some(n << 3 | i128::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big endian, its first bit taken for the mark (GNU tar 1.34 src/list.c from_header).
fn parse_base_256(field: &[u8]) -> Option<i128> {
    let first = i128::from(field[0] & 0x7f) - if field[0] & 0x40 != 0 { 0x80 } else { 0 };
    let number = field[1..].iter().try_fold(first, |n, &byte| n.checked_mul(256)?.checked_add(i128::from(byte)));
    number.filter(|n| i64::try_from(*n).is_ok() || u64::try_from(*n).is_ok())
}

/// Writes `number` into a field: octal digits and a zero byte. False where it does not fit.
pub fn put_octal(field: &mut [u8], number: u64) -> bool {
    let digits = field.len() - 1;
    if digits * 3 < 64 && number >> (digits * 3) != 0 {
        return false;
    }
    for (i, byte) in field[..digits].iter_mut().rev().enumerate() {
        *byte = b'0' + (number.checked_shr(3 * i as u32).unwrap_or(0) & 7) as u8;
    }
    field[digits] = 0;
    true
}

/// Writes the sum of all bytes: six octal digits, a zero byte, a space.
pub fn put_checksum(block: &mut [u8; SIZE]) {
    block[CHECKSUM].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    let fits = put_octal(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum);
    debug_assert!(fits, "512 times 255 has six octal digits");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_gnu_tar_writes_them() {
        let check = |field: &[u8], number: Option<i128>| assert_eq!(parse_number(field), number, "{field:?}");
        check(b"0000644\0", Some(0o644));
        check(b"    644 ", Some(0o644));
        check(b"\0\0\0\0\0\0\0\0", Some(0));
        check(b"77777777", Some(0o77777777));
        check(b"00008\0\0\0", None);
        check(b"-0000001", None);
        check(b"\x80\0\0\0\0\0\0\x02", Some(2));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2));
        check(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", Some(i128::from(u64::MAX)));
        check(b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None);
    }

    #[test]
    fn octal_that_does_not_fit_is_not_written() {
        let mut field = [0; 8];
        assert!(put_octal(&mut field, 0o7777777) && &field == b"7777777\0");
        assert!(!put_octal(&mut field, 0o10000000));
        assert!(put_octal(&mut [0; 12], 0o77777777777) && !put_octal(&mut [0; 12], 0o100000000000));
    }

    #[test]
    fn padding_fills_a_block() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
