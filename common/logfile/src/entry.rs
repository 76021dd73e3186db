//! One record of a log.

use model::Timestamp;

/// What was written at once, as the engine recorded it: mostly a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where it was written to.
    pub stream: Stream,
    /// When; `None` in raw logs.
    pub time: Option<Timestamp>,
    /// Labels and variables of the container that the log driver was told to keep, sorted.
    pub attrs: Vec<(String, String)>,
    /// The bytes, with the newline where there was one.
    pub text: Vec<u8>,
    /// Whether this goes on where the stream's last entry ended: then neither time nor attributes belong before it.
    pub continues: bool,
}

/// A stream of a container.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    pub(crate) fn named(name: &[u8]) -> Option<Stream> {
        match name {
            b"stdout" => Some(Stream::Out),
            b"stderr" => Some(Stream::Err),
            _ => None,
        }
    }
}
