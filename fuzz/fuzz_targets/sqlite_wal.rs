//! A database and its write-ahead log are read or refused; the first four bytes say where one ends.

#![no_main]

use layout::db::sqlite::Database;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, rest)) = bytes.split_first_chunk::<4>() else { return };
    let (main, wal) = rest.split_at((u32::from_le_bytes(*cut) as usize).min(rest.len()));
    if let Ok(database) = Database::read(main.to_vec(), Some(wal)) {
        let _ = database.tables();
    }
});
