//! SHA-256, by the implementation that is fast on every processor. The choice is this file.

use std::io::{self, Read, Write};

use model::Digest;

/// A running SHA-256.
#[derive(Clone)]
pub struct Sha256(ring::digest::Context);

impl Default for Sha256 {
    fn default() -> Sha256 {
        Sha256(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl Sha256 {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hash = Sha256::default();
        hash.update(bytes);
        hash.finish()
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that came.
    pub fn finish(self) -> Digest {
        let digest = self.0.finish();
        Digest(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// Reads through, hashing and counting.
pub struct HashingReader<R> {
    input: R,
    hash: Sha256,
    count: u64,
}

impl<R: Read> HashingReader<R> {
    /// Wraps a reader.
    pub fn new(input: R) -> HashingReader<R> {
        HashingReader { input, hash: Sha256::default(), count: 0 }
    }

    /// Bytes read so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest and number of the bytes read.
    pub fn finish(self) -> (Digest, u64) {
        (self.hash.finish(), self.count)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.count += n as u64;
        Ok(n)
    }
}

/// Writes through, hashing and counting.
pub struct HashingWriter<W> {
    out: W,
    hash: Sha256,
    count: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Wraps a writer.
    pub fn new(out: W) -> HashingWriter<W> {
        HashingWriter { out, hash: Sha256::default(), count: 0 }
    }

    /// Bytes written so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The writer, with the digest and number of the bytes written.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.out, self.hash.finish(), self.count)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_digest() {
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut reader = HashingReader::new(&b"abc"[..]);
        let mut writer = HashingWriter::new(Vec::new());
        io::copy(&mut reader, &mut writer).unwrap();
        assert_eq!((reader.finish().0.to_string(), writer.finish().1.to_string()), (digest.into(), digest.into()));
        assert_eq!(Sha256::of(b"abc").to_string(), digest);
    }

    proptest::proptest! {
        #[test]
        fn in_whatever_pieces_bytes_come_it_is_what_sha2_says(pieces: Vec<Vec<u8>>) {
            let mut hash = Sha256::default();
            pieces.iter().for_each(|piece| hash.update(piece));
            let judge: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(pieces.concat()).into();
            assert_eq!(hash.finish(), Digest(judge));
        }
    }
}
