//! Compressed streams: told by their first bytes, read whole, written on both cores.
//!
//! All members, streams and frames of a file are read, one after the other. A cut file is an error that
//! [`is_truncated`] tells from others. Memory is bounded whatever the file asks for.

mod bzip2;
mod gzip;
mod pool;
mod xz;
mod zstd;

use std::io::{self, BufRead, BufReader, Read, Write};

/// How a stream is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The .xz format.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// The word for it, as `--compress` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
        }
    }

    /// The compression of that name, its usual ending taken too.
    pub fn parse(word: &str) -> Option<Compression> {
        Some(match word {
            "none" => Compression::None,
            "gzip" | "gz" => Compression::Gzip,
            "bzip2" | "bz2" => Compression::Bzip2,
            "xz" => Compression::Xz,
            "zstd" | "zst" => Compression::Zstd,
            _ => return None,
        })
    }

    /// The levels that it has, worst first.
    pub fn levels(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Compression::None => 0..=0,
            Compression::Gzip | Compression::Bzip2 => 1..=9,
            Compression::Xz => 0..=9,
            Compression::Zstd => 1..=19,
        }
    }
}

/// How many first bytes [`detect`] looks at.
pub const MAGIC: usize = 10;

/// Tells the compression by the first bytes; what is none of them is [`Compression::None`].
pub fn detect(first: &[u8]) -> Compression {
    match first {
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if bzip2::begins(rest) => Compression::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// A compressed stream that was cut: the inner error of the [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("the {} stream is cut", .0.word())]
pub struct Truncated(pub Compression);

/// Whether reading failed because a compressed stream was cut.
pub fn is_truncated(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Truncated>())
}

/// Reads a stream, unpacked if it is compressed.
pub fn decoder<'a>(input: Box<dyn Read + Send + 'a>) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let (first, input) = peek(input)?;
    let compression = detect(&first);
    let input = BufReader::with_capacity(256 << 10, input);
    let unpacked: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => return Ok((compression, Box::new(input.into_inner()))),
        Compression::Gzip => Box::new(gzip::Decoder::new(input)),
        Compression::Bzip2 => Box::new(bzip2::Decoder::new(input)),
        Compression::Xz => Box::new(xz::decoder(input)?),
        Compression::Zstd => Box::new(zstd::decoder(input)?),
    };
    Ok((compression, Box::new(Checked { inner: unpacked, compression })))
}

/// A stream whose first bytes were looked at.
type Peeked<'a> = io::Chain<io::Cursor<Vec<u8>>, Box<dyn Read + Send + 'a>>;

fn peek<'a>(mut input: Box<dyn Read + Send + 'a>) -> io::Result<(Vec<u8>, Peeked<'a>)> {
    let mut first = Vec::with_capacity(MAGIC);
    input.by_ref().take(MAGIC as u64).read_to_end(&mut first)?;
    Ok((first.clone(), io::Cursor::new(first).chain(input)))
}

/// Gives every decoder's error for a cut stream one shape.
struct Checked<'a> {
    inner: Box<dyn Read + Send + 'a>,
    compression: Compression,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(io::ErrorKind::UnexpectedEof, Truncated(self.compression)),
            _ => error,
        })
    }
}

/// A writer that has to be told that all came: only then the stream is whole.
pub trait Finish: Write + Send {
    /// Writes what is left and the end of the stream.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Compresses into `out`; `level` as the format counts them, within [`Compression::levels`].
///
/// Defaults: gzip 6, bzip2 9, xz 2, zstd 3. xz has not its usual 6, since two threads would need 190 MB.
pub fn encoder(
    compression: Compression,
    level: Option<u32>,
    out: Box<dyn Write + Send>,
) -> io::Result<Box<dyn Finish>> {
    if level.is_some_and(|level| !compression.levels().contains(&level)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} has no such level", compression.word())));
    }
    Ok(match compression {
        Compression::None => Box::new(Plain(out)),
        Compression::Gzip => Box::new(gzip::Encoder::new(out, level.unwrap_or(6))?),
        Compression::Bzip2 => Box::new(bzip2::Encoder::new(out, level.unwrap_or(9))),
        Compression::Xz => Box::new(xz::encoder(out, level.unwrap_or(2))?),
        Compression::Zstd => Box::new(zstd::encoder(out, level.unwrap_or(3))?),
    })
}

