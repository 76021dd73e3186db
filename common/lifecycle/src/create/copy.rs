//! What a new volume gets of the image: the files at its place.

use std::path::Path;

use host::Host;
use model::{EntryPath, Finding, Image, Source};

use crate::error::{LifeError, at};

/// Copies what the image has at `destination` into a new volume, its top's owner and mode too.
pub fn fill(host: &Host, image: &Image, destination: &str, data: &Path) -> Result<Vec<Finding>, LifeError> {
    let Ok(top) = EntryPath::parse(destination.trim_start_matches('/').as_bytes()) else { return Ok(Vec::new()) };
    let (rootfs, mut findings) = host.image_rootfs(image)?;
    let tree = storage::open(host.root(), &rootfs).map_err(|error| LifeError::Files(error.into()))?;
    let mut below = Below { tree, top };
    let mut folder = storage::Folder::open(data).map_err(at("open", data))?;
    findings.extend(storage::pour(&mut below, &mut folder, |_| ()).map_err(LifeError::Files)?.findings);
    Ok(findings)
}

/// A part of a tree as a tree of its own.
struct Below {
    tree: storage::Merged,
    top: EntryPath,
}

impl Source for Below {
    fn next_entry(&mut self) -> Result<Option<model::Entry>, model::StreamError> {
        while let Some(mut entry) = self.tree.next_entry()? {
            if !self.top.holds(&entry.path) {
                continue;
            }
            if let model::Kind::HardLink { target } = &mut entry.kind {
                // A name whose first one lies elsewhere cannot be linked; the walk has no content for it any more.
                match self.inner(target) {
                    Some(path) => *target = path,
                    None => continue,
                }
            }
            if entry.path == self.top && !matches!(entry.kind, model::Kind::Directory) {
                return Ok(None);
            }
            entry.path = self.inner(&entry.path).unwrap_or_default();
            return Ok(Some(entry));
        }
        Ok(None)
    }

    fn content(&mut self) -> Result<Box<dyn model::Content + '_>, model::StreamError> {
        self.tree.content()
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.tree.take_findings()
    }
}

impl Below {
    fn inner(&self, path: &EntryPath) -> Option<EntryPath> {
        let rest = path.as_bytes().strip_prefix(self.top.as_bytes())?;
        self.top.holds(path).then(|| EntryPath::parse(rest.strip_prefix(b"/").unwrap_or(rest)).ok())?
    }
}
