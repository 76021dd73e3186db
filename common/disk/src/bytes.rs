//! Numbers in bytes. What lies beyond the end reads as zero: sizes are checked where a structure is taken, and a field
//! that an old, short structure lacks is zero in all formats here.

/// Fields by their offset.
pub trait Bytes {
    /// The bytes from `at`, as many as asked for, zeros beyond the end.
    fn take<const N: usize>(&self, at: usize) -> [u8; N];

    /// Little endian.
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.take(at))
    }

    /// Little endian.
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.take(at))
    }

    /// Little endian.
    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.take(at))
    }

    /// Big endian.
    fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.take(at))
    }
}

impl Bytes for [u8] {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        let there = self.get(at..).unwrap_or_default();
        let count = there.len().min(N);
        out[..count].copy_from_slice(&there[..count]);
        out
    }
}
