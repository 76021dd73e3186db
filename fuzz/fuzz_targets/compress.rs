//! A stream is recognised and unpacked, or refused.

#![no_main]

use std::io::{self, Cursor, Read};

use libfuzzer_sys::fuzz_target;
use tarball::compress;

/// Bytes that are unpacked at most: a bomb must not stop the search.
const MOST: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let _ = compress::detect(bytes);
    if let Ok((_, mut stream)) = compress::decoder(Box::new(Cursor::new(bytes))) {
        let _ = io::copy(&mut stream.by_ref().take(MOST), &mut io::sink());
    }
});
