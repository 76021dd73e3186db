//! Docker's `local`: a protobuf message between two equal lengths (moby daemon/logger/local/local.go and
//! api/types/plugins/logdriver/entry.proto, v20.10.24). The newline is not stored.

use std::collections::VecDeque;

use layout::db::protobuf::{self, Value};
use model::Timestamp;

use super::{Parsed, Parser};
use crate::entry::{Entry, Stream};

pub(crate) struct Local;

/// Bytes of a message at most (`maxMsgLen`, daemon/logger/local/read.go).
const LONGEST: usize = 1_000_000;
/// Bytes of a message at least: a stream's name and a time.
const SHORTEST: usize = 4;

/// What stands at the front.
enum Frame<'a> {
    Message(&'a [u8]),
    NeedsMore,
    Damaged,
}

impl Parser for Local {
    fn parse(&mut self, bytes: &[u8], last: bool, out: &mut VecDeque<Entry>) -> Option<Parsed> {
        match frame(bytes) {
            Frame::Message(message) => {
                let used = message.len() + 8;
                let entry = entry(message);
                let damaged = if entry.is_none() { used } else { 0 };
                out.extend(entry);
                Some(Parsed { used, damaged })
            }
            Frame::NeedsMore if !last => None,
            _ => resync(bytes, last),
        }
    }
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|raw| u32::from_be_bytes(*raw) as usize);
    let Some(size) = word(0) else { return Frame::NeedsMore };
    if !(SHORTEST..=LONGEST).contains(&size) {
        return Frame::Damaged;
    }
    match word(4 + size) {
        None => Frame::NeedsMore,
        Some(again) if again == size => Frame::Message(&bytes[4..4 + size]),
        Some(_) => Frame::Damaged,
    }
}

/// Passes over bytes up to the next frame that is whole.
fn resync(bytes: &[u8], last: bool) -> Option<Parsed> {
    let is_frame = |at: &usize| matches!(frame(&bytes[*at..]), Frame::Message(message) if entry(message).is_some());
    if let Some(at) = (1..bytes.len()).find(is_frame) {
        return Some(Parsed { used: at, damaged: at });
    }
    if last {
        return Some(Parsed { used: bytes.len(), damaged: bytes.len() });
    }
    // A frame may begin in the last bytes and end in what is not here yet.
    let done = bytes.len().checked_sub(LONGEST + 8)?;
    (done > 0).then_some(Parsed { used: done, damaged: done })
}

fn entry(message: &[u8]) -> Option<Entry> {
    let (mut stream, mut time, mut text) = (None, None, Vec::new());
    let (mut is_partial, mut is_last) = (false, false);
    let mut fields = protobuf::fields(message);
    for field in fields.by_ref() {
        match field {
            (1, Value::Bytes(name)) => stream = Stream::named(name),
            (2, Value::Number(nanos)) => time = Some(instant(nanos as i64)),
            (3, Value::Bytes(line)) => text = line.to_vec(),
            (4, Value::Number(flag)) => is_partial = flag != 0,
            (5, Value::Bytes(metadata)) => {
                is_last = protobuf::fields(metadata).any(|field| field == (1, Value::Number(1)))
            }
            _ => {}
        }
    }
    if !is_partial || is_last {
        text.push(b'\n');
    }
    let stream = stream.filter(|_| fields.is_whole())?;
    Some(Entry { stream, time, attrs: Vec::new(), text, continues: false })
}

fn instant(nanos: i64) -> Timestamp {
    let part = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0);
    Timestamp::new(nanos.div_euclid(1_000_000_000), part)
}
