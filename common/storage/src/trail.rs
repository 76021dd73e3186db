//! The way to what was renamed from elsewhere: a path from the top, which each layer on the way down may lead on to another
//! place, since folders in it may have been renamed there too (linux 6.18 fs/overlayfs/namei.c, ovl_lookup_layer).

use hostfs::{Dir, FileKind, Problem};

use crate::dialect::Opacity;
use crate::drivers::Branch;

/// A path from the top, for the layer that is asked next.
pub struct Trail {
    way: Vec<u8>,
    ended: bool,
}

impl Trail {
    /// From a path, with or without the slash at its beginning.
    pub fn new(path: &[u8]) -> Trail {
        let parts: Vec<&[u8]> = path.split(|&b| b == b'/').filter(|part| !part.is_empty()).collect();
        Trail { way: parts.join(&b'/'), ended: false }
    }

    /// The path in the layer that is asked next.
    pub fn way(&self) -> &[u8] {
        &self.way
    }

    /// The last name of it.
    pub fn name(&self) -> &[u8] {
        split(&self.way).1
    }

    /// Puts another name in the place of the last.
    pub fn rename(&mut self, name: &[u8]) {
        let folder = split(&self.way).0;
        self.way = join(folder, name);
    }

    /// Whether nothing further down counts.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The folder of the last name in this layer. The trail leads to the layer below from then on.
    pub fn folder(&mut self, branch: &Branch) -> Option<Dir> {
        let (folder, name) = split(&self.way);
        let mut next = Vec::new();
        let mut dir = branch.dir.open_dir(b".").ok();
        for part in folder.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
            let child = dir.as_ref().and_then(|dir| match dir.stat(part) {
                Ok(stat) if stat.kind == FileKind::Directory => dir.open_dir(part).ok(),
                Err(Problem::Missing) => None,
                // A mark, or anything else that hides what is below.
                _ => {
                    self.ended = true;
                    None
                }
            });
            let xattrs = child.as_ref().and_then(|child| child.xattrs_self().ok()).unwrap_or_default();
            self.ended |= branch.dialect.opacity(&xattrs) == Opacity::Opaque;
            next = match branch.dialect.redirect(&xattrs) {
                Some(to) if to.starts_with(b"/") => Trail::new(to).way,
                Some(to) => join(&next, to),
                None => join(&next, part),
            };
            dir = child;
        }
        self.way = join(&next, name);
        dir
    }
}

fn split(way: &[u8]) -> (&[u8], &[u8]) {
    match way.iter().rposition(|&b| b == b'/') {
        Some(cut) => (&way[..cut], &way[cut + 1..]),
        None => (&[], way),
    }
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}
