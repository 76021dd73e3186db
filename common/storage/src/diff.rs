//! What a container's own layer changes, as docker's `diff` says it: `A`dded, `C`hanged, `D`eleted.

use std::collections::HashSet;
use std::fmt;

use hostfs::{FileKind, Problem, Root, Stat};
use model::{Driver, EntryPath, Finding, Rootfs};

use crate::compare::{Compare, Happened, Rules, same_time};
use crate::dialect::MARK;
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

/// What the top layer of `rootfs` changes over those below it, by path. With aufs it is what the layer says, with every
/// other driver two trees are compared, as the engines do it.
pub fn diff(root: &Root, rootfs: &Rootfs, rules: Rules) -> Result<(Vec<Difference>, Vec<Finding>), StorageError> {
    let (new, mut findings) = drivers::stack(root, rootfs)?;
    if rootfs.layers.first().is_some_and(|top| matches!(top.driver, Driver::Aufs | Driver::Graph)) {
        let (mut said, more) = native(&new, rules);
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

/// What an aufs branch says of itself: marks are deletions, names are changed where a lower branch has them, added
/// where none has (moby v0.6.4 changes.go, v20.10.24 pkg/archive/changes.go). A name both marked and there gives two
/// lines, and the mark of an opaque directory one for a name that never was: so say the engines.
fn native(branches: &[Branch], rules: Rules) -> (Vec<Difference>, Vec<Finding>) {
    let mut said = Native { branches, rules, said: Vec::new(), folders: HashSet::new(), findings: Vec::new() };
    let mut left = vec![Vec::new()];
    while let Some(folder) = left.pop() {
        left.extend(said.folder(&folder));
    }
    (said.said, said.findings)
}

struct Native<'a> {
    branches: &'a [Branch],
    rules: Rules,
    said: Vec<Difference>,
    folders: HashSet<Vec<u8>>,
    findings: Vec<Finding>,
}

impl Native<'_> {
    /// Says the names of one folder of the branch, and returns the folders in it.
    fn folder(&mut self, folder: &[u8]) -> Vec<Vec<u8>> {
        let mut folders = Vec::new();
        if let Err(problem) = self.names(folder, &mut folders) {
            let place = self.branches[0].path.join(folder);
            self.findings.push(Finding::new("unreadable", format!("{problem}; what it holds is left out")).at(place));
        }
        folders
    }

    fn names(&mut self, folder: &[u8], folders: &mut Vec<Vec<u8>>) -> Result<(), Problem> {
        let dir = open_folder(&self.branches[0], folder)?;
        for entry in dir.entries()? {
            let path = join(folder, &entry.name);
            if folder.is_empty() && entry.name.starts_with(crate::dialect::AUFS_OWN) {
                continue;
            }
            let stat = dir.stat(&entry.name)?;
            if stat.kind == FileKind::Directory {
                folders.push(path.clone());
            }
            match entry.name.strip_prefix(MARK) {
                Some(b"") => self.say(Happened::Deleted, folder, folder),
                Some(gone) => self.say(Happened::Deleted, &join(folder, gone), folder),
                None => self.name(&path, folder, &stat),
            }
        }
        Ok(())
    }

    fn name(&mut self, path: &[u8], folder: &[u8], stat: &Stat) {
        let below = self.branches[1..].iter().find_map(|branch| stat_below(branch, path));
        let both_dirs = below.is_some_and(|below| below.kind == stat.kind && stat.kind == FileKind::Directory);
        match below {
            Some(below)
                if both_dirs && below.size == stat.size && below.mode == stat.mode && same_time(stat, &below) => {}
            Some(_) => self.say(Happened::Changed, path, folder),
            None => self.say(Happened::Added, path, folder),
        }
    }

    fn say(&mut self, happened: Happened, path: &[u8], folder: &[u8]) {
        if happened != Happened::Changed && self.rules == Rules::Today && !folder.is_empty() {
            self.folder_above(folder);
        }
        if happened != Happened::Deleted {
            self.folders.insert(path.to_vec());
        }
        self.push(happened, path);
    }

    /// The folder above a name that came or went is changed, even where its attributes are as they were.
    fn folder_above(&mut self, folder: &[u8]) {
        if self.folders.insert(folder.to_vec()) {
            self.push(Happened::Changed, folder);
        }
    }

    fn push(&mut self, happened: Happened, path: &[u8]) {
        let path = EntryPath::parse(path).expect("names of a folder are components without zero bytes");
        self.said.push(Difference { path, happened });
    }
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn open_folder(branch: &Branch, folder: &[u8]) -> Result<hostfs::Dir, Problem> {
    let mut dir = branch.dir.open_dir(b".")?;
    for name in folder.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
        dir = dir.open_dir(name)?;
    }
    Ok(dir)
}

fn stat_below(branch: &Branch, path: &[u8]) -> Option<Stat> {
    let cut = path.iter().rposition(|&b| b == b'/');
    let (folder, name) = cut.map_or((&[][..], path), |cut| (&path[..cut], &path[cut + 1..]));
    open_folder(branch, folder).ok()?.stat(name).ok()
}
