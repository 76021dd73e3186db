//! tar-split: a layer's tar without the content of its files, which stand in the layer's folder.
//!
//! The record list of an archive whose contents are references. Sources: vbatts/tar-split v0.11.1 tar/storage/entry.go,
//! packer.go, getter.go; tar/asm/assemble.go.

mod assemble;
mod read;
mod write;

pub use assemble::{AssembleError, assemble};
pub use read::{Reader, SplitError, gunzip};
pub use write::Writer;

/// One entry of a tar-split.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// The bytes of the archive that follow.
    Segment(Vec<u8>),
    /// A file of the layer whose content follows.
    File {
        /// The name as the archive has it, not cleaned.
        name: Vec<u8>,
        /// Bytes of content.
        size: u64,
        /// CRC-64/ISO of the content; 0 where there is none.
        crc: u64,
    },
}

/// An [`Entry`] without its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outline {
    /// Bytes of the archive that follow.
    Segment {
        /// How many.
        size: u64,
    },
    /// As [`Entry::File`].
    File {
        /// The name as the archive has it, not cleaned.
        name: Vec<u8>,
        /// Bytes of content.
        size: u64,
        /// CRC-64/ISO of the content; 0 where there is none.
        crc: u64,
    },
}

/// Bytes of one segment at most, as docker cuts them.
pub const MAX_SEGMENT: usize = 1 << 20;
