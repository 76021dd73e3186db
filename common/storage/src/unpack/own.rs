//! Which names of a whole tree came with this layer: with vfs the tree below lies in the same folder.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use model::EntryPath;

/// Names as hashes, 16 bytes each. Two that fall together only make the tar-split a little longer.
#[derive(Default)]
pub(super) struct Own {
    names: HashSet<u64>,
    /// Those of them that are symbolic links: nothing is put behind one.
    links: HashSet<u64>,
    hasher: RandomState,
}

impl Own {
    /// Notes a name and the folders above it; gives whether it was there before.
    pub(super) fn claim(&mut self, path: &EntryPath) -> bool {
        let was_own = !self.names.insert(self.hasher.hash_one(path.as_bytes()));
        let mut above = path.parent();
        while let Some(folder) = above.filter(|folder| !folder.is_root()) {
            if !self.names.insert(self.hasher.hash_one(folder.as_bytes())) {
                break;
            }
            above = folder.parent();
        }
        was_own
    }

    /// Whether the name came with this layer.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.names.contains(&self.hasher.hash_one(path))
    }

    /// Notes that the name is a symbolic link of this layer.
    pub(super) fn claim_link(&mut self, path: &EntryPath) {
        self.links.insert(self.hasher.hash_one(path.as_bytes()));
    }

    /// Whether the name is a symbolic link that came with this layer.
    pub(super) fn is_link(&self, path: &[u8]) -> bool {
        self.links.contains(&self.hasher.hash_one(path))
    }
}
