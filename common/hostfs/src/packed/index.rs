//! From an archive to its index. A later member replaces an earlier one of its name, as unpacking would.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use model::{EntryPath, Extent, Finding, HostPath, Metadata, Timestamp};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tarball::compress::{self, Compression};
use tarball::{Header, Kind, Reader};

use super::spool::Spool;
use super::{Node, NodeKind, Packed, Piece, TOP};
use crate::error::Problem;
use crate::stat::FileKind;

/// Names that an archive may hold. Each takes a few hundred bytes of memory; no data root has so many.
const MEMBERS: usize = 4_000_000;

/// Findings that one archive can give; the rest is counted.
const FINDINGS: usize = 100;

pub(super) fn of_file(path: &Path) -> Result<Packed, Problem> {
    let file = open(path)?;
    let stat = crate::os::stat(file.as_fd())?;
    match stat.kind {
        FileKind::File => {}
        // Such as a shell's `<(command)`: whoever names it wants it read to its end.
        FileKind::Fifo => {
            rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
            return of_stream(Box::new(file));
        }
        other => return Err(Problem::NotTar(format!("it is a {}", other.words()))),
    }
    let mut first = [0; compress::MAGIC];
    let count = file.try_clone().and_then(|mut file| file.read(&mut first)).map_err(Problem::Io)?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
    if compress::detect(&first[..count]) != Compression::None {
        return of_stream(Box::new(file));
    }
    let bytes = file.try_clone().map_err(Problem::Io)?;
    Index::default().read(file, None)?.finish(bytes)
}

pub(super) fn of_stream(input: Box<dyn Read + Send>) -> Result<Packed, Problem> {
    let (_, input) = compress::decoder(input).map_err(Problem::Io)?;
    let mut spool = Spool::new().map_err(Problem::Io)?;
    let index = Index::default().read(input, Some(&mut spool))?;
    index.finish(spool.into_file().map_err(Problem::Io)?)
}

/// Opens a file of the evidence: not following it into a device, and without moving its access time where we may.
fn open(path: &Path) -> Result<File, Problem> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = match rustix::fs::open(path, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::open(path, flags, Mode::empty()),
        other => other,
    };
    Ok(fd?.into())
}

struct Index {
    nodes: Vec<Node>,
    findings: Vec<Finding>,
    unsaid: usize,
    /// Hard links whose target had not come yet.
    waiting: Vec<(EntryPath, EntryPath)>,
}

impl Default for Index {
    fn default() -> Index {
        let top = Node { kind: NodeKind::Directory(BTreeMap::new()), meta: implied(), links: 1 };
        Index { nodes: vec![top], findings: Vec::new(), unsaid: 0, waiting: Vec::new() }
    }
}

