//! What a layer's files mean, whatever driver wrote them.
//!
//! In reading order: how each driver marks what is gone ([`dialect`]), where a layer's files lie and which layers make a
//! stack ([`drivers`]), marks that a copy lost ([`lost`]), the walk over a stack as one tree ([`walk`]), that tree as a source of entries ([`merge`]),
//! poured into a sink ([`pour`](mod@pour), [`folder`]), two trees side by side ([`compare`]), what a layer changes
//! ([`diff`](mod@diff)) and how much it holds ([`written`](mod@written)), its tar ([`layer_tar`]), a layer's tar unpacked
//! into a folder ([`unpack`]), and what goes wrong
//! ([`error`]).
//!
//! Nothing here may know JSON records or generations: whoever reads those hands over a [`model::Rootfs`].

pub mod compare;
mod content;
pub mod dialect;
pub mod diff;
pub mod drivers;
pub mod error;
pub mod folder;
pub mod layer_tar;
pub mod lost;
pub mod merge;
mod owners;
pub mod pour;
mod trail;
pub mod unpack;
pub mod walk;
pub mod written;

pub use compare::{Happened, Rules};
pub use diff::{Difference, diff};
pub use error::StorageError;
pub use folder::Folder;
pub use layer_tar::{Exactness, LayerTar, LayerTarError, Written};
pub use merge::{Merged, open, open_at, open_folder, open_plain};
pub use pour::{Poured, pour};
pub use written::{Room, room, written};
