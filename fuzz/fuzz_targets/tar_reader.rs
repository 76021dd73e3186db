//! A tar is read or refused, entry after entry, whatever its bytes.

#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use tarball::Reader;

/// Bytes of content that are read of one entry: a hostile sparse file may claim to be endless.
const MOST: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    while let Ok(Some(_)) = reader.next() {
        let _ = std::io::copy(&mut reader.content().take(MOST), &mut std::io::sink());
    }
});
