//! Writing: one JSON object a line, with the keys in Go's order and Go's escapes, so that the bytes are dockerd's.

use std::io::{self, Write};

use super::MAX_SEGMENT;
use crate::base64;

/// Writes a tar-split, not compressed.
pub struct Writer<W: Write> {
    out: W,
    line: Vec<u8>,
    position: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a tar-split.
    pub fn new(out: W) -> Writer<W> {
        Writer { out, line: Vec::with_capacity(4096), position: 0 }
    }

    /// Adds bytes of the archive, in segments of at most 1 MiB. No bytes, no segment.
    pub fn segment(&mut self, raw: &[u8]) -> io::Result<()> {
        for part in raw.chunks(MAX_SEGMENT) {
            self.line.clear();
            self.line.extend_from_slice(b"{\"type\":2,\"payload\":\"");
            base64::encode(part, &mut self.line);
            self.line.push(b'"');
            self.end_line()?;
        }
        Ok(())
    }

    /// Adds a file by reference. A cleaned name may come once only, else dockerd refuses the whole list.
    pub fn file(&mut self, name: &[u8], size: u64, crc: u64) -> io::Result<()> {
        self.line.clear();
        self.line.extend_from_slice(b"{\"type\":1");
        self.put_name(name);
        if size > 0 {
            self.line.extend_from_slice(format!(",\"size\":{size},\"payload\":\"").as_bytes());
            base64::encode(&crc.to_be_bytes(), &mut self.line);
            self.line.push(b'"');
        } else {
            self.line.extend_from_slice(b",\"payload\":null");
        }
        self.end_line()
    }

    /// The writer, with all lines written to it.
    pub fn finish(self) -> W {
        self.out
    }

    fn put_name(&mut self, name: &[u8]) {
        match std::str::from_utf8(name) {
            Ok("") => {}
            Ok(text) => {
                self.line.extend_from_slice(b",\"name\":\"");
                put_escaped(text, &mut self.line);
                self.line.push(b'"');
            }
            Err(_) => {
                self.line.extend_from_slice(b",\"name_raw\":\"");
                base64::encode(name, &mut self.line);
                self.line.push(b'"');
            }
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.line.extend_from_slice(format!(",\"position\":{}}}\n", self.position).as_bytes());
        self.position += 1;
        self.out.write_all(&self.line)
    }
}

/// Text as Go's `encoding/json` writes it, HTML escapes included (Go 1.19 encoding/json/encode.go).
fn put_escaped(text: &str, line: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend_from_slice(&[b'\\', c as u8]),
            '\n' => line.extend_from_slice(b"\\n"),
            '\r' => line.extend_from_slice(b"\\r"),
            '\t' => line.extend_from_slice(b"\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                line.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes())
            }
            c => line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_dockerds() {
        let mut split = Writer::new(Vec::new());
        split.segment(b"abc").unwrap();
        split.file(b"d/", 0, 0).unwrap();
        split.file(b"d/a", 2, 0x6153_1000_0000_0000).unwrap();
        split.file(b"<\xc3\xa4>\n", 0, 0).unwrap();
        split.file(b"\xff", 0, 0).unwrap();
        split.segment(b"").unwrap();
        let text = String::from_utf8(split.finish()).unwrap();
        assert_eq!(
            text,
            concat!(
                "{\"type\":2,\"payload\":\"YWJj\",\"position\":0}\n",
                "{\"type\":1,\"name\":\"d/\",\"payload\":null,\"position\":1}\n",
                "{\"type\":1,\"name\":\"d/a\",\"size\":2,\"payload\":\"YVMQAAAAAAA=\",\"position\":2}\n",
                "{\"type\":1,\"name\":\"\\u003cä\\u003e\\n\",\"payload\":null,\"position\":3}\n",
                "{\"type\":1,\"name_raw\":\"/w==\",\"payload\":null,\"position\":4}\n"
            )
        );
    }
}
