//! Databases, read from their bytes: bbolt ([`bolt`]), SQLite ([`sqlite`], and [`rollback`] for one that was
//! cut off), and the protobuf that values are written in.
//!
//! Nothing here takes a lock, writes, or opens a file: the caller reads the whole file through `hostfs`, and damage
//! costs only what it damages.

pub mod bolt;
pub mod protobuf;
pub mod rollback;
pub mod sqlite;

/// Bytes that are read of one database at most. It is held in memory whole, and answers must fit in 128 MiB.
/// GAP: larger databases are refused with a finding (docs/shortcomings.md).
pub const LIMIT: u64 = 96 * 1024 * 1024;
