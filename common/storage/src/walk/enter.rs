//! Going into a folder: which layers have a share in it, and what names that makes.

use std::collections::VecDeque;

use hostfs::{Dir, FileKind, Problem};
use model::Xattrs;

use super::{Entered, Frame, Name, Part, Walk};
use crate::dialect::{Dialect, Listed, Opacity};
use crate::trail::Trail;

impl Walk {
    pub(super) fn enter_parts(&mut self, candidates: Vec<Part>, name: &[u8]) -> Option<Entered> {
        let path_before = self.path.len();
        let mut top: Option<Entered> = None;
        let redirected = self.is_redirected();
        let mut frame = Frame { parts: Vec::new(), names: Vec::new(), next: 0, path_before, redirected };
        let mut candidates = VecDeque::from(candidates);
        while let Some(mut part) = candidates.pop_front() {
            let dialect = self.branches[part.branch].dialect;
            let dir = match self.open_part(&part) {
                Ok(dir) => dir,
                Err(problem) => {
                    let place = self.place_of(&part);
                    self.find("unreadable", place, format!("{problem}; what it holds is left out"));
                    // Where the topmost cannot be read, lower ones would show what it may have removed.
                    if top.is_none() { return None } else { continue }
                }
            };
            let xattrs = match dialect.reads_xattrs() || top.is_none() {
                true => dir.xattrs_self().unwrap_or_default(),
                false => Xattrs::new(),
            };
            let opacity = dialect.opacity(&xattrs);
            part.marks = opacity == Opacity::Marks;
            let is_top = part.above.is_none() && part.way.is_empty();
            let opaque = match list(&dir, dialect, is_top, frame.parts.len() as u16, &mut frame.names) {
                Ok(opaque) => opaque || opacity == Opacity::Opaque,
                Err(problem) => {
                    let place = self.place_of(&part);
                    self.find("unreadable", place, format!("{problem}; what it holds is left out"));
                    false
                }
            };
            let opaque = opaque | self.add_lost(&part, frame.parts.len() as u16, &mut frame.names);
            if let Some(to) = dialect.redirect(&xattrs) {
                frame.redirected |= self.redirect(&part, to, &mut candidates);
            }
            if top.is_none() {
                top = Some(Entered { stat: dir.stat_self().ok()?, xattrs, opaque });
            }
            part.dir = Some(dir);
            frame.parts.push(part);
            self.open += 1;
            if opaque {
                break;
            }
        }
        if frame.parts.len() > 1 || frame.names.iter().any(|name| name.listed != Listed::Name) {
            frame.names.sort_unstable_by(|a, b| (&a.name, a.part, a.listed).cmp(&(&b.name, b.part, b.listed)));
        }
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        self.frames.push(frame);
        self.close_far();
        top
    }

    /// Adds the marks that a layer's folder has lost. Whether it is to hide what lower layers have.
    pub(super) fn add_lost(&self, part: &Part, at: u16, names: &mut Vec<Name>) -> bool {
        let branch = &self.branches[part.branch];
        let Some(lost) = &branch.lost else { return false };
        let place = self.place_of(part);
        let folder = place.as_bytes().strip_prefix(branch.path.as_bytes()).unwrap_or_default();
        let Some(lost) = lost.folder(folder.strip_prefix(b"/").unwrap_or(folder)) else { return false };
        // An empty file that lies where a device was is none.
        names.retain(|name| name.part != at || !lost.removed.contains(&name.name));
        let removed = |name: &[u8]| Name { name: name.into(), part: at, listed: Listed::Removed, is_dir: None };
        names.extend(lost.removed.iter().map(|name| removed(name)));
        lost.opaque
    }

    /// Replaces what lower layers have under this name by what they have where it came from. Whether it did.
    pub(super) fn redirect(&self, part: &Part, to: &[u8], candidates: &mut VecDeque<Part>) -> bool {
        let Some(above) = self.frames.last() else { return false };
        let (below, above_of, way) = (part.branch + 1, part.above, part.way.clone());
        let part = |branch, above, way: &[u8]| Part { branch, above, way: way.into(), dir: None, marks: false };
        let from_top = match (to.strip_prefix(b"/"), above_of) {
            (Some(path), _) => Some(Trail::new(path)),
            // Its own place was led to from the top: so is what it names beside itself.
            (None, None) => {
                let mut trail = Trail::new(&way);
                trail.folder(&self.branches[below - 1]);
                trail.rename(to);
                Some(trail)
            }
            (None, Some(_)) => None,
        };
        *candidates = match from_top {
            Some(trail) => self.along(trail, below),
            None => {
                let same = above.parts.iter().enumerate().filter(|(_, part)| part.branch >= below);
                let all = same.map(|(at, share)| part(share.branch, Some(at as u16), to));
                all.filter(|part| self.open_part(part).is_ok()).collect()
            }
        };
        true
    }

    /// The shares of lower layers in a directory, along the way that leads to it.
    pub(super) fn along(&self, mut trail: Trail, below: usize) -> VecDeque<Part> {
        let mut parts = VecDeque::new();
        for branch in below..self.branches.len() {
            if trail.is_ended() {
                break;
            }
            let way = trail.way().into();
            let Some(folder) = trail.folder(&self.branches[branch]) else { continue };
            match folder.stat(trail.name()).map(|stat| stat.kind) {
                Ok(FileKind::Directory) => parts.push_back(Part { branch, above: None, way, dir: None, marks: false }),
                Err(_) => {}
                // A mark, or a file: it hides what is below.
                Ok(_) => break,
            }
        }
        parts
    }
}

/// Adds the names of one layer's folder. Whether a name among them makes it opaque.
fn list(dir: &Dir, dialect: Dialect, top: bool, part: u16, names: &mut Vec<Name>) -> Result<bool, Problem> {
    let mut opaque = false;
    for entry in dir.entries()? {
        opaque |= dialect.is_opaque_name(&entry.name);
        if let Some((name, listed)) = dialect.read(&entry.name, entry.is_char_device.unwrap_or(true), top) {
            let is_dir = entry.is_dir;
            let name = if name.len() == entry.name.len() { entry.name } else { name.into() };
            names.push(Name { name, part, listed, is_dir });
        }
    }
    Ok(opaque)
}
