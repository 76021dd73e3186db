//! The layer's files by their names in the archive.

use hostfs::{Dir, File, Problem, Root};
use model::{EntryPath, HostPath, Rootfs};

use super::with_source;
use crate::drivers::{self, Branch};

/// Links on the way to one file at most, as the kernel counts them.
const MOST_LINKS: u32 = 40;

/// Folders on the way to the one used last that stay open, beside that one: a hostile path has thousands.
const KEPT: usize = 32;

/// Gives a layer's files. Links in the way are followed inside of the layer, since an archive may hold `a/x` below a
/// link from `a` to `b`.
pub struct Files {
    /// Where the layer's files are.
    pub top: HostPath,
    dir: Dir,
    /// The folders down to the one that was used last: archives name a folder's files one after the other.
    way: Vec<(Vec<u8>, Option<Dir>)>,
}

impl Files {
    /// The files of the first layer of `stack`.
    pub fn open(root: &Root, stack: &Rootfs) -> Result<Files, String> {
        let (Branch { path, dir, .. }, _) =
            drivers::branch(root, &stack.layers[0], stack.user_xattrs).map_err(|error| with_source(&error))?;
        Ok(Files { top: path, dir, way: Vec::new() })
    }

    /// Opens a file.
    pub fn file(&mut self, name: &[u8]) -> Result<File, Problem> {
        match self.folder_of(name).and_then(|(dir, name)| dir.open_file(&name)) {
            Err(Problem::Symlink | Problem::NotDir) => {
                let (dir, name) = self.follow(name)?;
                dir.open_file(&name)
            }
            other => other,
        }
    }

    /// The size of a file.
    pub fn size(&mut self, name: &[u8]) -> Result<u64, Problem> {
        let stat = match self.folder_of(name).and_then(|(dir, name)| dir.stat(&name)) {
            Err(Problem::Symlink | Problem::NotDir) => self.follow(name).and_then(|(dir, name)| dir.stat(&name)),
            Ok(stat) if stat.kind == hostfs::FileKind::Symlink => {
                self.follow(name).and_then(|(dir, name)| dir.stat(&name))
            }
            other => other,
        }?;
        match stat.kind {
            hostfs::FileKind::File => Ok(stat.size),
            other => Err(Problem::NotFile(other.words())),
        }
    }

    /// The folder of a name and its last component, no link followed.
    fn folder_of(&mut self, name: &[u8]) -> Result<(&Dir, Vec<u8>), Problem> {
        let path = EntryPath::parse(name.strip_prefix(b"/").unwrap_or(name)).map_err(|_| Problem::Missing)?;
        let folder = path.parent().unwrap_or_default();
        let parts: Vec<&[u8]> = folder.components().collect();
        let same = self.way.iter().zip(&parts).take_while(|((has, _), part)| has == *part).count();
        self.way.truncate(same);
        while matches!(self.way.last(), Some((_, None))) {
            self.way.pop();
        }
        for part in &parts[self.way.len()..] {
            let dir = self.last().open_dir(part)?;
            if self.way.len() > KEPT {
                self.way.last_mut().expect("it is not empty").1 = None;
            }
            self.way.push((part.to_vec(), Some(dir)));
        }
        Ok((self.last(), path.name().to_vec()))
    }

    fn last(&self) -> &Dir {
        self.way.last().and_then(|(_, dir)| dir.as_ref()).unwrap_or(&self.dir)
    }

    /// The same, links followed as if the layer's folder were `/`.
    fn follow(&self, name: &[u8]) -> Result<(Dir, Vec<u8>), Problem> {
        let mut left: Vec<Vec<u8>> = parts(name);
        let mut way: Vec<Dir> = vec![self.dir.open_dir(b".")?];
        let mut links = 0;
        while let Some(part) = left.pop() {
            let dir = way.last().ok_or(Problem::Missing)?;
            if part == b".." {
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let stat = dir.stat(&part)?;
            if stat.kind == hostfs::FileKind::Symlink {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Problem::Symlink);
                }
                let target = dir.read_link(&part)?;
                if target.starts_with(b"/") {
                    way.truncate(1);
                }
                left.extend(parts(&target));
            } else if left.is_empty() {
                return Ok((way.pop().ok_or(Problem::Missing)?, part));
            } else {
                way.push(dir.open_dir(&part)?);
            }
        }
        Err(Problem::NotFile("directory"))
    }
}

/// Components, last first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").rev().map(<[u8]>::to_vec).collect()
}
