//! A tar with members left out: the records of the others pass as they lie.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex};

use model::EntryPath;
use tarball::block::{self, Block};
use tarball::{Header, Kind, Scanner, Step, TarError};

use crate::rules::Rules;

/// What was left out and what was taken, by folder.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By the folder or pattern that left it out: entries and bytes.
    pub left_out: BTreeMap<String, Amount>,
    /// By top folder.
    pub taken: BTreeMap<String, Amount>,
    /// Names whose file was left out under another name.
    pub orphans: Vec<EntryPath>,
}

/// So many entries, so many bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// Names.
    pub entries: u64,
    /// Bytes of files, holes left out.
    pub bytes: u64,
}

impl Amount {
    /// One more name.
    pub fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }
}

/// Reads a tar and leaves members out.
pub struct Filter<R> {
    scanner: Scanner<BufReader<R>>,
    rules: Rules,
    report: Arc<Mutex<Report>>,
    /// A record on its way out.
    record: Vec<u8>,
    at: usize,
    /// Whether the current member's content passes.
    passes: bool,
    /// Bytes of padding that begin the next record and belong to content that was left out.
    stale: usize,
}

impl<R: Read> Filter<R> {
    /// Leaves out of `tar` what `rules` say, and counts in `report`.
    pub fn new(tar: R, rules: Rules, report: Arc<Mutex<Report>>) -> Filter<R> {
        let scanner = Scanner::new(BufReader::with_capacity(1 << 20, tar));
        Filter { scanner, rules, report, record: Vec::new(), at: 0, passes: false, stale: 0 }
    }

    /// Reads to the end without passing anything on.
    pub fn count(mut self) -> Result<(), TarError> {
        while let Some(step) = self.scanner.step()? {
            if let Step::Member(header) = step {
                self.decide(&header);
            }
        }
        Ok(())
    }

    fn next_record(&mut self) -> Result<bool, TarError> {
        self.record.clear();
        self.at = 0;
        let Some(step) = self.scanner.step()? else { return Ok(false) };
        let stale = std::mem::take(&mut self.stale);
        self.passes = true;
        if let Step::Member(header) = step {
            self.passes = self.decide(&header);
            if !self.passes {
                self.stale = block::padding(header.stored);
            }
        }
        let raw = &self.scanner.raw()[stale..];
        if self.passes {
            self.record.extend_from_slice(raw);
        } else {
            // Padding of content that did pass, and what a global header says of all that follow.
            let padding = raw.len() % block::SIZE;
            self.record.extend_from_slice(&raw[..padding]);
            copy_global(&raw[padding..], &mut self.record);
        }
        Ok(true)
    }

    /// Whether a member passes.
    fn decide(&mut self, header: &Header) -> bool {
        // A name that cannot be one is the unpacker's to refuse.
        let Ok(path) = EntryPath::parse(&header.path) else { return true };
        let mut report = self.report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let by = self.rules.leave_out(&path, header.kind == Kind::Directory);
        if by.is_none() && self.is_orphan(header) {
            report.orphans.push(path);
            return false;
        }
        let amount = match &by {
            Some(by) => report.left_out.entry(by.clone()).or_default(),
            None => report.taken.entry(top(&path)).or_default(),
        };
        amount.add(header.stored);
        by.is_none()
    }

    /// Whether it is another name of a file that was left out.
    fn is_orphan(&self, header: &Header) -> bool {
        let Kind::HardLink(target) = &header.kind else { return false };
        EntryPath::parse(target).is_ok_and(|target| self.rules.leave_out(&target, false).is_some())
    }
}

/// The folder below the top that holds a path.
pub fn top(path: &EntryPath) -> String {
    match path.components().next() {
        Some(first) => format!("/{}", model::path::shown(first)),
        None => "/".to_string(),
    }
}

/// Copies the global headers of a record. Its bytes begin with a header.
fn copy_global(mut raw: &[u8], out: &mut Vec<u8>) {
    while raw.len() >= block::SIZE {
        let block = Block::of(raw);
        if !matches!(block.flag(), b'x' | b'X' | b'g' | b'L' | b'K') {
            return;
        }
        let size = block.number(block::SIZE_FIELD).unwrap_or(0);
        let end = block::SIZE + size as usize + block::padding(size);
        let Some(header) = raw.get(..end) else { return };
        if block.flag() == b'g' {
            out.extend_from_slice(header);
        }
        raw = &raw[end..];
    }
}

impl<R: Read> Read for Filter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.at < self.record.len() {
                let count = buffer.len().min(self.record.len() - self.at);
                buffer[..count].copy_from_slice(&self.record[self.at..self.at + count]);
                self.at += count;
                return Ok(count);
            }
            if self.passes && self.scanner.content_left() > 0 {
                let bytes = self.scanner.content().map_err(TarError::into_io)?;
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                self.scanner.consume(count);
                return Ok(count);
            }
            if !self.next_record().map_err(TarError::into_io)? {
                return Ok(0);
            }
        }
    }
}
