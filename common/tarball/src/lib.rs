//! Tar and compression as formats.
//!
//! In reading order: a header [`block`], the extended headers of [`pax`], [`sparse`] maps and access control lists
//! ([`acl`]), what a member says ([`header`]), the archive as [`record`]s whose bytes joined are the archive, entries
//! ([`read`], [`mod@write`]), layers without their content ([`split`], checked with [`crc`]), [`compress`]ion and
//! [`hash`]es.
//!
//! Nothing here may know where a tar came from, or images. Nothing here opens a file.

pub mod acl;
pub mod base64;
pub mod block;
pub mod compress;
pub mod crc;
pub mod error;
pub mod hash;
pub mod header;
pub mod pax;
pub mod read;
pub mod record;
pub mod sparse;
pub mod split;
pub mod write;

pub use error::{Place, TarError};
pub use hash::{HashingReader, HashingWriter, Sha256};
pub use header::{Header, Kind};
pub use read::Reader;
pub use record::{Scanner, Step};
pub use write::Writer;
