//! Plain data, and the traits through which trees of files stream.
//!
//! Everything else in the workspace speaks these types. In reading order: what a file is ([`path`], [`time`],
//! [`digest`], [`entry`]), how files stream ([`stream`]), what a host records ([`store`], [`image`], [`container`],
//! [`network`], [`volume`]), how people name images ([`mod@reference`]), and what went wrong while reading it ([`finding`]).
//!
//! Nothing here may know files, on-disk formats, generations' field names, or serde.

pub mod container;
pub mod digest;
pub mod entry;
pub mod finding;
pub mod image;
pub mod network;
pub mod path;
pub mod reference;
pub mod store;
pub mod stream;
pub mod time;
pub mod volume;

pub use container::{Container, Health, LogForm, LogPlace, Mount, MountKind, PortBinding, Protocol, State, Status};
pub use digest::{Digest, Id};
pub use entry::{Change, Entry, Kind, Metadata, Xattrs};
pub use finding::Finding;
pub use image::{Image, LayerRef, Rootfs};
pub use network::Network;
pub use path::{EntryPath, HostPath, PathError};
pub use reference::{Reference, ReferenceError};
pub use store::{Driver, Generation, IdMap, IdRange, Store};
pub use stream::{Content, Extent, Sink, Source, StreamError};
pub use time::Timestamp;
pub use volume::Volume;
