//! Walks a stack of folders as one tree, name by name, in path order, without recursion.
//!
//! A merged name has three states: shown and open to lower layers (a directory), shown and closed (anything else, an
//! opaque directory, or one that a middle layer had removed), and hidden. Handles are kept for the deepest folders
//! only, so that neither depth nor the number of layers runs out of them.

use std::ops::Range;

use hostfs::{Dir, File, FileKind, Problem, Stat};
use model::{Finding, HostPath, Xattrs};

use crate::dialect::{Dialect, Listed};
use crate::drivers::Branch;
use crate::trail::Trail;

mod enter;
mod handles;

/// A walk over a stack of branches.
pub struct Walk {
    branches: Vec<Branch>,
    frames: Vec<Frame>,
    /// Where the folder on top of `frames` stands in the tree.
    path: Vec<u8>,
    open: usize,
    findings: Vec<Finding>,
    /// Whether marks are yielded as [`What::Removed`], for a layer by itself.
    marks: bool,
}

/// One visible name.
#[derive(Debug)]
pub struct Node {
    /// The name, one component; empty for the top.
    pub name: Box<[u8]>,
    /// Which branch has it.
    pub branch: usize,
    /// What it is.
    pub what: What,
    part: u16,
    /// Parts that have a directory of that name, top first, as far down as nothing closes it.
    dirs: Vec<u16>,
}

/// What a visible name is.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// A name of the tree.
    Shown(Stat),
    /// A name that this layer removes; only in a walk over one layer's marks.
    Removed(Option<Stat>),
}

/// What the topmost folder of a directory says of it.
pub struct Entered {
    /// Its attributes.
    pub stat: Stat,
    /// Its extended attributes, the driver's own among them.
    pub xattrs: Xattrs,
    /// Whether it hides what lower layers have.
    pub opaque: bool,
}

/// One merged folder on the way down.
struct Frame {
    parts: Vec<Part>,
    names: Vec<Name>,
    next: usize,
    path_before: usize,
    redirected: bool,
}

/// One layer's share of a merged folder.
struct Part {
    branch: usize,
    /// Which part of the folder above it lies in; `None` where `way` leads from the branch's top.
    above: Option<u16>,
    /// Names that lead to it.
    way: Box<[u8]>,
    dir: Option<Dir>,
    marks: bool,
}

struct Name {
    name: Box<[u8]>,
    part: u16,
    listed: Listed,
    is_dir: Option<bool>,
}

impl Walk {
    /// A walk over all branches as one tree.
    pub fn merged(branches: Vec<Branch>) -> Walk {
        Walk { branches, frames: Vec::new(), path: Vec::new(), open: 0, findings: Vec::new(), marks: false }
    }

    /// A walk over one layer, which yields its marks too.
    pub fn layer(branch: Branch) -> Walk {
        Walk { marks: true, ..Walk::merged(vec![branch]) }
    }

    /// The branches, top first.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// How many folders are entered.
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    /// Where the folder that is entered stands in the tree; empty for the top.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Where a name lies in the evidence.
    pub fn place(&self, node: &Node) -> HostPath {
        let place = self.part_place(node.part);
        if node.name.is_empty() { place } else { place.join(&*node.name) }
    }

