//! Parts of trees, one after the other, under other names.

use model::{Content, Entry, EntryPath, Finding, Kind, Source, StreamError};
use storage::Merged;

/// A part of a tree, and what its top is called in the copy.
pub struct Part {
    /// From its top on.
    pub tree: Merged,
    /// What the top is called there.
    pub from: EntryPath,
    /// What it is called in the copy.
    pub to: EntryPath,
}

/// Several parts as one tree.
pub struct Parts {
    parts: Vec<Part>,
    /// Names of the copy that another part has.
    hidden: Vec<EntryPath>,
    /// Whose everything is; `None` leaves it.
    pub owner: Option<(u32, u32)>,
    at: usize,
}

impl Parts {
    /// The first part, and what lies over it.
    pub fn new(parts: Vec<Part>) -> Parts {
        let hidden = parts.iter().skip(1).map(|part| part.to.clone()).collect();
        Parts { parts, hidden, owner: None, at: 0 }
    }

    /// An entry under its name in the copy; `None` for what another part hides.
    fn renamed(&self, mut entry: Entry) -> Option<Entry> {
        let part = &self.parts[self.at];
        entry.path = moved(&entry.path, part)?;
        if self.hidden.iter().skip(self.at).any(|other| other.holds(&entry.path)) {
            return None;
        }
        if let Kind::HardLink { target } = &mut entry.kind {
            *target = moved(target, part)?;
        }
        if let Some((uid, gid)) = self.owner {
            (entry.meta.uid, entry.meta.gid) = (uid.into(), gid.into());
        }
        Some(entry)
    }
}

fn moved(path: &EntryPath, part: &Part) -> Option<EntryPath> {
    let rest = path.as_bytes().strip_prefix(part.from.as_bytes())?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    Some(under(&part.to, rest))
}

/// A path of several names below another one.
pub fn under(top: &EntryPath, rest: &[u8]) -> EntryPath {
    rest.split(|&b| b == b'/').filter(|name| !name.is_empty()).fold(top.clone(), |path, name| path.join(name))
}

impl Source for Parts {
    fn next_entry(&mut self) -> Result<Option<Entry>, StreamError> {
        while self.at < self.parts.len() {
            match self.parts[self.at].tree.next_entry()? {
                None => self.at += 1,
                Some(entry) => {
                    if let Some(entry) = self.renamed(entry) {
                        return Ok(Some(entry));
                    }
                }
            }
        }
        Ok(None)
    }

    fn content(&mut self) -> Result<Box<dyn Content + '_>, StreamError> {
        match self.parts.get_mut(self.at) {
            Some(part) => part.tree.content(),
            None => Err("the entry has no content".into()),
        }
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.parts.iter_mut().flat_map(|part| part.tree.take_findings()).collect()
    }
}
