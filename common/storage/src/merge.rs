//! The merged filesystem of a stack of layers, as a source of entries.

use std::collections::HashMap;

use hostfs::{File, FileKind, Root, Stat};
use model::{Content, Entry, EntryPath, Finding, HostPath, IdMap, Kind, Rootfs, Source, StreamError, Xattrs};

use crate::content::FileContent;
use crate::dialect::Dialect;
use crate::drivers::{self, Branch};
use crate::error::StorageError;
use crate::owners;
use crate::walk::{Node, Walk, What};

/// Opens the merged filesystem of a container or image. Layers that are missing below the top are findings.
pub fn open(root: &Root, rootfs: &Rootfs) -> Result<Merged, StorageError> {
    let (branches, findings) = drivers::stack(root, rootfs)?;
    Ok(Merged::new(Walk::merged(branches), rootfs, findings))
}

/// Opens one name of that filesystem with all below it: its entries come under their full paths, the name itself first. `None`
/// where there is no such name. No link on the way is followed, and only the folders on the way are read.
pub fn open_at(root: &Root, rootfs: &Rootfs, path: &EntryPath) -> Result<Option<Merged>, StorageError> {
    Ok(open(root, rootfs)?.at(path))
}

/// Opens a folder that is no layer, such as a volume's or a whole data root: every name as it lies, owners as on disk.
pub fn open_plain(root: &Root, folder: &HostPath) -> Result<Merged, hostfs::ReadError> {
    let branch = Branch { path: folder.clone(), dialect: Dialect::Plain, dir: root.open_dir(folder)?, lost: None };
    let walk = Walk::merged(vec![branch]);
    let names = Reader { ids: IdMap::default(), rootless: false, links: Some(Links::default()) };
    Ok(Merged { names, ..Merged::bare(walk, Vec::new()) })
}

/// Opens one name of such a folder. As [`open_at`].
pub fn open_folder(root: &Root, folder: &HostPath, path: &EntryPath) -> Result<Option<Merged>, hostfs::ReadError> {
    Ok(open_plain(root, folder)?.at(path))
}

/// A merged filesystem: the entries that the engine's own mount would show, owners as they are inside.
pub struct Merged {
    walk: Walk,
    names: Reader,
    /// How many folders lie above the part that is asked for.
    floor: usize,
    /// The first name of that part.
    first: Option<Node>,
    started: bool,
    file: Option<OpenFile>,
    keeps_evidence: bool,
    last: Option<(Stat, HostPath)>,
    findings: Vec<Finding>,
}

/// A regular file, or why it cannot be read: asked only where its content is.
pub(crate) type Opened = Result<File, hostfs::Problem>;

/// The regular file that came last, until its content is asked for.
struct OpenFile {
    opened: Opened,
    size: u64,
    node: Node,
}

impl Merged {
    fn new(walk: Walk, rootfs: &Rootfs, findings: Vec<Finding>) -> Merged {
        Merged { names: Reader::new(rootfs), ..Merged::bare(walk, findings) }
    }

    fn bare(walk: Walk, findings: Vec<Finding>) -> Merged {
        let names = Reader { ids: IdMap::default(), rootless: false, links: None };
        Merged {
            walk,
            names,
            floor: 0,
            first: None,
            started: false,
            file: None,
            keeps_evidence: false,
            last: None,
            findings,
        }
    }

    /// The part of the tree from one name on.
    fn at(mut self, path: &EntryPath) -> Option<Merged> {
        if path.is_root() {
            return Some(self);
        }
        self.started = true;
        self.walk.enter_top()?;
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            let node = loop {
                let node = self.walk.take()?;
                if *node.name == *component {
                    break node;
                }
            };
            let What::Shown(stat) = node.what else { return None };
            if components.peek().is_none() {
                self.floor = self.walk.depth();
                self.first = Some(node);
            } else if stat.kind != FileKind::Directory {
                return None;
            } else {
                self.walk.enter(&node)?;
            }
        }
        Some(self)
    }

    /// Gives every name of a file as a file of its own from now on, for forms that say each name's content.
    pub fn without_hard_links(mut self) -> Merged {
        self.names.links = None;
        self
    }

    /// Keeps for each entry what [`Merged::evidence`] says.
    pub fn with_evidence(mut self) -> Merged {
        self.keeps_evidence = true;
        self
    }

    /// Attributes on disk of the entry that came last, and where it lies in the evidence.
    pub fn evidence(&self) -> Option<(Stat, HostPath)> {
        self.last.clone()
    }

    fn top(&mut self) -> Result<Option<Entry>, StreamError> {
        let top = self.walk.enter_top().ok_or("cannot read the top folder of the tree")?;
        let Branch { path, dialect, .. } = &self.walk.branches()[0];
        self.last = Some((top.stat, path.clone()));
        let meta = owners::metadata(&top.stat, dialect.outward(top.xattrs), &self.names.ids);
        Ok(Some(Entry { path: EntryPath::root(), kind: Kind::Directory, meta }))
    }
}

