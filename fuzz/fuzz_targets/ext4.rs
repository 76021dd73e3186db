//! A filesystem is read to an end or refused, directories in themselves included.

#![no_main]

use std::sync::Arc;

use hostfs::Dir;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok((tree, top)) = disk::tree(Arc::new(bytes.to_vec())) else { return };
    let mut left: Vec<Dir> = Dir::of_tree(tree, top).into_iter().collect();
    while let Some(dir) = left.pop() {
        for entry in dir.entries().unwrap_or_default() {
            let _ = (dir.stat(&entry.name), dir.xattrs(&entry.name), dir.read_link(&entry.name));
            if let Ok(file) = dir.open_file(&entry.name) {
                let _ = file.read_at(&mut [0; 4096], 0);
            }
            left.extend(dir.open_dir(&entry.name));
        }
    }
});
