//! Marks that a copy of a data root has lost: devices 0:0 and `trusted.*` attributes go where somebody copied it as an
//! ordinary user or with plain tar. The deletions of an image's layer stand in its tar-split too, and are taken from there.
//! Those of a container's own layer stand nowhere else.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufReader, Read};

use hostfs::{Dir, FileKind, Problem, Root, Stat};
use model::{Driver, EntryPath, Finding, HostPath, LayerRef, Xattrs};
use tarball::split::{Outline, Reader, gunzip};

use crate::dialect::{Dialect, MARK, OPAQUE, Opacity};
use crate::drivers::{Branch, short};

/// Marks of one layer, by folder.
#[derive(Default, Debug)]
pub struct Lost {
    folders: HashMap<Box<[u8]>, LostHere>,
    opaque: usize,
    removed: usize,
}

/// What is lost in one folder.
#[derive(Default, Debug)]
pub struct LostHere {
    /// Whether it hides what lower layers have.
    pub opaque: bool,
    /// Names that are gone from lower layers.
    pub removed: BTreeSet<Box<[u8]>>,
}

impl Lost {
    /// What is lost in a folder, named from the layer's top; the top is empty.
    pub fn folder(&self, path: &[u8]) -> Option<&LostHere> {
        self.folders.get(path)
    }

    fn add(&mut self, folder: &EntryPath, removed: Option<&[u8]>) {
        let here = self.folders.entry(folder.as_bytes().into()).or_default();
        match removed {
            Some(name) => self.removed += usize::from(here.removed.insert(name.into())),
            None => self.opaque += usize::from(!std::mem::replace(&mut here.opaque, true)),
        }
    }
}

/// The marks that the layer's tar-split names and that are not on disk; `None` where all are there, or nothing says which
/// there were. Only overlay's marks can be lost: those of aufs are plain files.
pub(crate) fn of(root: &Root, layer: &LayerRef, branch: &Branch, findings: &mut Vec<Finding>) -> Option<Lost> {
    let split = layer.tar_split.as_ref().filter(|_| layer.driver == Driver::Overlay2)?;
    let mut search = Search { branch, lost: Lost::default(), empty: HashSet::new(), last: None };
    each_name(root, split, |name| search.name(name))?;
    if !search.empty.is_empty() {
        // What the layer also holds as a file is that file, and no device that became one.
        each_name(root, split, |name| {
            search.empty.remove(parsed(name).unwrap_or_default().as_bytes());
        })?;
    }
    let lost = search.finish();
    if lost.folders.is_empty() {
        return None;
    }
    // Where no `trusted.*` shows, the copy may well have it: that is told once, of all layers.
    let count = if root.shows_trusted() { lost.opaque + lost.removed } else { lost.removed };
    if count == 0 {
        return Some(lost);
    }
    let detail = format!(
        "{count} marks of names that it removes are not on disk, as when a root is copied without devices and trusted.* attributes; \
         they are taken from its tar-split"
    );
    findings.push(Finding::new("marks-lost", detail).about(format!("layer {}", short(&layer.id))).at(split.clone()));
    Some(lost)
}

/// Bytes of a tar-split, unpacked, that are searched: half a million files.
const LONGEST: u64 = 512 << 20;

/// All names of a tar-split. A damaged one is told by whoever needs the layer's tar; here it may still say something.
fn each_name(root: &Root, split: &HostPath, mut take: impl FnMut(&[u8])) -> Option<()> {
    let file = root.open_file(split).ok()?;
    let mut reader = Reader::new(gunzip(BufReader::with_capacity(64 << 10, file)).take(LONGEST));
    while let Ok(Some(outline)) = reader.next_outline() {
        if let Outline::File { name, .. } = outline {
            take(&name);
        }
    }
    Some(())
}

fn parsed(name: &[u8]) -> Option<EntryPath> {
    EntryPath::parse(&name[name.iter().take_while(|&&b| b == b'/').count()..]).ok()
}

