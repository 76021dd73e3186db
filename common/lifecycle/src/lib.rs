//! A container's life on a data root: made, started, attended, ended. No daemon: each living container has one process
//! of ours beside it, which writes its log and its record.
//!
//! In reading order: [`runtime`] (what lies in `/run`), [`files`] (its layers and its `/etc`), [`mounts`], [`network`],
//! [`peers`] and [`links`] (what it has of others), [`record`] (what is written of it), [`create`], [`begin`], [`attend`], [`live`] (all of it), [`end`]. Programs only decide what is wanted
//! and print.
//!
//! Nothing here may know flags or output.

pub mod attend;
pub mod begin;
pub mod create;
pub mod end;
pub mod error;
pub mod files;
pub mod links;
pub mod live;
pub mod mounts;
pub mod network;
pub mod peers;
pub mod record;
pub mod runtime;

pub use error::LifeError;
