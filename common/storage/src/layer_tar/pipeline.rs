//! One thread makes the bytes, one hashes them, this one writes them.

use std::io::{self, Write};
use std::sync::Arc;
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

/// Runs `make` in a thread of its own; what it writes is hashed in another and written in this one.
pub fn run(
    out: &mut dyn Write,
    make: impl FnOnce(&mut dyn Write) -> Result<Vec<Finding>, LayerTarError> + Send,
) -> Result<Made, LayerTarError> {
    let (full, pieces) = sync_channel(PIECES);
    let (empty, returned) = sync_channel(2 * PIECES + 2);
    let (to_hash, to_be_hashed) = sync_channel(PIECES);
    std::thread::scope(|scope| {
        let maker = scope.spawn(move || -> Result<Vec<Finding>, LayerTarError> {
            let mut pieces = Pieces { piece: Vec::with_capacity(PIECE), full, returned };
            let findings = make(&mut pieces)?;
            pieces.send().map_err(LayerTarError::Write)?;
            Ok(findings)
        });
        let given_back = empty.clone();
        let hasher = scope.spawn(move || hash(to_be_hashed, &given_back));
        let written = write(pieces, to_hash, &empty, out);
        let digest = hasher.join().expect("hashing does not panic");
        let made = maker.join().expect("the thread that reads a layer does not panic");
        // Where the output broke, the maker only noticed that nobody takes its pieces.
        let size = written.map_err(LayerTarError::Write)?;
        Ok(Made { digest, size, findings: made? })
    })
}

fn hash(pieces: Receiver<Arc<Vec<u8>>>, empty: &SyncSender<Vec<u8>>) -> Digest {
    let mut hash = Sha256::default();
    for piece in pieces {
        hash.update(&piece);
        give_back(piece, empty);
    }
    hash.finish()
}

fn write(
    pieces: Receiver<Vec<u8>>,
    to_hash: SyncSender<Arc<Vec<u8>>>,
    empty: &SyncSender<Vec<u8>>,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let mut size = 0;
    for piece in pieces {
        let piece = Arc::new(piece);
        to_hash.send(piece.clone()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        out.write_all(&piece)?;
        size += piece.len() as u64;
        give_back(piece, empty);
    }
    Ok(size)
}

/// Whoever is the last to hold a piece gives it back to be filled again.
fn give_back(piece: Arc<Vec<u8>>, empty: &SyncSender<Vec<u8>>) {
    if let Some(mut piece) = Arc::into_inner(piece) {
        piece.clear();
        // The maker may be done already.
        let _ = empty.try_send(piece);
    }
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
