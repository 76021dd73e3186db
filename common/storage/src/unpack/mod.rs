//! A layer's tar, unpacked into the folder of a driver, with its tar-split beside it.
//!
//! In reading order: what can be asked and what comes back (here), how the bytes reach all who want them ([`ring`]), the
//! folder and its handles ([`tree`]), what each member becomes ([`apply`]), what an entry that replaces another leaves
//! behind ([`aside`]), how a tree goes away ([`remove`]), what goes wrong ([`error`]).
//!
//! The tar-split is such that the archive comes out again byte by byte, also by dockerd: what the folder cannot give
//! back (a sparse map, an entry that a later one replaced) stands in it as bytes.

mod apply;
mod aside;
mod error;
mod own;
mod remove;
mod ring;
mod tree;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use model::{Digest, StreamError};

pub use error::UnpackError;

use apply::Unpacker;
use ring::{Blocks, WAITING};

/// Which driver the folder is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayerForm {
    /// overlay2's `diff`: what this layer says, deletions as devices 0:0 and an xattr.
    Overlay2,
    /// vfs: the whole tree. The folder holds the one below already, deletions delete.
    Vfs,
}

/// What names in the archive mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// An image's layer: `.wh.x` deletes `x`.
    Layer,
    /// A tree of files: every name is a name. What the driver would take for a mark is refused.
    Rootfs,
}

/// How to unpack.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which driver the folder is for.
    pub form: LayerForm,
    /// What names mean.
    pub meaning: Meaning,
    /// Takes what came of an archive that was cut.
    pub allow_truncated: bool,
    /// Whose everything becomes, whatever the archive says: user and group.
    pub owner: Option<(u32, u32)>,
    /// Level of the tar-split's gzip, 1 to 9. Docker has 6; 1 takes half the time, and a fifth more room.
    pub split_level: u32,
    /// What is refused as too much.
    pub limits: Limits,
}

impl Options {
    /// The usual, for a form and a meaning.
    pub fn new(form: LayerForm, meaning: Meaning) -> Options {
        Options { form, meaning, allow_truncated: false, owner: None, split_level: 1, limits: Limits::default() }
    }
}

/// Bounds against archives that are made to harm. Room on disk is the caller's to watch.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Members.
    pub entries: u64,
    /// Bytes of a path: more than 4095 no program can open at once.
    pub path: usize,
    /// Components of a path.
    pub depth: usize,
    /// Bytes after the end of the archive; they all go into the tar-split.
    pub trailing: u64,
    /// Entries that replace earlier ones, and hard links that come before their target; both are held in memory.
    pub held: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries: 50_000_000, path: 4000, depth: 1000, trailing: 1 << 30, held: 100_000 }
    }
}

/// Where the layer goes. All of it is the caller's to keep or to remove.
#[derive(Debug)]
pub struct Place {
    /// The folder for its files: empty, or with vfs the tree below. On the file system that it is to stay on.
    pub files: OwnedFd,
    /// The file for `tar-split.json.gz`, empty, open for reading and writing.
    pub split: File,
}

/// How far it is, for progress and for watching the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes of the archive, not compressed.
    pub read: u64,
    /// Members.
    pub entries: u64,
}

/// Bytes of the archive between two calls of the watch.
pub const WATCH_EVERY: u64 = 8 << 20;

/// What was unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unpacked {
    /// SHA-256 of all bytes that came.
    pub diff_id: Digest,
    /// How many bytes that were.
    pub read: u64,
    /// Bytes as docker counts a layer's size: overlay2 each file's once, vfs the sizes in the headers.
    pub size: u64,
    /// Members.
    pub entries: u64,
    /// Bytes of content that stand in the tar-split, since the folder cannot give them back.
    pub embedded: u64,
    /// What the folder could not keep, by entry (the tar-split has it); and how many more there were.
    pub lost: (Vec<(Box<[u8]>, String)>, u64),
    /// That the archive was cut, and where, in words; only where that was allowed.
    pub truncated: Option<String>,
}

/// Unpacks a layer. `input` is the archive, no longer compressed, and is read to its end. `watch` is called now and then
/// and may stop it.
///
/// Three threads: one reads (and so decompresses), one hashes, this one makes files. Memory is bounded.
pub fn unpack(
    input: impl Read + Send,
    place: Place,
    options: &Options,
    watch: &mut dyn FnMut(Progress) -> Result<(), StreamError>,
) -> Result<Unpacked, UnpackError> {
    let (give_back, free) = channel();
    let (to_hash, hashed) = sync_channel(WAITING);
    let (to_files, blocks) = sync_channel(WAITING);
    thread::scope(|scope| {
        scope.spawn(move || ring::pump(input, free, to_hash, to_files));
        let give_back_hashed = give_back.clone();
        let digest = scope.spawn(move || ring::digest(hashed, give_back_hashed));
        let unpacker = Unpacker::new(Blocks::new(blocks, give_back), place, options, watch)?;
        let done = unpacker.run()?;
        let (diff_id, read) = digest.join().expect("hashing does not panic");
        Ok(Unpacked { diff_id, read, ..done })
    })
}