impl Index {
    /// Takes all members. Without a spool, contents stay where they are in the input.
    fn read(mut self, input: impl Read, mut spool: Option<&mut Spool>) -> Result<Index, Problem> {
        let mut reader = Reader::new(input);
        let mut count = 0;
        loop {
            let header = match reader.next() {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(error) if count == 0 => return Err(Problem::NotTar(error.to_string())),
                // What came before is whole: that much of the evidence is shown.
                Err(error) => {
                    self.note("archive-damaged", &[], format!("{error}; what follows in the archive is not shown"));
                    break;
                }
            };
            count += 1;
            if self.nodes.len() > MEMBERS {
                return Err(Problem::NotTar(format!("it holds more than {MEMBERS} names")));
            }
            let place = match &mut spool {
                None => Ok((reader.scanner().offset(), header.stored)),
                Some(spool) => spool.take(&mut reader.content()),
            };
            match place {
                Ok((at, _)) => self.take(&header, at),
                // The next step tells why, and is the end.
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<tarball::TarError>()) => {}
                Err(error) => return Err(Problem::Io(error)),
            }
        }
        self.link_waiting();
        Ok(self)
    }

    fn finish(mut self, bytes: File) -> Result<Packed, Problem> {
        if self.unsaid > 0 {
            self.findings
                .push(Finding::new("archive-damaged", format!("{} more entries could not be taken", self.unsaid)));
        }
        Ok(Packed { nodes: self.nodes, bytes, findings: self.findings })
    }

    fn note(&mut self, code: &'static str, path: &[u8], detail: String) {
        if self.findings.len() >= FINDINGS {
            self.unsaid += 1;
            return;
        }
        let finding = Finding::new(code, detail);
        self.findings.push(if path.is_empty() { finding } else { finding.at(HostPath::new(path)) });
    }

    fn take(&mut self, header: &Header, at: u64) {
        let start = header.path.iter().position(|&b| b != b'/').unwrap_or(header.path.len());
        let path = match EntryPath::parse(&header.path[start..]) {
            Ok(path) => path,
            Err(error) => return self.note("entry-refused", &header.path, format!("{error}; the entry is left out")),
        };
        let kind = match &header.kind {
            Kind::Label => return,
            Kind::HardLink(target) => return self.hard_link(path, target),
            Kind::File => NodeKind::File { size: header.size, pieces: pieces(header, at) },
            Kind::Directory => NodeKind::Directory(BTreeMap::new()),
            Kind::Symlink(target) => NodeKind::Symlink(target.clone()),
            &Kind::CharDevice(major, minor) => NodeKind::CharDevice(major, minor),
            &Kind::BlockDevice(major, minor) => NodeKind::BlockDevice(major, minor),
            Kind::Fifo => NodeKind::Fifo,
            Kind::Unknown(flag) => {
                return self.note(
                    "entry-refused",
                    &header.path,
                    format!("its type {flag:#04x} is not known; the entry is left out"),
                );
            }
        };
        self.put(&path, kind, header.meta.clone());
    }

    /// Puts something under a name; a directory over a directory keeps what is in it.
    fn put(&mut self, path: &EntryPath, kind: NodeKind, meta: Metadata) {
        if path.is_root() {
            // The tree's own top can be nothing but a directory.
            if matches!(kind, NodeKind::Directory(_)) {
                self.nodes[TOP].meta = meta;
            }
            return;
        }
        let Some(parent) = self.folder_of(path) else { return };
        if let (NodeKind::Directory(_), Some(old)) = (&kind, self.name(parent, path.name()))
            && matches!(self.nodes[old].kind, NodeKind::Directory(_))
        {
            self.nodes[old].meta = meta;
            return;
        }
        self.nodes.push(Node { kind, meta, links: 0 });
        self.set(parent, path.name(), self.nodes.len() - 1);
    }

    fn hard_link(&mut self, path: EntryPath, target: &[u8]) {
        let start = target.iter().position(|&b| b != b'/').unwrap_or(target.len());
        let Ok(target) = EntryPath::parse(&target[start..]) else {
            return self.note(
                "entry-refused",
                path.as_bytes(),
                "its hard link leads out; the entry is left out".into(),
            );
        };
        match self.find(&target) {
            Some(node) if !path.is_root() && !matches!(self.nodes[node].kind, NodeKind::Directory(_)) => {
                if let Some(parent) = self.folder_of(&path) {
                    self.set(parent, path.name(), node);
                }
            }
            _ => self.waiting.push((path, target)),
        }
    }

    fn link_waiting(&mut self) {
        for (path, target) in std::mem::take(&mut self.waiting) {
            let node = self
                .find(&target)
                .filter(|&node| !path.is_root() && !matches!(self.nodes[node].kind, NodeKind::Directory(_)));
            match (node, self.folder_of(&path)) {
                (Some(node), Some(parent)) => self.set(parent, path.name(), node),
                _ => self.note(
                    "entry-refused",
                    path.as_bytes(),
                    format!("its hard link names '{target}', which is not in the archive; the entry is left out"),
                ),
            }
        }
    }

    /// The directory that holds a path; what is missing on the way is made. `None`, with a finding, where something else
    /// stands in the way.
    fn folder_of(&mut self, path: &EntryPath) -> Option<usize> {
        let mut at = TOP;
        let parent = path.parent()?;
        for part in parent.components() {
            at = match self.name(at, part) {
                Some(node) if matches!(self.nodes[node].kind, NodeKind::Directory(_)) => node,
                Some(_) => {
                    self.note(
                        "entry-refused",
                        path.as_bytes(),
                        "its folder is no directory in the archive; the entry is left out".into(),
                    );
                    return None;
                }
                None => {
                    self.nodes.push(Node { kind: NodeKind::Directory(BTreeMap::new()), meta: implied(), links: 0 });
                    let made = self.nodes.len() - 1;
                    self.set(at, part, made);
                    made
                }
            };
        }
        Some(at)
    }

    fn find(&self, path: &EntryPath) -> Option<usize> {
        path.components().try_fold(TOP, |at, part| self.name(at, part))
    }

    fn name(&self, dir: usize, name: &[u8]) -> Option<usize> {
        match &self.nodes[dir].kind {
            NodeKind::Directory(names) => names.get(name).copied(),
            _ => None,
        }
    }

    fn set(&mut self, dir: usize, name: &[u8], node: usize) {
        let NodeKind::Directory(names) = &mut self.nodes[dir].kind else { return };
        let old = names.insert(name.into(), node);
        self.nodes[node].links += 1;
        if let Some(old) = old {
            self.nodes[old].links -= 1;
        }
    }
}

/// Where a member's bytes lie: its data is stored without gaps from `at`.
fn pieces(header: &Header, at: u64) -> Box<[Piece]> {
    let mut at = at;
    let piece = |extent: Extent| {
        let piece = Piece { extent, at };
        at += extent.size;
        piece
    };
    header.extents().into_iter().map(piece).collect()
}

/// The attributes of a directory that the archive implies but does not hold.
fn implied() -> Metadata {
    Metadata { mode: 0o755, mtime: Timestamp::EPOCH, ..Metadata::default() }
}
