//! json-file: one object a line (moby daemon/logger/jsonfilelog/jsonlog/jsonlog.go, v20.10.24).
//!
//! From 1.13 a line of more than 16 KiB is cut into records without newline (daemon/logger/copier.go, v1.13.0). A crash
//! leaves cut lines, zeros, and two objects on one line.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use model::Timestamp;
use serde::Deserialize;

use super::{Parsed, Parser};
use crate::entry::{Entry, Stream};

pub(crate) struct Json;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: Option<BTreeMap<String, String>>,
}

/// How every record begins.
const START: &[u8] = b"{\"log\":";

impl Parser for Json {
    fn parse(&mut self, bytes: &[u8], last: bool, out: &mut VecDeque<Entry>) -> Option<Parsed> {
        let line = super::line(bytes, last)?;
        let mut damaged = 0;
        let mut rest = line;
        while !rest.iter().all(u8::is_ascii_whitespace) {
            let (used, entry) = first(rest);
            match entry {
                Some(entry) => out.push_back(entry),
                None => damaged += used,
            }
            rest = &rest[used..];
        }
        Some(Parsed { used: line.len(), damaged })
    }
}

/// The record at the front with the bytes that it takes, or the bytes up to where the next one may begin.
fn first(bytes: &[u8]) -> (usize, Option<Entry>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(_) => Cow::Borrowed(bytes),
        Err(_) => Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes()),
    };
    let mut stream = serde_json::Deserializer::from_slice(&text).into_iter::<Record>();
    let entry = stream.next().and_then(Result::ok).and_then(entry);
    // Offsets in replaced text are not those of the bytes: then the record takes the whole line.
    let used = if matches!(text, Cow::Owned(_)) { bytes.len() } else { stream.byte_offset() };
    match entry {
        Some(entry) if used > 0 => (used.min(bytes.len()), Some(entry)),
        _ => (next_start(bytes), None),
    }
}

fn next_start(bytes: &[u8]) -> usize {
    let found = bytes[1..].windows(START.len()).position(|window| window == START);
    found.map_or(bytes.len(), |at| at + 1)
}

fn entry(record: Record) -> Option<Entry> {
    let stream = Stream::named(record.stream.as_bytes())?;
    Some(Entry {
        stream,
        time: Timestamp::parse_rfc3339(&record.time),
        attrs: record.attrs.unwrap_or_default().into_iter().collect(),
        text: record.log.into_owned().into_bytes(),
        continues: false,
    })
}
