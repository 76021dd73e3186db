//! The map of a pool is followed to an end or refused.

#![no_main]

use std::sync::Arc;

use disk::Device;
use disk::thin::Pool;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(pool) = Pool::open(Arc::new(bytes.to_vec()), Arc::new(vec![0u8; 1 << 20])) else { return };
    for number in 0..4 {
        if let Ok(device) = pool.device(number, 1 << 20) {
            let _ = device.read(&mut vec![0; 1 << 20], 0);
        }
    }
});
