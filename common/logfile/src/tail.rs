//! Where the last so many records of a log begin.
//!
//! Forms of lines are read backwards by blocks, holes passed over: the end of a huge log is found at once. Compressed
//! files and `local`, which docker keeps small, are counted from their beginning.

use std::io;

use hostfs::{File, Root};
use model::LogForm;

use crate::entry::Stream;
use crate::feed::{self, BLOCK, Feed};
use crate::records::{self, Records};
use crate::segment::Segment;

/// A place in a log: a file of it, an offset in that, and how many entries from there still come before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Start {
    pub segment: usize,
    pub offset: u64,
    pub skip: u64,
}

/// The place from where `wanted` entries follow to the end; the beginning where there are fewer.
pub(crate) fn find(root: &Root, segments: &[Segment], form: LogForm, wanted: u64) -> io::Result<Start> {
    let mut left = wanted;
    for (index, segment) in segments.iter().enumerate().rev() {
        let is_lines = !segment.compressed && form != LogForm::Local;
        let found = if is_lines { backwards(root, segment, form, left) } else { forwards(root, segment, form, left) };
        match found {
            Ok(Found::Here(start)) => return Ok(Start { segment: index, ..start }),
            Ok(Found::Fewer(count)) => left -= count,
            // The reading that follows tells of it.
            Err(_) => {}
        }
    }
    Ok(Start::default())
}

enum Found {
    Here(Start),
    /// The file has only so many.
    Fewer(u64),
}

fn forwards(root: &Root, segment: &Segment, form: LogForm, wanted: u64) -> io::Result<Found> {
    if wanted == 0 {
        return Ok(Found::Here(Start { skip: u64::MAX, ..Start::default() }));
    }
    let mut feed = Feed::open(root, segment, 0)?;
    let mut records = Records::new(records::parser(form, Stream::Out));
    let mut count = 0;
    // A file that is cut still has the records before.
    while let Ok(Some(_)) = records.next(&mut feed, true) {
        count += 1;
    }
    Ok(if count >= wanted {
        Found::Here(Start { skip: count - wanted, ..Start::default() })
    } else {
        Found::Fewer(count)
    })
}

fn backwards(root: &Root, segment: &Segment, form: LogForm, wanted: u64) -> io::Result<Found> {
    let file = root.open_file(&segment.path).map_err(io::Error::other)?;
    let mut count = 0;
    let mut lines = Backwards::new(&file)?;
    if wanted == 0 {
        return Ok(Found::Here(Start { offset: file.stat().size, ..Start::default() }));
    }
    let mut is_last = true;
    let mut whole_above = None;
    while let Some(start) = lines.next_start()? {
        // A line of Kubernetes' form counts where it ends one; parts before it belong to it.
        let is_whole = !has_parts(form) || is_last || is_whole_line(&file, start)?;
        is_last = false;
        if is_whole {
            if count == wanted {
                break;
            }
            count += 1;
        }
        whole_above = Some(start);
        if count == wanted && !has_parts(form) {
            break;
        }
    }
    Ok(match whole_above {
        Some(offset) if count >= wanted => Found::Here(Start { offset, ..Start::default() }),
        _ => Found::Fewer(count),
    })
}

/// Whether records may be parts of lines that say so.
fn has_parts(form: LogForm) -> bool {
    matches!(form, LogForm::Cri | LogForm::K8sFile)
}

fn is_whole_line(file: &File, start: u64) -> io::Result<bool> {
    let mut beginning = [0; 64];
    let read = file.read_at(&mut beginning, start)?;
    Ok(records::is_whole_cri_line(&beginning[..read]))
}

/// Yields where each line begins, from the last to the first.
struct Backwards<'a> {
    file: &'a File,
    extents: Vec<model::Extent>,
    block: Vec<u8>,
    /// Where the block begins in the file.
    at: u64,
    /// How much of the block, from its front, is still to be looked at.
    left: usize,
    /// Where data goes on before the block, in the last extent.
    before: u64,
    /// Whether something stands behind the next newline that is found: the last one of all only ends a line.
    has_line: bool,
    /// Where the data that was looked at begins.
    lowest: u64,
}

impl<'a> Backwards<'a> {
    fn new(file: &'a File) -> io::Result<Backwards<'a>> {
        let extents: Vec<model::Extent> = feed::extents(file)?.into();
        let before = extents.last().map_or(0, |extent| extent.offset + extent.size);
        Ok(Backwards { file, extents, block: Vec::new(), at: 0, left: 0, before, has_line: false, lowest: before })
    }

    fn next_start(&mut self) -> io::Result<Option<u64>> {
        loop {
            while self.left > 0 {
                self.left -= 1;
                let starts_line = self.block[self.left] == b'\n' && self.has_line;
                // Zeros alone are no line: a crash leaves them behind the last one.
                self.has_line |= self.block[self.left] != 0;
                self.lowest = self.at + self.left as u64;
                if starts_line {
                    return Ok(Some(self.lowest + 1));
                }
            }
            if !self.load()? {
                return Ok(std::mem::take(&mut self.has_line).then_some(self.lowest));
            }
        }
    }

    /// Reads the block before; false where there is none.
    fn load(&mut self) -> io::Result<bool> {
        while let Some(extent) = self.extents.last() {
            if self.before > extent.offset {
                let from = self.before.saturating_sub(BLOCK as u64).max(extent.offset);
                self.block.resize((self.before - from) as usize, 0);
                let read = self.file.read_at(&mut self.block, from)?;
                self.block.truncate(read);
                (self.at, self.left, self.before) = (from, read, from);
                return Ok(true);
            }
            self.extents.pop();
            self.before = self.extents.last().map_or(0, |extent| extent.offset + extent.size);
        }
        Ok(false)
    }
}
