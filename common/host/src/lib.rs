//! An opened host: its stores, and docker's lookup by name across them.
//!
//! [`Host`] is what every reading program opens. It asks `layout` what exists in each store and answers in one list, each
//! object with the index of its store. [`lookup`] holds docker's rules for names and id prefixes, and its errors.
//!
//! [`open_for_writing`] is what the programs that change a root open instead.
//!
//! Nothing here may know output.

mod edit;
mod host;
pub mod lookup;

pub use edit::{OnlyRead, make_for_writing, open_for_writing};
pub use host::{Host, OpenError};
pub use lookup::LookupError;
