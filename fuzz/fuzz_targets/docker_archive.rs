//! An archive's manifest, with a config beside it, names images or is refused; a zero byte parts the two.

#![no_main]

use archive::catalogue::Catalogue;
use libfuzzer_sys::fuzz_target;
use model::EntryPath;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let mut catalogue = Catalogue::new(None);
    for (name, raw) in ["manifest.json", "config.json"].into_iter().zip(parts.by_ref()) {
        let name = EntryPath::parse(name.as_bytes()).expect("the name is relative");
        if catalogue.document(name, raw.to_vec()).is_err() {
            return;
        }
    }
    let _ = catalogue.images();
});
