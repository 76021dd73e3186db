//! Reading, whatever wrote it: docker 1.8 to 29, containers/storage, dockless.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;

use super::Entry;
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

    /// The name of the next file; what segments hold is not looked at. `None` at the end.
    pub fn next_name(&mut self) -> Result<Option<Vec<u8>>, SplitError> {
        // As all writers begin a segment: without its megabytes of base64 being decoded.
        const SEGMENT: &[u8] = b"{\"type\":2,";
        while self.next_line()? {
            let entry = if self.line.starts_with(SEGMENT) { None } else { Some(parse(&self.line)) };
            let entry = entry.transpose().map_err(|why| self.damaged(&why))?;
            self.entries += 1;
            if let Some(Entry::File { name, .. }) = entry {
                return Ok(Some(name));
            }
        }
        Ok(None)
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
