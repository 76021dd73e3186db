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
    make: impl FnOnce(&mut Pieces) -> Result<Vec<Finding>, LayerTarError> + Send,
) -> Result<Made, LayerTarError> {
    let (full, pieces) = sync_channel(PIECES);
    let (empty, returned) = sync_channel(2 * PIECES + 2);
    let (to_hash, to_be_hashed) = sync_channel(PIECES);
    std::thread::scope(|scope| {
        let maker = scope.spawn(move || -> Result<Vec<Finding>, LayerTarError> {
            let mut pieces = Pieces { piece: Piece::default(), full, returned };
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

fn hash(pieces: Receiver<Arc<Piece>>, empty: &SyncSender<Piece>) -> Digest {
    let mut hash = Sha256::default();
    for piece in pieces {
        hash.update(piece.bytes());
        give_back(piece, empty);
    }
    hash.finish()
}

fn write(
    pieces: Receiver<Piece>,
    to_hash: SyncSender<Arc<Piece>>,
    empty: &SyncSender<Piece>,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let mut size = 0;
    for piece in pieces {
        let piece = Arc::new(piece);
        to_hash.send(piece.clone()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        out.write_all(piece.bytes())?;
        size += piece.filled as u64;
        give_back(piece, empty);
    }
    Ok(size)
}

/// Whoever is the last to hold a piece gives it back to be filled again.
fn give_back(piece: Arc<Piece>, empty: &SyncSender<Piece>) {
    if let Some(piece) = Arc::into_inner(piece) {
        // The maker may be done already.
        let _ = empty.try_send(Piece { filled: 0, ..piece });
    }
}

/// Some of the bytes, in a buffer that is used again and again.
struct Piece {
    buffer: Box<[u8]>,
    filled: usize,
}

impl Default for Piece {
    fn default() -> Piece {
        Piece { buffer: vec![0; PIECE].into_boxed_slice(), filled: 0 }
    }
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

/// Takes the bytes, into pieces of one size.
pub struct Pieces {
    piece: Piece,
    full: SyncSender<Piece>,
    returned: Receiver<Piece>,
}

impl Pieces {
    /// Room for more bytes, at least one; [`Pieces::filled`] says how many were put there.
    pub fn space(&mut self) -> io::Result<&mut [u8]> {
        if self.piece.filled == PIECE {
            self.send()?;
        }
        Ok(&mut self.piece.buffer[self.piece.filled..])
    }

    /// So many bytes of the space hold something now.
    pub fn filled(&mut self, count: usize) {
        self.piece.filled += count;
    }

    fn send(&mut self) -> io::Result<()> {
        let next = self.returned.try_recv().unwrap_or_default();
        let piece = std::mem::replace(&mut self.piece, next);
        self.full.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = self.space()?;
        let taken = bytes.len().min(space.len());
        space[..taken].copy_from_slice(&bytes[..taken]);
        self.filled(taken);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
