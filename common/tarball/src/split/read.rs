//! Reading, whatever wrote it: docker 1.8 to 29, containers/storage, dockless.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;

use super::{Entry, Outline};
use crate::base64;

/// Bytes of one line at most. Segments have 1 MiB at most, but docker 1.8 wrote all that follows the end in one.
const MAX_LINE: u64 = 16 << 20;

/// Why a tar-split cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The bytes could not be had, or the compressed file is cut.
    #[error("cannot read tar-split after entry {entries}")]
    Read {
        /// Entries read before.
        entries: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is no entry.
    #[error("tar-split entry {entry} is damaged: {why}")]
    Damaged {
        /// Its number, from 0.
        entry: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// A tar-split as it lies on disk, unpacked.
pub fn gunzip<R: Read>(raw: R) -> BufReader<flate2::read::MultiGzDecoder<R>> {
    BufReader::with_capacity(64 << 10, flate2::read::MultiGzDecoder::new(raw))
}

/// Reads a tar-split that is not compressed (any more).
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    entries: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name_raw: Option<Cow<'a, str>>,
    #[serde(default)]
    size: u64,
    #[serde(borrow, default)]
    payload: Option<Cow<'a, str>>,
}

impl<R: BufRead> Reader<R> {
    /// Begins to read.
    pub fn new(input: R) -> Reader<R> {
        Reader { input, line: Vec::new(), entries: 0 }
    }

    /// The next entry; `None` at the end.
    #[allow(clippy::should_implement_trait)] // Like its sister in `read`, and it may fail.
    pub fn next(&mut self) -> Result<Option<Entry>, SplitError> {
        if !self.next_line()? {
            return Ok(None);
        }
        let entry = parse(&self.line).map_err(|why| self.damaged(&why))?;
        self.entries += 1;
        Ok(Some(entry))
    }

    /// The next entry without its bytes: those of a segment are counted, not decoded. `None` at the end.
    pub fn next_outline(&mut self) -> Result<Option<Outline>, SplitError> {
        if !self.next_line()? {
            return Ok(None);
        }
        let outline = match segment_size(&self.line) {
            Some(size) => Outline::Segment { size },
            None => match parse(&self.line).map_err(|why| self.damaged(&why))? {
                Entry::Segment(raw) => Outline::Segment { size: raw.len() as u64 },
                Entry::File { name, size, crc } => Outline::File { name, size, crc },
            },
        };
        self.entries += 1;
        Ok(Some(outline))
    }

    /// Takes the next line that is not empty. Whether there was one.
    fn next_line(&mut self) -> Result<bool, SplitError> {
        self.line.clear();
        let read = self.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line);
        if read.map_err(|source| SplitError::Read { entries: self.entries, source })? == 0 {
            return Ok(false);
        }
        if self.line.last() != Some(&b'\n') && self.line.len() as u64 == MAX_LINE {
            return Err(self.damaged("it is longer than 16 MiB"));
        }
        if self.line.trim_ascii().is_empty() {
            return self.next_line();
        }
        Ok(true)
    }

    fn damaged(&self, why: &str) -> SplitError {
        SplitError::Damaged { entry: self.entries, why: why.to_string() }
    }
}

/// The bytes of a segment, from the length of its base64, if the line is as all writers write it.
fn segment_size(line: &[u8]) -> Option<u64> {
    let text = line.strip_prefix(b"{\"type\":2,\"payload\":\"")?;
    let text = &text[..memchr::memchr2(b'"', b'\\', text).filter(|&end| text[end] == b'"')?];
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    (text.len() % 4 == 0 && padding <= 2).then(|| (text.len() / 4 * 3).saturating_sub(padding) as u64)
}

fn parse(line: &[u8]) -> Result<Entry, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let bytes = |text: &str| base64::decode(text.as_bytes()).ok_or("it holds no base64".to_string());
    let payload = line.payload.as_deref().map(bytes).transpose()?;
    match line.kind {
        1 => {
            let name = match line.name_raw {
                Some(raw) if !raw.is_empty() => bytes(&raw)?,
                _ => line.name.unwrap_or_default().as_bytes().to_vec(),
            };
            let crc = match payload.as_deref() {
                None | Some([]) => 0,
                Some(raw) => u64::from_be_bytes(raw.try_into().map_err(|_| "its checksum has not 8 bytes")?),
            };
            Ok(Entry::File { name, size: line.size, crc })
        }
        2 => Ok(Entry::Segment(payload.unwrap_or_default())),
        kind => Err(format!("type {kind} is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Writer;

    fn outlined(entry: Entry) -> Outline {
        match entry {
            Entry::Segment(raw) => Outline::Segment { size: raw.len() as u64 },
            Entry::File { name, size, crc } => Outline::File { name, size, crc },
        }
    }

    /// What is counted is what would have been decoded, however a line is written.
    fn check(split: &[u8]) {
        let (mut whole, mut outlines) = (Reader::new(split), Reader::new(split));
        while let Some(entry) = whole.next().unwrap() {
            assert_eq!(outlines.next_outline().unwrap(), Some(outlined(entry)));
        }
        assert_eq!(outlines.next_outline().unwrap(), None);
    }

    #[test]
    fn outlines_are_the_entries_without_their_bytes() {
        let mut split = Writer::new(Vec::new());
        for size in [0, 1, 2, 3, 512, 1024, (1 << 20) + 1] {
            split.segment(&vec![0xff; size]).unwrap();
            split.file(b"d/a", size as u64, 7).unwrap();
        }
        check(&split.finish());
        check(br#"{"type":2,"payload":"\/\/\/\/"}"#);
        check(br#"{ "payload": "YQ", "type": 2 }"#);
        check(br#"{"type":2,"payload":"YQ"}"#);
        check(br#"{"type":2,"payload":"","position":5}"#);
        check(br#"{"type":2,"payload":null}"#);
    }
}
