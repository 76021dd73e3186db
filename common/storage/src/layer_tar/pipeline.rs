//! One thread makes the bytes, this one hashes and writes them.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use model::{Digest, Finding};
use tarball::Sha256;

use super::LayerTarError;

/// Bytes of one piece that goes from one thread to the other.
const PIECE: usize = 512 << 10;
/// Pieces under way, so that neither thread waits for the other's every file.
const PIECES: usize = 6;

/// What came through.
pub struct Made {
    pub digest: Digest,
    pub size: u64,
    pub findings: Vec<Finding>,
}

/// Runs `make` in a thread of its own, and hashes and writes what it writes.
pub fn run(
    out: &mut dyn Write,
    make: impl FnOnce(&mut dyn Write) -> Result<Vec<Finding>, LayerTarError> + Send,
) -> Result<Made, LayerTarError> {
    let (full, pieces) = sync_channel(PIECES);
    let (empty, returned) = sync_channel(PIECES + 2);
    std::thread::scope(|scope| {
        let maker = scope.spawn(move || -> Result<Vec<Finding>, LayerTarError> {
            let mut pieces = Pieces { piece: Vec::with_capacity(PIECE), full, returned };
            let findings = make(&mut pieces)?;
            pieces.send().map_err(LayerTarError::Write)?;
            Ok(findings)
        });
        let written = hash_and_write(pieces, &empty, out);
        let made = maker.join().expect("the thread that reads a layer does not panic");
        // Where the output broke, the maker only noticed that nobody takes its pieces.
        let (digest, size) = written.map_err(LayerTarError::Write)?;
        Ok(Made { digest, size, findings: made? })
    })
}

fn hash_and_write(
    pieces: Receiver<Vec<u8>>,
    empty: &SyncSender<Vec<u8>>,
    out: &mut dyn Write,
) -> io::Result<(Digest, u64)> {
    let (mut hash, mut size) = (Sha256::default(), 0);
    for mut piece in pieces {
        hash.update(&piece);
        out.write_all(&piece)?;
        size += piece.len() as u64;
        piece.clear();
        // The maker may be done already.
        let _ = empty.try_send(piece);
    }
    Ok((hash.finish(), size))
}

/// Collects what is written into pieces of one size.
struct Pieces {
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    returned: Receiver<Vec<u8>>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let next = self.returned.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
        let piece = std::mem::replace(&mut self.piece, next);
        self.full.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
