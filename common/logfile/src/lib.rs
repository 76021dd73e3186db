//! What containers wrote, in every form that engines keep it in (docs/layouts/logs.md).
//!
//! In reading order: an [`entry`], the [`segment`]s that a log was rotated into, [`feed`] (their bytes, holes skipped),
//! [`records`] (bytes to entries: json-file, `local`, CRI, raw), [`tail`] (where the last so many begin), and the
//! [`Log`] that joins them. [`write`](mod@write) is the other way.
//!
//! Memory does not grow with the log. Damaged records are skipped and told as findings. Nothing here may know how
//! anything is printed.

pub mod entry;
mod feed;
mod log;
mod records;
mod segment;
mod tail;
pub mod write;

pub use entry::{Entry, Stream};
pub use log::{Log, LogError, Tail};
