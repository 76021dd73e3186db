//! The archive's bytes on their way from the input to those who hash them and those who make files of them.
//!
//! Blocks are shared, not copied, and come back to the reader when the last one has done with them, so that memory is
//! bounded and stays warm.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use tarball::Sha256;

/// Bytes of a block.
pub(super) const BLOCK: usize = 1 << 20;

/// Blocks that wait for one of the two at most. Both together hold 2 × 6 MiB then.
pub(super) const WAITING: usize = 5;

type Shared = Arc<Vec<u8>>;

/// Reads the input to its end, or until nobody takes its blocks any more.
pub(super) fn pump(
    mut input: impl Read,
    free: Receiver<Vec<u8>>,
    hash: SyncSender<Shared>,
    files: SyncSender<io::Result<Shared>>,
) {
    loop {
        let mut block = free.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
        block.clear();
        let read = input.by_ref().take(BLOCK as u64).read_to_end(&mut block);
        let is_last = block.len() < BLOCK;
        if !block.is_empty() {
            let block = Arc::new(block);
            if hash.send(block.clone()).is_err() || files.send(Ok(block)).is_err() {
                return;
            }
        }
        if let Err(error) = read {
            // The other end takes it, or has gone for a reason of its own.
            let _ = files.send(Err(error));
            return;
        }
        if is_last {
            return;
        }
    }
}

/// Hashes blocks until there are no more.
pub(super) fn digest(blocks: Receiver<Shared>, free: Sender<Vec<u8>>) -> (model::Digest, u64) {
    let (mut hash, mut count) = (Sha256::default(), 0);
    for block in blocks {
        hash.update(&block);
        count += block.len() as u64;
        give_back(block, &free);
    }
    (hash.finish(), count)
}

/// Returns a block to the reader if nobody else has it.
fn give_back(block: Shared, free: &Sender<Vec<u8>>) {
    if let Some(block) = Arc::into_inner(block) {
        // The reader may have gone, since the input has ended.
        let _ = free.send(block);
    }
}

/// The blocks as one stream, lent as they lie.
pub(super) struct Blocks {
    incoming: Receiver<io::Result<Shared>>,
    free: Sender<Vec<u8>>,
    current: Option<Shared>,
    at: usize,
}

impl Blocks {
    pub(super) fn new(incoming: Receiver<io::Result<Shared>>, free: Sender<Vec<u8>>) -> Blocks {
        Blocks { incoming, free, current: None, at: 0 }
    }
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.as_ref().is_none_or(|block| self.at == block.len()) {
            if let Some(block) = self.current.take() {
                give_back(block, &self.free);
            }
            self.at = 0;
            // A closed channel is the end of the input: an error would have been sent before.
            self.current = self.incoming.recv().ok().transpose()?;
        }
        Ok(self.current.as_ref().map_or(&[], |block| &block[self.at..]))
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
