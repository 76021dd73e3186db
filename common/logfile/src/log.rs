//! A whole log: its files one after the other, from where the caller wants it.

use std::collections::VecDeque;

use hostfs::Root;
use model::{Finding, HostPath, LogForm, LogPlace};

use crate::entry::{Entry, Stream};
use crate::feed::Feed;
use crate::records::{self, Records};
use crate::segment::{self, Segment};
use crate::tail::{self, Start};

/// Which part of a log is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tail {
    /// All of it.
    All,
    /// The last so many entries.
    Last(u64),
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The driver keeps nothing on this host.
    #[error("log driver '{driver}' keeps nothing in the data root")]
    NotKept {
        /// The driver's name.
        driver: String,
    },
    /// The file is not there: nothing was ever written, or it was removed.
    #[error("cannot read the log")]
    Read(#[from] hostfs::ReadError),
}

/// An opened log. Entries come in the order in which they were written.
pub struct Log<'a> {
    root: &'a Root,
    /// Files that are still to be read.
    rest: VecDeque<(Segment, Stream)>,
    current: Option<(Segment, Feed)>,
    records: Records,
    form: LogForm,
    start: Start,
    subject: String,
    findings: Vec<Finding>,
    told: u64,
}

impl<'a> Log<'a> {
    /// Opens the log of a container; `subject` names it in findings.
    pub fn open(root: &'a Root, place: &LogPlace, tail: Tail, subject: &str) -> Result<Log<'a>, LogError> {
        let Some(path) = &place.file else { return Err(LogError::NotKept { driver: place.driver.clone() }) };
        let segments = segment::all(root, path);
        if segments.len() == 1 {
            root.open_file(path)?;
        }
        let start = match tail {
            Tail::All => Start::default(),
            Tail::Last(wanted) => tail::find(root, &segments, place.form, wanted).unwrap_or_default(),
        };
        let mut rest: VecDeque<(Segment, Stream)> =
            segments.into_iter().map(|segment| (segment, Stream::Out)).collect();
        rest.extend(errors(root, place.form, path).map(|segment| (segment, Stream::Err)));
        rest.drain(..start.segment);
        let records = Records::new(records::parser(place.form, Stream::Out));
        Ok(Log {
            root,
            rest,
            current: None,
            records,
            form: place.form,
            start,
            subject: subject.to_string(),
            findings: Vec::new(),
            told: 0,
        })
    }

    /// The next entry; `None` at the end. What was written since may follow when it is asked again.
    pub fn next_entry(&mut self, follow: bool) -> Option<Entry> {
        loop {
            let Some((segment, feed)) = &mut self.current else {
                if !self.open_next() {
                    return self.records.finish();
                }
                continue;
            };
            let is_newest = self.rest.is_empty();
            let entry = match self.records.next(feed, !(follow && is_newest)) {
                Ok(entry) => entry,
                Err(error) => {
                    let path = segment.path.clone();
                    self.tell("log-unreadable", &path, format!("it ends too early: {error}"));
                    None
                }
            };
            match entry {
                Some(_) if self.start.skip > 0 => self.start.skip -= 1,
                Some(entry) => return Some(entry),
                None if follow && is_newest => return None,
                None => self.close(),
            }
        }
    }

    fn open_next(&mut self) -> bool {
        let Some((segment, stream)) = self.rest.pop_front() else { return false };
        if self.form == LogForm::Raw {
            self.records = Records::new(records::parser(LogForm::Raw, stream));
        }
        let offset = std::mem::take(&mut self.start.offset);
        match Feed::open(self.root, &segment, offset) {
            Ok(feed) => self.current = Some((segment, feed)),
            Err(error) => self.tell("log-unreadable", &segment.path, error.to_string()),
        }
        true
    }

    /// Ends a file: what was damaged in it is told once.
    fn close(&mut self) {
        self.start.skip = if self.start.skip == u64::MAX { self.start.skip } else { 0 };
        let Some((segment, _)) = self.current.take() else { return };
        self.tell_damage(&segment.path);
    }

    fn tell_damage(&mut self, path: &HostPath) {
        let damaged = std::mem::replace(&mut self.told, self.records.damaged);
        let new = self.records.damaged - damaged;
        if new > 0 {
            self.tell("log-damaged", path, format!("{new} bytes are no records; those around them were read"));
        }
    }

    fn tell(&mut self, code: &'static str, path: &HostPath, detail: String) {
        self.findings.push(Finding::new(code, detail).about(self.subject.clone()).at(path.clone()));
    }

    /// What was found to be damaged so far.
    pub fn into_findings(mut self) -> Vec<Finding> {
        if let Some((segment, _)) = self.current.take() {
            self.tell_damage(&segment.path);
        }
        self.findings
    }

    /// Looks whether the file that is being followed was rotated away: then the new one of its name is read next.
    pub fn renew(&mut self) {
        let Some((segment, feed)) = &self.current else { return };
        let stat = self.root.stat(&segment.path).ok();
        if stat.is_some_and(|stat| feed.is_other(&stat)) {
            self.rest.push_back((segment.clone(), Stream::Out));
        }
    }
}

/// The file of the other stream, where a log is raw.
fn errors(root: &Root, form: LogForm, path: &HostPath) -> Option<Segment> {
    let name = path.name().strip_suffix(b"-stdout.log").filter(|_| form == LogForm::Raw)?;
    let path = path.parent().join([name, b"-stderr.log"].concat());
    root.exists(&path).then_some(Segment { path, compressed: false })
}
