//! ext2, ext3 and ext4, read from a device (linux 6.12 Documentation/filesystems/ext4, fs/ext4/ext4.h).
//!
//! A filesystem that was not unmounted is read as it would be after its journal had been replayed; nothing is written.

mod attributes;
mod blocks;
mod directory;
mod inode;
mod journal;
mod map;
mod superblock;
mod tree;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Finding;

use crate::device::Device;
use crate::error::DiskError;
use blocks::Blocks;
use directory::Names;
use inode::Inode;
use map::Run;
use superblock::Superblock;

/// The inode of the top.
pub const TOP: u64 = 2;

/// An opened filesystem.
pub struct Ext4 {
    superblock: Superblock,
    blocks: Blocks,
    /// Stands for the device's number, which tells filesystems apart.
    number: u64,
    state: Mutex<State>,
}

/// What is remembered between calls.
#[derive(Default)]
struct State {
    /// Directories that were listed lately.
    names: HashMap<u64, Arc<Names>>,
    /// The file that was read last.
    runs: Option<(u64, Arc<Vec<Run>>)>,
    /// Directory to the one place from which it may be reached: the directory above it, and its name there.
    places: HashMap<u64, (u64, Box<[u8]>)>,
    findings: Vec<Finding>,
    unsaid: usize,
}

/// Names of directories that are kept, those of the last one apart.
const LISTED: usize = 100_000;
/// Findings that one filesystem can give; the rest is counted.
const FINDINGS: usize = 100;

impl Ext4 {
    /// Opens the filesystem of a device. Whatever its journal holds is taken into account.
    pub fn open(device: Arc<dyn Device>) -> Result<Ext4, DiskError> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1 << 48);
        let superblock = Superblock::read(&*device)?;
        let blocks = Blocks::new(device, superblock.block);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let mut opened = Ext4 { superblock, blocks, number, state: Mutex::default() };
        if opened.superblock.is_dirty {
            match journal::changes(&opened) {
                Ok(changes) => {
                    opened.blocks.replace(changes);
                    opened.superblock = Superblock::parse(&opened.blocks.bytes(superblock::AT, superblock::SIZE)?)?;
                }
                Err(error) => opened.find("journal-lost", format!("{error}; the filesystem is shown without it")),
            }
        }
        Ok(opened)
    }

    fn inode(&self, number: u64) -> Result<Inode, DiskError> {
        inode::read(&self.superblock, &self.blocks, number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, code: &'static str, detail: String) {
        let mut state = self.state();
        if state.findings.len() < FINDINGS {
            state.findings.push(Finding::new(code, detail));
        } else {
            state.unsaid += 1;
        }
    }

    /// The names of a directory; what is damaged of it is a finding.
    fn names(&self, number: u64, inode: &Inode) -> Result<Arc<Names>, DiskError> {
        if let Some(names) = self.state().names.get(&number) {
            return Ok(names.clone());
        }
        let (names, damage) = directory::read(self, inode)?;
        for why in damage {
            self.find("directory-damaged", format!("directory inode {number}: {why}"));
        }
        let names = Arc::new(names);
        let mut state = self.state();
        if state.names.values().map(|names| names.len() + 1).sum::<usize>() > LISTED {
            state.names.clear();
        }
        state.names.insert(number, names.clone());
        Ok(names)
    }

    /// Where a file's content lies.
    fn runs(&self, number: u64, inode: &Inode) -> Result<Arc<Vec<Run>>, DiskError> {
        if let Some((_, runs)) = self.state().runs.as_ref().filter(|(last, _)| *last == number) {
            return Ok(runs.clone());
        }
        let runs = Arc::new(map::runs(self, inode)?);
        self.state().runs = Some((number, runs.clone()));
        Ok(runs)
    }

    /// Bytes of a file from `offset`; zeros where nothing is mapped. The range lies within the file.
    fn content(&self, runs: &[Run], buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        let size = self.superblock.block;
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let (block, inside) = (at / size, at % size);
            let next = runs.partition_point(|run| run.end() <= block);
            let (left, place) = match runs.get(next) {
                Some(run) if run.logical <= block => (run.end() - block, Some(run.physical + (block - run.logical))),
                Some(run) => (run.logical - block, None),
                None => (u64::MAX / size, None),
            };
            let count = usize::try_from(left * size - inside).unwrap_or(usize::MAX).min(buffer.len() - done);
            let piece = &mut buffer[done..done + count];
            match place {
                Some(place) => self.blocks.read(piece, place, inside)?,
                None => piece.fill(0),
            }
            done += count;
        }
        Ok(())
    }
}
