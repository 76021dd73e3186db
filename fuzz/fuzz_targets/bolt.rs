//! A bolt database is read or refused, cycles of pages included.

#![no_main]

use layout::db::bolt::Database;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Database::read(bytes);
});
