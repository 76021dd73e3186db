//! What a container's own layer changes, as docker's `diff` says it: `A`dded, `C`hanged, `D`eleted.

mod native;

use std::fmt;

use hostfs::Root;
use model::{Driver, EntryPath, Finding, Rootfs};

use crate::compare::{Compare, Happened, Rules};
use crate::drivers::{self, Branch};
use crate::error::StorageError;

/// One line of docker's `diff`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Difference {
    /// Where.
    pub path: EntryPath,
    /// What happened to it.
    pub happened: Happened,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let letter = match self.happened {
            Happened::Added => 'A',
            Happened::Changed => 'C',
            Happened::Deleted => 'D',
        };
        write!(f, "{letter} /{}", model::path::shown(self.path.as_bytes()))
    }
}

/// What the top layer of `rootfs` changes over those below it, by path. With aufs, and with podman's overlay, it is what the
/// layer says; with every other driver two trees are compared, as the engines do it.
pub fn diff(root: &Root, rootfs: &Rootfs, rules: Rules) -> Result<(Vec<Difference>, Vec<Finding>), StorageError> {
    let (new, mut findings) = drivers::stack(root, rootfs)?;
    let asked = match rootfs.layers.first().map(|top| &top.driver) {
        Some(Driver::Aufs | Driver::Graph) => true,
        Some(Driver::Overlay2) => rules == Rules::PodmanOverlay,
        _ => false,
    };
    if asked {
        let (mut said, more) = native::native(&new, rules);
        said.sort();
        findings.extend(more);
        return Ok((said, findings));
    }
    let (old, more) = below(root, rootfs)?;
    findings.extend(more.into_iter().filter(|finding| !findings.contains(finding)).collect::<Vec<_>>());
    let mut compare = Compare::new(new, old, rules);
    let mut said = Vec::new();
    while let Some(step) = compare.next_step() {
        said.push(Difference { path: step.path, happened: step.happened });
    }
    said.sort();
    findings.extend(compare.take_findings());
    Ok((said, findings))
}

/// The stack below the top layer; none at all where there is nothing.
pub(crate) fn below(root: &Root, rootfs: &Rootfs) -> Result<(Vec<Branch>, Vec<Finding>), StorageError> {
    let lower = Rootfs { layers: rootfs.layers[1..].to_vec(), ..rootfs.clone() };
    if lower.layers.is_empty() { Ok((Vec::new(), Vec::new())) } else { drivers::stack(root, &lower) }
}
