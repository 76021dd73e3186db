//! zstd: all frames are read, those to be skipped are skipped; two threads write.

use std::io::{self, BufRead, Read, Write};

use super::Finish;

/// Windows of up to 128 MiB are read, as the zstd program does; beyond that it wants `--long`.
const WINDOW_LOG: u32 = 27;

pub(super) fn decoder<R: BufRead + Send>(input: R) -> io::Result<impl Read + Send + use<R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

pub(super) fn encoder(out: Box<dyn Write + Send>, level: u32) -> io::Result<Encoder> {
    let mut encoder = zstd::stream::write::Encoder::new(out, level as i32)?;
    encoder.include_checksum(true)?;
    encoder.multithread(2)?;
    Ok(Encoder(encoder))
}

pub(super) struct Encoder(zstd::stream::write::Encoder<'static, Box<dyn Write + Send>>);

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
