//! Entries as they go out: docker's `logs` to the byte, unless a terminal would obey what is written.

use std::io::{self, IsTerminal, StderrLock, StdoutLock, Write};

use logfile::{Entry, Stream};
use model::{Timestamp, path};
use serde_json::json;

use crate::args::{Args, Format};

/// What stands before and how, as asked for.
pub struct Printer {
    timestamps: bool,
    details: bool,
    /// Whether times are cut to whole seconds, as podman's API writes them.
    seconds: bool,
    format: Format,
    out: io::BufWriter<StdoutLock<'static>>,
    err: io::BufWriter<StderrLock<'static>>,
    terminals: [bool; 2],
    last: Option<Stream>,
}

impl Printer {
    /// A printer to stdout and stderr. `seconds` says that times are cut to whole seconds.
    pub fn new(args: &Args, seconds: bool) -> Printer {
        Printer {
            timestamps: args.timestamps,
            details: args.details,
            seconds,
            format: args.format,
            out: io::BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            err: io::BufWriter::new(io::stderr().lock()),
            terminals: [io::stdout().is_terminal(), io::stderr().is_terminal()],
            last: None,
        }
    }

    /// Writes one entry to the stream that the container wrote it to; JSON all to stdout.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        if self.format == Format::Json {
            return writeln!(self.out, "{}", cli::json::line(&row(entry)));
        }
        // On one terminal the two come in the order in which they were written.
        if self.last != Some(entry.stream) {
            self.flush()?;
            self.last = Some(entry.stream);
        }
        let prefix = self.prefix(entry);
        let is_terminal = self.terminals[entry.stream as usize];
        let text = if is_terminal { harmless(&entry.text) } else { entry.text.clone() };
        let to: &mut dyn Write = match entry.stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        to.write_all(prefix.as_bytes())?;
        to.write_all(&text)
    }

    /// Time and details, each with a space behind (moby api/server/httputils/write_log_stream.go, v20.10.24).
    fn prefix(&self, entry: &Entry) -> String {
        if entry.continues {
            return String::new();
        }
        let mut out = String::new();
        if let Some(time) = entry.time.filter(|_| self.timestamps) {
            let shown = if self.seconds { Timestamp { nanos: 0, ..time }.rfc3339() } else { time.rfc3339_nine() };
            out.push_str(&shown);
            out.push(' ');
        }
        if self.details {
            let pairs: Vec<String> =
                entry.attrs.iter().map(|(key, value)| format!("{}={}", quoted(key), quoted(value))).collect();
            out.push_str(&pairs.join(","));
            out.push(' ');
        }
        out
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.err.flush()
    }
}

fn row(entry: &Entry) -> serde_json::Value {
    let mut out = json!({
        "Stream": match entry.stream { Stream::Out => "stdout", Stream::Err => "stderr" },
        "Time": entry.time.map(|time| time.rfc3339()),
        "Text": String::from_utf8_lossy(&entry.text),
    });
    if !entry.attrs.is_empty() {
        out["Attrs"] = entry.attrs.iter().cloned().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect();
    }
    out
}

/// The text with what a terminal would obey escaped; newlines, carriage returns before them, and tabs stay.
fn harmless(text: &[u8]) -> Vec<u8> {
    let end = text.len() - text.iter().rev().take_while(|&&b| b == b'\n' || b == b'\r').count();
    let (body, end) = text.split_at(end);
    let parts: Vec<String> = body.split(|&b| b == b'\t').map(escaped).collect();
    let mut out = parts.join("\t").into_bytes();
    out.extend_from_slice(end);
    out
}

/// As `path::shown`, but with backslashes as they are: a log is not a name.
fn escaped(body: &[u8]) -> String {
    body.split(|&b| b == b'\\').map(path::shown).collect::<Vec<_>>().join("\\")
}

/// Go's `url.QueryEscape`.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        for (text, shown) in [
            (&b"plain \xc3\xa4\n"[..], &b"plain \xc3\xa4\n"[..]),
            (b"\x1b[31mred\ttab\\\r\n", b"\\x1b[31mred\ttab\\\r\n"),
            (b"over\rwritten\n", b"over\\rwritten\n"),
            (b"\xff\n", b"\\xff\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&harmless(text)), String::from_utf8_lossy(shown));
        }
    }

    #[test]
    fn details_are_quoted_as_go_does() {
        assert_eq!(quoted("a b=ä/~"), "a+b%3D%C3%A4%2F~");
    }
}
