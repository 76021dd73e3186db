//! An image reference that parses is the same one when written out and parsed again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::Reference;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(reference) = Reference::parse(text) else { return };
    let again = Reference::parse(&reference.full()).expect("a written reference parses");
    assert_eq!(again.full(), reference.full());
});
