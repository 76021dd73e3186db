//! xz, by liblzma: all streams are read; two threads both ways.

use std::io::{self, BufRead, Read, Write};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{Check, MtStreamBuilder, Stream};

use super::Finish;

/// Memory that decoding may take before it goes on with one thread.
const THREADED: u64 = 32 << 20;

/// Memory that decoding may take at all: a file of level 9 wants 65 MiB.
const AT_ALL: u64 = 72 << 20;

/// Reads stream after stream; liblzma does so by itself only with one thread.
pub(super) struct Decoder<R>(Option<XzDecoder<R>>);

pub(super) fn decoder<R: BufRead>(input: R) -> io::Result<Decoder<R>> {
    Ok(Decoder(Some(XzDecoder::new_stream(input, stream()?))))
}

fn stream() -> io::Result<Stream> {
    Ok(MtStreamBuilder::new().threads(2).memlimit_threading(THREADED).memlimit_stop(AT_ALL).decoder()?)
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut rest = self.0.take().map(XzDecoder::into_inner).expect("it is there");
            // Streams may be parted by zeros.
            let is_stream = next_after_zeros(&mut rest)?;
            if is_stream {
                self.0 = Some(XzDecoder::new_stream(rest, stream()?));
            }
        }
        Ok(0)
    }
}

/// Passes over zeros; whether anything follows.
fn next_after_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        if zeros < bytes.len() || bytes.is_empty() {
            let follows = !bytes.is_empty();
            input.consume(zeros);
            return Ok(follows);
        }
        input.consume(zeros);
    }
}

pub(super) fn encoder(out: Box<dyn Write + Send>, level: u32) -> io::Result<Encoder> {
    let stream = MtStreamBuilder::new().threads(2).preset(level).check(Check::Crc64).encoder()?;
    Ok(Encoder(liblzma::write::XzEncoder::new_stream(out, stream)))
}

pub(super) struct Encoder(liblzma::write::XzEncoder<Box<dyn Write + Send>>);

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Finish for Encoder {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.finish()?.flush()
    }
}
