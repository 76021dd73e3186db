//! Any bytes have an inspect document, or a finding.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = layout::inspect_bytes(bytes);
});
