//! Images in a file: docker-archive of every age, OCI layout, unpacked or as a tar.
//!
//! In reading order: what a tar's beginning tells ([`mod@sniff`]), what the documents inside say ([`manifest`], [`config`], [`v1`]), how
//! images are put together from them in whatever order they come ([`catalogue`]), reading as a stream ([`read`]), and
//! writing with the manifest first ([`mod@write`]). [`gojson`] spells JSON as Go does, since ids depend on it.
//!
//! Nothing here may know hosts, drivers, or where a layer's files go: layers go in and out as tar streams.

pub mod catalogue;
pub mod change;
pub mod config;
pub mod error;
pub mod gojson;
pub mod manifest;
pub mod read;
pub mod sniff;
pub mod v1;
pub mod write;

pub use catalogue::{ArchivedImage, ArchivedLayer};
pub use error::ArchiveError;
pub use read::{Layer, Members, Reader};
pub use sniff::{Kind, sniff};
pub use write::{Format, Plan, PlannedImage, PlannedLayer};

use model::Digest;

/// The digest of bytes in memory.
pub fn digest(bytes: &[u8]) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    Digest(hash.as_ref().try_into().expect("SHA-256 is 32 bytes"))
}
