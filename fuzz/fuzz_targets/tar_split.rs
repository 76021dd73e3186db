//! A tar-split is read to its end or to its first damage.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tarball::split::Reader;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    while let Ok(Some(_)) = reader.next() {}
});
