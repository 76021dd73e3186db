//! Kubernetes' form, which podman and CRI engines write: time, stream, `F` for a whole line or `P` for a part of one,
//! text (kubernetes pkg/kubelet/kuberuntime/logs/logs.go, v1.30; podman libpod/logs/log.go, v5.8.2).

use std::collections::VecDeque;

use model::Timestamp;

use super::{Parsed, Parser};
use crate::entry::{Entry, Stream};

/// Parts of a line are kept until its end comes, so that the line has one time: that of its first part (kubernetes
/// pkg/kubelet/kuberuntime/logs/logs.go `logWriter.write`, v1.30). Podman shows each part by itself, with its own time, from
/// 4.2 on (pkg/api/handlers/compat/containers_logs.go, v5.8.2).
#[derive(Default)]
pub(crate) struct Cri {
    joins: bool,
    open: [Option<Entry>; 2],
}

/// Bytes of parts that are kept back at most; a longer line is given in pieces.
const KEPT: usize = 1 << 20;

impl Parser for Cri {
    fn parse(&mut self, bytes: &[u8], last: bool, out: &mut VecDeque<Entry>) -> Option<Parsed> {
        let line = super::line(bytes, last)?;
        let damaged = match record(line) {
            Some((is_whole, entry)) => {
                self.take(is_whole, entry, out);
                0
            }
            None if line == b"\n" => 0,
            None => line.len(),
        };
        Some(Parsed { used: line.len(), damaged })
    }

    fn finish(&mut self, out: &mut VecDeque<Entry>) {
        out.extend(self.open.iter_mut().filter_map(Option::take).filter(|entry| !entry.text.is_empty()));
    }
}

impl Cri {
    pub fn joining() -> Cri {
        Cri { joins: true, ..Cri::default() }
    }

    fn take(&mut self, is_whole: bool, entry: Entry, out: &mut VecDeque<Entry>) {
        let open = &mut self.open[entry.stream as usize];
        let mut joined = match open.take() {
            Some(mut before) => {
                before.text.extend_from_slice(&entry.text);
                before
            }
            None => entry,
        };
        if is_whole {
            joined.text.push(b'\n');
            out.push_back(joined);
        } else if !self.joins {
            out.push_back(joined);
        } else if joined.text.len() > KEPT {
            let rest = Entry { text: Vec::new(), continues: true, ..joined.clone() };
            out.push_back(joined);
            *open = Some(rest);
        } else {
            *open = Some(joined);
        }
    }
}

/// A record, and whether it ends its line.
fn record(line: &[u8]) -> Option<(bool, Entry)> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut parts = line.splitn(4, |&b| b == b' ');
    let time = Timestamp::parse_rfc3339(std::str::from_utf8(parts.next()?).ok()?)?;
    let stream = Stream::named(parts.next()?)?;
    // More tags may follow the first one after a colon.
    let is_whole = match parts.next()?.split(|&b| b == b':').next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    let text = parts.next().unwrap_or_default().to_vec();
    Some((is_whole, Entry { stream, time: Some(time), attrs: Vec::new(), text, continues: false }))
}

/// Whether a line, of which the beginning is given, is the end of what a container wrote as one.
pub(crate) fn is_whole_line(beginning: &[u8]) -> bool {
    let tag = beginning.split(|&b| b == b' ').nth(2).unwrap_or_default();
    tag.split(|&b| b == b':').next() != Some(b"P")
}
