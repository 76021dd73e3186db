//! A container's life on a data root: made, started, attended, ended. No daemon: each living container has one process
//! of ours beside it, which writes its log and its record.
//!
//! In reading order: [`runtime`] (what lies in `/run`), [`files`] (its layers and its `/etc`), [`mounts`], [`network`] (an ordinary
//! user's: [`usernet`]),
//! [`peers`] and [`links`] (what it has of others), [`record`] (what is written of it), [`create`], [`begin`] with its [`pipes`]; then [`supervise`] (one run, and all who have to do with it:
//! [`clients`], [`health`], the log and its [`packer`]), [`attend`] (run after run), [`live`] (all of it), [`sweep`] (what a
//! killed one left), [`end`]; and from outside [`client`] (somebody attached, by the words of [`talk`] and the [`keys`] that
//! leave) and [`events`]. Programs only decide what is wanted and print.
//!
//! Nothing here may know flags or output.

pub mod attend;
pub mod begin;
pub mod client;
pub mod clients;
pub mod create;
pub mod end;
pub mod error;
pub mod events;
pub mod files;
pub mod health;
pub mod keys;
pub mod links;
pub mod live;
pub mod mounts;
pub mod network;
mod packer;
pub mod peers;
mod pipes;
pub mod record;
pub mod runtime;
pub mod supervise;
pub mod sweep;
pub mod talk;
pub mod usernet;

pub use error::LifeError;
