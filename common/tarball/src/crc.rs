//! CRC-64 as Go's `crc64.ISO`, which tar-split keeps of each file's content: big endian in its `payload`.

use crc_fast::CrcAlgorithm;

/// A running CRC-64/ISO.
pub struct Crc64(crc_fast::Digest);

impl Default for Crc64 {
    fn default() -> Crc64 {
        Crc64(crc_fast::Digest::new(CrcAlgorithm::Crc64GoIso))
    }
}

impl Crc64 {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum so far.
    pub fn sum(&self) -> u64 {
        self.0.finalize()
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_gos() {
        for (text, sum) in [("", 0), ("123456789", 0xb909_56c7_75a4_1001), ("hello\n", 0x614c_3eee_e2d8_1000)] {
            let mut crc = Crc64::default();
            crc.update(text.as_bytes());
            assert_eq!(crc.sum(), sum, "{text}");
            crc.reset();
            assert_eq!(crc.sum(), 0);
        }
    }
}