impl Source for Merged {
    fn next_entry(&mut self) -> Result<Option<Entry>, StreamError> {
        self.file = None;
        if !self.started {
            self.started = true;
            return self.top();
        }
        while self.walk.depth() > self.floor || self.first.is_some() {
            let Some(node) = self.first.take().or_else(|| self.walk.take()) else {
                self.walk.leave();
                continue;
            };
            if self.keeps_evidence
                && let What::Shown(stat) = node.what
            {
                self.last = Some((stat, self.walk.place(&node)));
            }
            if let Some((entry, opened)) = self.names.entry(&mut self.walk, &node) {
                if let (Some(opened), &Kind::File { size }) = (opened, &entry.kind) {
                    self.file = Some(OpenFile { opened, size, node });
                }
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn content(&mut self) -> Result<Box<dyn Content + '_>, StreamError> {
        let OpenFile { opened, size, node } = self.file.as_ref().ok_or("the entry has no content")?;
        let walk = &self.walk;
        let place = || walk.place(node);
        let file = opened.as_ref().map_err(|problem| format!("cannot read '{}': {problem}", place()))?;
        Ok(Box::new(FileContent::new(file, *size, place, &mut self.findings)?))
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.findings);
        findings.append(&mut self.walk.take_findings());
        findings
    }
}

/// Turns visible names into entries; directories are entered.
pub(crate) struct Reader {
    ids: IdMap,
    rootless: bool,
    /// `None` where names of one file are told apart.
    links: Option<Links>,
}

impl Reader {
    pub(crate) fn new(rootfs: &Rootfs) -> Reader {
        Reader { ids: rootfs.ids.clone(), rootless: rootfs.user_xattrs, links: Some(Links::default()) }
    }

    pub(crate) fn ids(&self) -> &IdMap {
        &self.ids
    }

