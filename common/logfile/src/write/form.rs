//! How one record looks in a file.

use std::fmt::Write as _;

use model::Timestamp;

use crate::entry::Stream;

/// A line, or a part of one.
pub(super) struct Record<'a> {
    pub stream: Stream,
    pub time: Timestamp,
    /// Without its newline.
    pub text: &'a [u8],
    /// Whether the line ends here.
    pub whole: bool,
    /// Of a line in parts: a number that all parts share, and which part it is, from 1.
    pub part: Option<(u64, u32)>,
}

/// A form of records.
pub(super) enum Form {
    /// `{"log":…,"stream":…,"attrs":…,"time":…}` and a newline; with the attributes of every record, as JSON.
    Json(Option<String>),
    /// Protobuf between its lengths.
    Local,
}

impl Form {
    /// The bytes of a record.
    pub fn record(&self, record: &Record) -> Vec<u8> {
        match self {
            Form::Json(attrs) => json(record, attrs.as_deref()).into_bytes(),
            Form::Local => local(record),
        }
    }
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Out => "stdout",
        Stream::Err => "stderr",
    }
}

/// Keys in the order of moby v20.10.24 daemon/logger/jsonfilelog/jsonlog/jsonlogbytes.go.
fn json(record: &Record, attrs: Option<&str>) -> String {
    let mut out = String::with_capacity(record.text.len() + 100);
    out.push('{');
    if !record.text.is_empty() || record.whole {
        out.push_str("\"log\":");
        quote(record.text, record.whole, &mut out);
        out.push(',');
    }
    out.push_str("\"stream\":\"");
    out.push_str(name(record.stream));
    out.push_str("\",");
    if let Some(attrs) = attrs {
        out.push_str("\"attrs\":");
        out.push_str(attrs);
        out.push(',');
    }
    out.push_str("\"time\":\"");
    out.push_str(&record.time.rfc3339());
    out.push_str("\"}\n");
    out
}

/// JSON as docker's logger writes it: what is not UTF-8 becomes U+FFFD, and `<`, `>`, `&`, U+2028, U+2029 are escaped
/// (moby v20.10.24 daemon/logger/jsonfilelog/jsonlog/jsonlogbytes.go).
fn quote(text: &[u8], whole: bool, out: &mut String) {
    out.push('"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push_str(if whole { "\\n\"" } else { "\"" });
}

/// moby v20.10.24 daemon/logger/local/local.go and api/types/plugins/logdriver/entry.proto. A line that was cut says so in
/// each of its parts, the last one too.
fn local(record: &Record) -> Vec<u8> {
    let mut message = Vec::with_capacity(record.text.len() + 48);
    bytes(1, name(record.stream).as_bytes(), &mut message);
    let nanos = record.time.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(record.time.nanos));
    number(2, nanos as u64, &mut message);
    bytes(3, record.text, &mut message);
    if let Some((line, part)) = record.part {
        number(4, 1, &mut message);
        let mut metadata = Vec::new();
        if record.whole {
            number(1, 1, &mut metadata);
        }
        bytes(2, format!("{line:016x}").as_bytes(), &mut metadata);
        number(3, u64::from(part), &mut metadata);
        bytes(5, &metadata, &mut message);
    }
    let size = (message.len() as u32).to_be_bytes();
    [&size[..], &message, &size].concat()
}

/// A field of bytes; an empty one is left out, as gogo/protobuf leaves it.
fn bytes(field: u64, value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        varint(field << 3 | 2, out);
        varint(value.len() as u64, out);
        out.extend_from_slice(value);
    }
}

fn number(field: u64, value: u64, out: &mut Vec<u8>) {
    varint(field << 3, out);
    varint(value, out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