struct Plain(Box<dyn Write + Send>);

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Finish for Plain {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether nothing but zero bytes follows, as tape drives and block devices leave them; reads them.
fn only_zeros_follow(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if bytes.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        let count = bytes.len();
        input.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const ALL: [Compression; 4] = [Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn packed(compression: Compression, plain: &[u8]) -> Vec<u8> {
        let out = Shared::default();
        let mut encoder = encoder(compression, None, Box::new(out.clone())).unwrap();
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap();

        out.0.lock().unwrap().clone()
    }

    fn unpacked(raw: Vec<u8>) -> io::Result<(Compression, Vec<u8>)> {
        let (compression, mut input) = decoder(Box::new(io::Cursor::new(raw)))?;
        let mut plain = Vec::new();
        input.read_to_end(&mut plain)?;
        Ok((compression, plain))
    }

    /// Text that packs, but not to nothing.
    fn sample(size: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        (0..size).map(|i| if i % 3 == 0 { b' ' } else { b'a' + (random() % 16) as u8 }).collect()
    }

    #[test]
    fn streams_come_back_whole_also_several_in_one_file() {
        for compression in ALL {
            for size in [0, 1, 100_000, 3_000_000] {
                let plain = sample(size);
                let once = packed(compression, &plain);
                assert_eq!(unpacked(once.clone()).unwrap(), (compression, plain.clone()), "{compression:?} {size}");
                let (_, twice) = unpacked([once.clone(), once].concat()).unwrap();
                assert_eq!(twice, [plain.clone(), plain].concat(), "{compression:?} {size} twice");
            }
        }
    }

    #[test]
    fn cut_streams_are_told() {
        for compression in ALL {
            let whole = packed(compression, &sample(2_000_000));
            for cut in [11, 100, whole.len() / 2, whole.len() - 1] {
                let error = unpacked(whole[..cut].to_vec()).unwrap_err();
                assert!(is_truncated(&error), "{compression:?} cut at {cut} of {}: {error:?}", whole.len());
            }
        }
    }

    #[test]
    fn damaged_streams_are_errors() {
        for compression in ALL {
            let mut raw = packed(compression, &sample(2_000_000));
            let middle = raw.len() / 2;
            raw[middle] ^= 0x55;
            raw[middle + 1] ^= 0xff;
            let error = unpacked(raw).unwrap_err();
            assert!(!is_truncated(&error), "{compression:?}: {error:?}");
        }
    }

    /// What bzip2 itself writes has many blocks in a stream, at any bit.
    #[test]
    fn streams_of_many_blocks_come_back() {
        let plain = sample(3_000_000);
        for level in [1, 5, 9] {
            let mut packer = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::new(level));
            packer.write_all(&plain).unwrap();
            let once = packer.finish().unwrap();
            let (_, back) = unpacked([&once[..], &once, &[0; 5000]].concat()).unwrap();
            assert!(back == [&plain[..], &plain].concat(), "level {level}");
            let error = unpacked([&once[..], b"something else"].concat()).unwrap_err();
            assert!(error.to_string().contains("something else follows it"), "{error}");
            for cut in [11, 14, 5000, once.len() - 3] {
                let mut raw = once.clone();
                raw.truncate(cut);
                assert!(is_truncated(&unpacked(raw).unwrap_err()), "level {level} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_long_run_of_one_byte_is_not_kept_in_memory_and_a_wrong_sum_is_found() {
        let plain = vec![7; 60_000_000];
        let mut packer = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::new(9));
        packer.write_all(&plain).unwrap();
        let mut raw = packer.finish().unwrap();
        assert!(unpacked(raw.clone()).unwrap().1 == plain);
        let end = raw.len() - 3;
        raw[end] ^= 4;
        assert!(unpacked(raw).is_err());
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        for compression in ALL {
            assert_eq!(detect(&packed(compression, b"x")), compression);
            assert_eq!(detect(&packed(compression, b"")), compression);
        }
        for plain in [&b""[..], b"BZh9", b"BZh9 is how bzip2 begins", b"\x1f\x8b", b"./etc/passwd"] {
            assert_eq!(detect(plain), Compression::None);
        }
        assert_eq!(detect(b"\x50\x2a\x4d\x18\x04\0\0\0abcd"), Compression::Zstd);
    }
}