/// Says of a stack what cannot be known: the deletions of its top layer, where a copy lost those of others, or where the
/// reader is not shown the attributes that would say.
pub(crate) fn doubts(root: &Root, branches: &[Branch], findings: &mut Vec<Finding>) {
    let Some((top, below)) = branches.split_first().filter(|(_, below)| !below.is_empty()) else { return };
    let shows_trusted = root.shows_trusted();
    let lost = |branch: &Branch| branch.lost.as_ref().is_some_and(|lost| shows_trusted || lost.removed > 0);
    if !lost(top) && below.iter().any(lost) {
        let detail = "the copy of the root lost marks of other layers; what this layer deleted may show again";
        findings.push(Finding::new("marks-doubtful", detail).at(top.path.clone()));
    }
    let needs_trusted = branches.iter().any(|branch| branch.dialect == Dialect::Overlay { user: false });
    if needs_trusted && !shows_trusted {
        let detail = "trusted.* attributes are shown to root only: a folder that was emptied or renamed may show what lower layers \
                      have; read as root, or a tar made with --xattrs-include='*'";
        findings.push(Finding::new("marks-doubtful", detail).at(top.path.clone()));
    }
}

struct Search<'a> {
    branch: &'a Branch,
    lost: Lost,
    /// Removed names in whose place an empty file lies, as some programs copy a device.
    empty: HashSet<Box<[u8]>>,
    /// The folder that was asked last.
    last: Option<(EntryPath, Option<Dir>)>,
}

impl Search<'_> {
    fn name(&mut self, name: &[u8]) {
        let start = name.iter().rposition(|&b| b == b'/').map_or(0, |cut| cut + 1);
        if !name[start..].starts_with(MARK) {
            return;
        }
        let Some(path) = parsed(name) else { return };
        let (folder, dialect) = (path.parent().unwrap_or_default(), self.branch.dialect);
        let Some(dir) = self.open(&folder) else { return };
        if path.name() == OPAQUE {
            if dir.xattrs_self().is_ok_and(|xattrs| !is_opaque(dialect, dir, &xattrs)) {
                self.lost.add(&folder, None);
            }
        } else if let Some(gone) = path.name().strip_prefix(MARK).filter(|gone| is_removed(gone)) {
            match dir.stat(gone) {
                Err(Problem::Missing) if !has_mark(dir, gone) => self.lost.add(&folder, Some(gone)),
                Ok(stat) if is_empty_file(&stat) && !is_marked(dialect, dir, gone) => {
                    self.empty.insert(folder.join(gone).as_bytes().into());
                }
                _ => {}
            }
        }
    }

    fn finish(mut self) -> Lost {
        for path in self.empty.iter().filter_map(|path| EntryPath::parse(path).ok()) {
            self.lost.add(&path.parent().unwrap_or_default(), Some(path.name()));
        }
        self.lost
    }

    /// The folder on disk; `None` where there is none any more.
    fn open(&mut self, folder: &EntryPath) -> Option<&Dir> {
        if self.last.as_ref().is_none_or(|(last, _)| last != folder) {
            let mut dir = self.branch.dir.open_dir(b".").ok();
            for part in folder.components() {
                dir = dir.and_then(|dir| dir.open_dir(part).ok());
            }
            self.last = Some((folder.clone(), dir));
        }
        self.last.as_ref()?.1.as_ref()
    }
}

/// Whether a mark can mean that name: `.wh..wh.plnk` and the like are aufs' own.
fn is_removed(gone: &[u8]) -> bool {
    !gone.is_empty() && !gone.starts_with(MARK)
}

fn is_empty_file(stat: &Stat) -> bool {
    stat.kind == FileKind::File && stat.size == 0
}

fn is_opaque(dialect: Dialect, dir: &Dir, xattrs: &Xattrs) -> bool {
    dialect.opacity(xattrs) == Opacity::Opaque || (dialect.is_opaque_name(OPAQUE) && dir.stat(OPAQUE).is_ok())
}

fn is_marked(dialect: Dialect, dir: &Dir, gone: &[u8]) -> bool {
    dir.xattrs(gone).is_ok_and(|xattrs| dialect.is_mark(&xattrs))
}

/// fuse-overlayfs marks by name where it cannot make devices.
fn has_mark(dir: &Dir, gone: &[u8]) -> bool {
    dir.stat(&[MARK, gone].concat()).is_ok()
}
