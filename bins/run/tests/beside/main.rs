//! The same beside a real dockerd. A program of its own, since docker takes its time.

mod docker;
#[allow(dead_code)] // Half of it is for the tests of `start`.
#[path = "../start/image.rs"]
mod image;
mod remapped;
