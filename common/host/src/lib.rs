//! An opened host: its stores, and docker's lookup by name across them.
//!
//! [`Host`] is what every reading program opens. It asks `layout` what exists in each store and answers in one list, each
//! object with the index of its store. [`lookup`] holds docker's rules for names and id prefixes, and its errors.
//!
//! Nothing here may know output.

mod host;
pub mod lookup;

pub use host::{Host, OpenError};
pub use lookup::LookupError;
