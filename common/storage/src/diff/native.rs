//! What a branch says of itself, as the engines ask aufs and podman its overlay (moby v0.6.4 changes.go, v20.10.24
//! pkg/archive/changes.go; containers/storage v1.57 pkg/archive/changes.go, changes_linux.go `OverlayChanges`).
//!
//! Marks are deletions, names are changed where a lower branch has them, added where none has. With aufs a name both
//! marked and there gives two lines, and the mark of an opaque directory one for a name that never was; with overlay an
//! opaque directory that a lower branch has is deleted, although it is there. So say the engines.

use std::collections::HashSet;

use hostfs::{Dir, FileKind, Problem, Stat};
use model::{EntryPath, Finding};

use super::Difference;
use crate::compare::{Happened, Rules, same_time};
use crate::dialect::{AUFS_OWN, Dialect, MARK, Opacity};
use crate::drivers::Branch;

/// The lines of the first of `branches`, in no order, and what could not be read.
pub fn native(branches: &[Branch], rules: Rules) -> (Vec<Difference>, Vec<Finding>) {
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
            let stat = dir.stat(&entry.name)?;
            if stat.kind == FileKind::Directory {
                folders.push(join(folder, &entry.name));
            }
            match self.branches[0].dialect {
                Dialect::Overlay { .. } => self.of_overlay(&dir, folder, &entry.name, &stat)?,
                _ => self.of_aufs(folder, &entry.name, &stat),
            }
        }
        Ok(())
    }

    fn of_aufs(&mut self, folder: &[u8], name: &[u8], stat: &Stat) {
        match name.strip_prefix(MARK) {
            _ if folder.is_empty() && name.starts_with(AUFS_OWN) => {}
            Some(b"") => self.say(Happened::Deleted, folder, folder),
            Some(gone) => self.say(Happened::Deleted, &join(folder, gone), folder),
            None => self.name(&join(folder, name), folder, stat),
        }
    }

    fn of_overlay(&mut self, dir: &Dir, folder: &[u8], name: &[u8], stat: &Stat) -> Result<(), Problem> {
        let path = join(folder, name);
        let is_opaque = |xattrs| self.branches[0].dialect.opacity(&xattrs) == Opacity::Opaque;
        if is_mark(&self.branches[0], stat) {
            self.say(Happened::Deleted, &path, folder);
        } else if stat.kind == FileKind::Directory && is_opaque(dir.xattrs(name)?) && self.below(&path).is_some() {
            self.folders.insert(path.clone());
            self.say(Happened::Deleted, &path, folder);
        } else {
            self.name(&path, folder, stat);
        }
        Ok(())
    }

    fn name(&mut self, path: &[u8], folder: &[u8], stat: &Stat) {
        let below = self.below(path);
        let both_dirs = below.is_some_and(|below| below.kind == stat.kind && stat.kind == FileKind::Directory);
        match below {
            Some(below)
                if both_dirs && below.size == stat.size && below.mode == stat.mode && same_time(stat, &below) => {}
            Some(_) => self.say(Happened::Changed, path, folder),
            None => self.say(Happened::Added, path, folder),
        }
    }

    /// The name in the first lower branch that has it. A branch that marks it, or a folder above it, as gone ends the search.
    fn below(&self, path: &[u8]) -> Option<Stat> {
        for branch in &self.branches[1..] {
            let is_gone = |path: &[u8]| stat_below(branch, path).is_some_and(|stat| is_mark(branch, &stat));
            match stat_below(branch, path) {
                _ if is_gone(path) || above(path).any(is_gone) => return None,
                Some(stat) => return Some(stat),
                None => {}
            }
        }
        None
    }

    fn say(&mut self, happened: Happened, path: &[u8], folder: &[u8]) {
        if happened != Happened::Changed {
            self.folders_above(path, folder);
        }
        if happened != Happened::Deleted {
            self.folders.insert(path.to_vec());
        }
        self.push(happened, path);
    }

    /// The folder above a name that came or went is changed, even where its attributes are as they were; podman says so of
    /// all folders above it.
    fn folders_above(&mut self, path: &[u8], folder: &[u8]) {
        let folders: Vec<&[u8]> = match self.rules {
            Rules::PodmanOverlay => above(path).collect(),
            Rules::Today => [folder].into_iter().filter(|folder| !folder.is_empty()).collect(),
            _ => Vec::new(),
        };
        for folder in folders {
            if self.folders.insert(folder.to_vec()) {
                self.push(Happened::Changed, folder);
            }
        }
    }

    fn push(&mut self, happened: Happened, path: &[u8]) {
        let path = EntryPath::parse(path).expect("names of a folder are components without zero bytes");
        self.said.push(Difference { path, happened });
    }
}

/// Whether a name of the branch is overlay's mark.
fn is_mark(branch: &Branch, stat: &Stat) -> bool {
    matches!(branch.dialect, Dialect::Overlay { .. }) && stat.kind == FileKind::CharDevice(0, 0)
}

/// The folders above a path, the nearest first.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cut = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/');
    std::iter::successors(cut(path).map(|at| &path[..at]), move |folder| cut(folder).map(|at| &folder[..at]))
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