    /// The entry of a name, and the file behind it where it has content; a directory is entered. `None` where it cannot
    /// be read, which is a finding.
    pub(crate) fn entry(&mut self, walk: &mut Walk, node: &Node) -> Option<(Entry, Option<Opened>)> {
        let What::Shown(stat) = node.what else { return None };
        let path = path_of(walk.path(), &node.name);
        let dialect = walk.branches()[node.branch].dialect;
        let mut file = None;
        let (kind, xattrs) = match stat.kind {
            FileKind::Directory => {
                (Kind::Directory, walk.enter(node).map(|entered| entered.xattrs).unwrap_or_default())
            }
            FileKind::File if stat.size > 0 => {
                let (opened, xattrs) = open_file(walk, node);
                file = Some(opened);
                (Kind::File { size: stat.size }, xattrs)
            }
            FileKind::Symlink => match walk.read_link(node) {
                Ok(target) => (Kind::Symlink { target: target.into() }, read_xattrs(walk, node)),
                Err(problem) => {
                    let place = walk.place(node);
                    walk.find("unreadable", place, format!("{problem}; it is left out"));
                    return None;
                }
            },
            other => (plain_kind(other), read_xattrs(walk, node)),
        };
        let mut entry = Entry { path, kind, meta: owners::metadata(&stat, dialect.outward(xattrs), &self.ids) };
        if self.rootless {
            restore(&mut entry);
        }
        if let Some(target) = self.links.as_mut().and_then(|links| links.earlier(node.branch, &stat, &entry.path)) {
            entry.kind = Kind::HardLink { target };
            file = None;
        }
        Some((entry, file))
    }
}

pub(crate) fn path_of(folder: &[u8], name: &[u8]) -> EntryPath {
    if name.is_empty() {
        return EntryPath::parse(folder).expect("names of folders are components without zero bytes");
    }
    EntryPath::in_folder(folder, name)
}

fn open_file(walk: &mut Walk, node: &Node) -> (Opened, Xattrs) {
    let dialect = walk.branches()[node.branch].dialect;
    match walk.open_file(node) {
        Ok(file) => match file.xattrs() {
            Ok(xattrs) if dialect.is_metacopy(&xattrs) => {
                let redirect = dialect.redirect(&xattrs).map(<[u8]>::to_vec);
                (walk.open_content(node, redirect.as_deref()), xattrs)
            }
            Ok(xattrs) => (Ok(file), xattrs),
            Err(problem) => {
                let place = walk.place(node);
                walk.find("attributes-lost", place, format!("cannot read its extended attributes: {problem}"));
                (Ok(file), Xattrs::new())
            }
        },
        Err(problem) => (Err(problem), read_xattrs(walk, node)),
    }
}

fn read_xattrs(walk: &mut Walk, node: &Node) -> Xattrs {
    walk.xattrs(node).unwrap_or_else(|problem| {
        let place = walk.place(node);
        walk.find("attributes-lost", place, format!("cannot read its extended attributes: {problem}"));
        Xattrs::new()
    })
}

fn plain_kind(kind: FileKind) -> Kind {
    match kind {
        FileKind::BlockDevice(major, minor) => Kind::BlockDevice { major, minor },
        FileKind::CharDevice(major, minor) => Kind::CharDevice { major, minor },
        FileKind::Directory => Kind::Directory,
        FileKind::Fifo => Kind::Fifo,
        FileKind::File => Kind::File { size: 0 },
        FileKind::Socket => Kind::Socket,
        FileKind::Symlink => Kind::Symlink { target: Box::default() },
    }
}

/// Where a store may not change owners, the true ones stand in an attribute: `uid:gid:mode[:type]`, the mode in octal
/// (containers/storage v1.43 pkg/idtools/idtools.go, ContainersOverrideXattr).
fn restore(entry: &mut Entry) {
    let Some(text) = entry.meta.xattrs.remove(b"user.containers.override_stat".as_slice()) else { return };
    let text = String::from_utf8_lossy(&text);
    let mut parts = text.split(':');
    if let (Some(Ok(uid)), Some(Ok(gid)), Some(Ok(mode))) = (
        parts.next().map(str::parse),
        parts.next().map(str::parse),
        parts.next().map(|mode| u32::from_str_radix(mode, 8)),
    ) {
        (entry.meta.uid, entry.meta.gid, entry.meta.mode) = (uid, gid, mode & 0o7777);
    }
    let numbers =
        |text: &str| text.split_once('-').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match parts.next() {
        Some("pipe") => entry.kind = Kind::Fifo,
        Some("socket") => entry.kind = Kind::Socket,
        Some(device) => {
            if let Some((major, minor)) = device.strip_prefix("char-").and_then(numbers) {
                entry.kind = Kind::CharDevice { major, minor };
            } else if let Some((major, minor)) = device.strip_prefix("block-").and_then(numbers) {
                entry.kind = Kind::BlockDevice { major, minor };
            }
        }
        None => {}
    }
}

/// First names of files that have several, until all were seen.
#[derive(Default)]
pub(crate) struct Links {
    first: HashMap<(usize, u64, u64), (EntryPath, u64)>,
}

impl Links {
    /// The name under which a file came earlier in the same layer. A name that another layer shows is another file.
    pub(crate) fn earlier(&mut self, branch: usize, stat: &Stat, path: &EntryPath) -> Option<EntryPath> {
        if stat.links < 2 || stat.kind == FileKind::Directory {
            return None;
        }
        let key = (branch, stat.inode.0, stat.inode.1);
        let Some((first, left)) = self.first.get_mut(&key) else {
            self.first.insert(key, (path.clone(), stat.links - 1));
            return None;
        };
        *left -= 1;
        if *left == 0 { self.first.remove(&key).map(|(first, _)| first) } else { Some(first.clone()) }
    }
}
