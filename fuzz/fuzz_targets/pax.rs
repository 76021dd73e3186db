//! PAX records that parse are written back as the same records.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tarball::pax;

fuzz_target!(|bytes: &[u8]| {
    let Some(records) = pax::parse(bytes) else { return };
    let mut body = Vec::new();
    for (key, value) in &records {
        let _ = pax::xattr_name(key);
        pax::put(&mut body, key, value);
    }
    assert_eq!(pax::parse(&body).as_ref(), Some(&records));
});
