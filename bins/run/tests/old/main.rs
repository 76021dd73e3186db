//! Old containers again, from every kind of data root, which stay as they were.

mod again;
mod evidence;
mod piped;
mod plans;
mod roots;
