//! An ordinary user's user namespace, where he is root over his own ids and the ranges that `/etc/subuid` gives him.
//!
//! A program calls [`enter()`] before anything else, while it has one thread: it then goes on as that root. All programs of a
//! user share one namespace while any of them lives, so that they can look into each other's containers ([`shared`]).
//! In reading order: [`ranges`] (what he may map), [`enter`](mod@enter), [`shared`], [`place`] (his folder in `/run`), [`ids`] (what a namespace
//! maps), `sys`.
//!
//! Nothing here may know containers, data roots, flags.

pub mod enter;
pub mod ids;
pub mod place;
pub mod ranges;
pub mod shared;
mod sys;

pub use enter::{EnterError, Entered, enter, enter_own, enter_whole, person};
pub use ids::is_first;
