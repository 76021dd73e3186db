//! Bytes to entries, one file here for each form.

mod cri;
mod json;
mod local;
mod raw;

use std::collections::VecDeque;
use std::io;

use model::LogForm;

use crate::entry::{Entry, Stream};
use crate::feed::{Fed, Feed};

pub(crate) use cri::is_whole_line as is_whole_cri_line;

/// What a parser makes of the bytes at hand.
pub(crate) struct Parsed {
    /// How many bytes are done with.
    pub used: usize,
    /// How many of them were damage.
    pub damaged: usize,
}

/// A form of record. Takes bytes from the front, gives entries.
pub(crate) trait Parser {
    /// Parses one record, or passes over damage; `None` where more bytes are needed. With `last` no more will come:
    /// what is there is then a record or damage.
    fn parse(&mut self, bytes: &[u8], last: bool, out: &mut VecDeque<Entry>) -> Option<Parsed>;

    /// Gives what was kept back, at the end of the log.
    fn finish(&mut self, _out: &mut VecDeque<Entry>) {}
}

/// The parser of a form. `stream` is where the bytes of a raw log were written to.
pub(crate) fn parser(form: LogForm, stream: Stream) -> Box<dyn Parser + Send> {
    match form {
        LogForm::JsonFile => Box::new(json::Json),
        LogForm::Local => Box::new(local::Local),
        LogForm::Cri => Box::new(cri::Cri::joining()),
        LogForm::K8sFile => Box::new(cri::Cri::default()),
        LogForm::Raw => Box::new(raw::Raw { stream }),
    }
}

/// Reads the records of one file after the other.
pub(crate) struct Records {
    parser: Box<dyn Parser + Send>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are done with.
    done: usize,
    ready: VecDeque<Entry>,
    /// Bytes that no record could be made of.
    pub damaged: u64,
}

impl Records {
    pub fn new(parser: Box<dyn Parser + Send>) -> Records {
        Records { parser, buffer: Vec::new(), done: 0, ready: VecDeque::new(), damaged: 0 }
    }

    /// The next entry; `None` at the end of the feed. With `last`, a record that is cut there counts as damage;
    /// otherwise it is kept for when the feed goes on.
    pub fn next(&mut self, feed: &mut Feed, last: bool) -> io::Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            if self.step(false) {
                continue;
            }
            self.buffer.drain(..self.done);
            self.done = 0;
            match feed.fill(&mut self.buffer)? {
                Fed::Bytes => {}
                Fed::Hole(size) => {
                    self.damaged += size;
                    // What a hole cut is complete as far as it goes.
                    while self.step(true) {}
                    self.buffer.clear();
                    self.done = 0;
                }
                Fed::End if last && self.step(true) => {}
                Fed::End => return Ok(self.ready.pop_front()),
            }
        }
    }

    /// Gives what the parser kept back.
    pub fn finish(&mut self) -> Option<Entry> {
        self.parser.finish(&mut self.ready);
        self.ready.pop_front()
    }

    fn step(&mut self, last: bool) -> bool {
        let bytes = &self.buffer[self.done..];
        if bytes.is_empty() {
            return false;
        }
        let Some(parsed) = self.parser.parse(bytes, last, &mut self.ready) else { return false };
        self.done += parsed.used;
        self.damaged += parsed.damaged as u64;
        parsed.used > 0
    }
}

/// Bytes of one line at most; what is longer is passed over as damage. Docker before 1.13 wrote lines whole.
pub(crate) const LONGEST: usize = 16 << 20;

/// The line at the front, with its newline; `None` where it does not end yet.
pub(crate) fn line(bytes: &[u8], last: bool) -> Option<&[u8]> {
    match bytes.iter().position(|&b| b == b'\n') {
        Some(end) => Some(&bytes[..=end]),
        None if last || bytes.len() > LONGEST => Some(bytes),
        None => None,
    }
}
