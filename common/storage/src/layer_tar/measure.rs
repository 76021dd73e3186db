//! The size of a layer's tar, from its tar-split. One thread unpacks and adds up, this one looks at the files.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use hostfs::Root;
use model::path::shown;
use model::{HostPath, Rootfs};
use tarball::split::Outline;

use super::assemble::open_split;
use super::files::Files;
use super::with_source;

/// Files that go from one thread to the other at once.
const BATCH: usize = 512;
/// Batches under way.
const BATCHES: usize = 8;

/// A file that the archive needs: its name there, and its bytes.
type Needed = (Vec<u8>, u64);

/// The size of the archive, if all files that it needs are there and have the right size; else what is missing.
pub fn measure(root: &Root, stack: &Rootfs, split: &HostPath) -> Result<u64, String> {
    let (give, needed) = sync_channel(BATCHES);
    std::thread::scope(|scope| {
        let size = scope.spawn(move || add_up(root, split, &give));
        let looked = look(root, stack, needed);
        let size = size.join().expect("adding up does not panic");
        looked.and(size)
    })
}

/// The size by the tar-split alone; its files are handed on.
fn add_up(root: &Root, split: &HostPath, give: &SyncSender<Vec<Needed>>) -> Result<u64, String> {
    let mut reader = open_split(root, split)?;
    let (mut size, mut batch) = (0, Vec::with_capacity(BATCH));
    loop {
        match reader.next_outline().map_err(|error| format!("its tar-split is damaged: {}", with_source(&error)))? {
            None => break,
            Some(Outline::Segment { size: raw }) => size += raw,
            Some(Outline::File { size: 0, .. } | Outline::File { crc: 0, .. }) => {}
            Some(Outline::File { name, size: wanted, .. }) => {
                size += wanted;
                batch.push((name, wanted));
            }
        }
        // Who looks at the files has gone where one was not as it should be: the rest does not matter then.
        if batch.len() == BATCH && give.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err() {
            return Ok(size);
        }
    }
    let _ = give.send(batch);
    Ok(size)
}

fn look(root: &Root, stack: &Rootfs, needed: Receiver<Vec<Needed>>) -> Result<(), String> {
    let mut files = Files::open(root, stack).map_err(|problem| format!("its files cannot be read: {problem}"))?;
    for (name, wanted) in needed.into_iter().flatten() {
        let has = files.size(&name).map_err(|problem| format!("'{}' is gone: {problem}", shown(&name)))?;
        if has != wanted {
            return Err(format!("'{}' has {has} bytes instead of {wanted}", shown(&name)));
        }
    }
    Ok(())
}