    /// Whether a folder on the way has been renamed from another place, so that equal branches do not mean equal names.
    pub fn is_redirected(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.redirected)
    }

    /// The branches that may have a share in a directory, top first.
    pub fn sharers<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = usize> + 'a {
        let parts = self.frames.last().map_or(&[][..], |frame| &frame.parts);
        node.dirs.iter().map(|&part| parts[usize::from(part)].branch)
    }

    /// What could not be read since this was last asked.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.findings);
        for Branch { path, dir, .. } in &self.branches {
            findings.extend(dir.take_findings().into_iter().map(|finding| finding.at(path.clone())));
        }
        findings
    }

    /// Records damage at a place in the evidence.
    pub fn find(&mut self, code: &'static str, place: HostPath, detail: impl Into<String>) {
        self.findings.push(Finding::new(code, detail).at(place));
    }

    /// Enters the top of the tree. `None` where nothing of it can be read.
    pub fn enter_top(&mut self) -> Option<Entered> {
        let parts: Vec<Part> = (0..self.branches.len())
            .map(|branch| Part { branch, above: None, way: Box::default(), dir: None, marks: false })
            .collect();
        self.enter_parts(parts, b"")
    }

    /// Enters a directory that [`Walk::take`] gave last. `None` where it cannot be read, which is a finding.
    pub fn enter(&mut self, node: &Node) -> Option<Entered> {
        let frame = self.frames.last()?;
        let parts = node.dirs.iter().map(|&part| {
            let branch = frame.parts[usize::from(part)].branch;
            Part { branch, above: Some(part), way: node.name.clone(), dir: None, marks: false }
        });
        let parts = parts.collect();
        self.enter_parts(parts, &node.name)
    }

    /// Goes back up.
    pub fn leave(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.path.truncate(frame.path_before);
            self.open -= frame.parts.iter().filter(|part| part.dir.is_some()).count();
        }
    }

    /// The next visible name of the folder that is entered; `None` after the last.
    pub fn take(&mut self) -> Option<Node> {
        loop {
            let range = self.frames.last_mut()?.next_group()?;
            if let Some(node) = self.resolve(range) {
                return Some(node);
            }
        }
    }

    /// Extended attributes of a name as they lie on disk, the driver's own among them.
    pub fn xattrs(&mut self, node: &Node) -> Result<Xattrs, Problem> {
        self.dir(node.part)?.xattrs(&node.name)
    }

    /// The target of a symbolic link.
    pub fn read_link(&mut self, node: &Node) -> Result<Vec<u8>, Problem> {
        self.dir(node.part)?.read_link(&node.name)
    }

    /// Opens a regular file in the layer that shows it.
    pub fn open_file(&mut self, node: &Node) -> Result<File, Problem> {
        self.dir(node.part)?.open_file(&node.name)
    }

    /// Opens the file in a lower layer that holds the content of one with attributes alone; `redirect` as its own say.
    pub fn open_content(&mut self, node: &Node, redirect: Option<&[u8]>) -> Result<File, Problem> {
        let (mut below, mut redirect) = (usize::from(node.part) + 1, redirect.map(<[u8]>::to_vec));
        let parts = self.frames.last().map_or(0, |frame| frame.parts.len());
        while below < parts {
            let file = match redirect.as_deref() {
                Some(path) if path.starts_with(b"/") => {
                    let above = self.frames.last().map_or(0, |frame| frame.parts[below - 1].branch);
                    return self.content_from_top(above + 1, path);
                }
                Some(name) => self.dir(below as u16).and_then(|dir| dir.open_file(name)),
                None => self.dir(below as u16).and_then(|dir| dir.open_file(&node.name)),
            };
            match file {
                Err(Problem::Missing) => {}
                Err(problem) => return Err(problem),
                Ok(file) => {
                    let (xattrs, dialect) = (file.xattrs()?, self.dialect(below as u16));
                    if !dialect.is_metacopy(&xattrs) {
                        return Ok(file);
                    }
                    redirect = dialect.redirect(&xattrs).map(<[u8]>::to_vec).or(redirect);
                }
            }
            below += 1;
        }
        match redirect.as_deref() {
            // It came from a folder in which no layer further down has a share.
            Some(path) if path.starts_with(b"/") => {
                let above = self.frames.last().and_then(|frame| frame.parts.last()).map_or(0, |part| part.branch);
                self.content_from_top(above + 1, path)
            }
            _ => Err(Problem::Missing),
        }
    }

    fn content_from_top(&self, below: usize, path: &[u8]) -> Result<File, Problem> {
        let mut trail = Trail::new(path);
        for branch in &self.branches[below.min(self.branches.len())..] {
            let folder = trail.folder(branch);
            match folder.map_or(Err(Problem::Missing), |folder| folder.open_file(trail.name())) {
                Err(Problem::Missing) if trail.is_ended() => break,
                Err(Problem::Missing) => {}
                Err(problem) => return Err(problem),
                Ok(file) => {
                    let xattrs = file.xattrs()?;
                    if !branch.dialect.is_metacopy(&xattrs) {
                        return Ok(file);
                    }
                    match branch.dialect.redirect(&xattrs) {
                        Some(to) if to.starts_with(b"/") => trail = Trail::new(to),
                        Some(to) => trail.rename(to),
                        None => {}
                    }
                }
            }
        }
        Err(Problem::Missing)
    }

    /// What a group of equal names comes to.
    fn resolve(&mut self, range: Range<usize>) -> Option<Node> {
        let frame = self.frames.last_mut()?;
        let name = std::mem::take(&mut frame.names[range.start].name);
        let Name { part, listed, .. } = frame.names[range.start];
        let Part { branch, marks, .. } = frame.parts[usize::from(part)];
        if listed == Listed::Removed {
            return self.removed(name, part, None);
        }
        let stat = match self.dir(part).and_then(|dir| dir.stat(&name)) {
            Ok(stat) => stat,
            Err(problem) => {
                self.unreadable(part, &name, &problem);
                return None;
            }
        };
        if listed == Listed::Device && stat.kind == FileKind::CharDevice(0, 0)
            || marks && self.is_marked_file(part, &name, &stat)
        {
            return self.removed(name, part, Some(stat));
        }
        let dirs = if stat.kind == FileKind::Directory { self.sharing(&name, range) } else { Vec::new() };
        Some(Node { name, branch, what: What::Shown(stat), part, dirs })
    }

    /// The parts whose directories of that name show through one another: only a directory is open to lower layers, and
    /// only to their directories, until one is marked as gone.
    fn sharing(&mut self, name: &[u8], range: Range<usize>) -> Vec<u16> {
        let mut dirs = Vec::with_capacity(1);
        for at in range.clone() {
            let Some(frame) = self.frames.last() else { break };
            let Name { part, listed, is_dir, .. } = frame.names[at];
            if listed == Listed::Removed || !(at == range.start || self.is_dir(part, name, is_dir)) {
                break;
            }
            dirs.push(part);
            if self.is_marked_too(&range, at) {
                break;
            }
        }
        dirs
    }

    fn removed(&mut self, name: Box<[u8]>, part: u16, stat: Option<Stat>) -> Option<Node> {
        if !self.marks {
            return None;
        }
        let stat = stat.or_else(|| {
            let mark = [crate::dialect::MARK, &name].concat();
            self.dir(part).and_then(|dir| dir.stat(&mark)).ok()
        });
        Some(Node { name, branch: 0, what: What::Removed(stat), part, dirs: Vec::new() })
    }

    /// Whether the layer that has the name also marks it as gone from lower ones.
    fn is_marked_too(&self, range: &Range<usize>, at: usize) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        let part = frame.names[at].part;
        frame.names[at + 1..range.end].iter().any(|name| name.part == part && name.listed == Listed::Removed)
    }

    fn is_marked_file(&mut self, part: u16, name: &[u8], stat: &Stat) -> bool {
        let dialect = self.dialect(part);
        stat.kind == FileKind::File
            && stat.size == 0
            && self.dir(part).and_then(|dir| dir.xattrs(name)).is_ok_and(|xattrs| dialect.is_mark(&xattrs))
    }

    fn is_dir(&mut self, part: u16, name: &[u8], listed: Option<bool>) -> bool {
        listed.unwrap_or_else(|| {
            self.dir(part).and_then(|dir| dir.stat(name)).is_ok_and(|stat| stat.kind == FileKind::Directory)
        })
    }

    fn dialect(&self, part: u16) -> Dialect {
        let branch = self.frames.last().map_or(0, |frame| frame.parts[usize::from(part)].branch);
        self.branches[branch].dialect
    }

    fn unreadable(&mut self, part: u16, name: &[u8], problem: &Problem) {
        let place = self.part_place(part).join(name);
        self.find("unreadable", place, format!("{problem}; it is left out"));
    }

    fn place_of(&self, part: &Part) -> HostPath {
        match part.above {
            Some(above) => self.part_place(above).join(&*part.way),
            None => self.branches[part.branch].path.join(&*part.way),
        }
    }

    /// Where a part of the folder that is entered lies in the evidence.
    fn part_place(&self, part: u16) -> HostPath {
        let Some(mut at) = self.frames.len().checked_sub(1) else { return self.branches[0].path.clone() };
        let mut share = &self.frames[at].parts[usize::from(part)];
        let mut ways = vec![&share.way];
        while let Some(above) = share.above {
            at -= 1;
            share = &self.frames[at].parts[usize::from(above)];
            ways.push(&share.way);
        }
        let mut place = self.branches[share.branch].path.as_bytes().to_vec();
        for way in ways.iter().rev().filter(|way| !way.is_empty()) {
            place.push(b'/');
            place.extend_from_slice(way);
        }
        HostPath::new(place)
    }
}

impl Frame {
    fn next_group(&mut self) -> Option<Range<usize>> {
        let start = self.next;
        let first = self.names.get(start)?;
        let size = self.names[start..].iter().take_while(|name| name.name == first.name).count();
        self.next += size;
        Some(start..self.next)
    }
}
