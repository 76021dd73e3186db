//! The journal: read from its beginning, then what is added to it.

use hostfs::Root;
use lifecycle::events::JOURNAL;
use model::{Finding, HostPath};
use serde_json::Value;

/// Bytes of a journal at most: it is turned over long before.
const MOST: u64 = 16 << 20;

/// A place in the journal.
#[derive(Default)]
pub struct Journal {
    read: u64,
    begun: bool,
}

impl Journal {
    /// What was added since this was last asked; at first all there is, the file that was turned over too.
    pub fn more(&mut self, root: &Root, findings: &mut Vec<Finding>) -> Vec<Value> {
        let (newest, older) = (HostPath::from(JOURNAL), HostPath::from(format!("{JOURNAL}.1").as_str()));
        let size = root.stat(&newest).map_or(0, |stat| stat.size);
        let mut events = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            events.extend(self.lines(root, &older, 0, findings));
        } else if size < self.read {
            events.extend(self.lines(root, &older, self.read, findings));
            self.read = 0;
        }
        if size > self.read {
            let from = self.read;
            events.extend(self.lines(root, &newest, from, findings));
        }
        events
    }

    /// The events of a file from an offset on. A last line without an end is still being written.
    fn lines(&mut self, root: &Root, path: &HostPath, from: u64, findings: &mut Vec<Finding>) -> Vec<Value> {
        if !root.exists(path) {
            return Vec::new();
        }
        let bytes = match root.read(path, MOST) {
            Ok(bytes) => bytes,
            Err(error) => {
                findings.push(Finding::new("journal-unreadable", error.to_string()).at(path.clone()));
                return Vec::new();
            }
        };
        let rest = bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
        let whole = rest.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        self.read = from + whole as u64;
        let lines = rest[..whole].split(|&b| b == b'\n').filter(|line| !line.is_empty());
        let mut events = Vec::new();
        for line in lines {
            match serde_json::from_slice::<Value>(line) {
                Ok(event) if event.is_object() => events.push(event),
                _ => findings.push(Finding::new("journal-damaged", "a line is no event").at(path.clone())),
            }
        }
        events
    }
}
