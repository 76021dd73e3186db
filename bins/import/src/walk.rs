//! A directory of this host as a tar: lossless, names in order, while the host goes on.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use hostfs::{Dir, File, FileKind, Problem, Root, Stat};
use model::{Content, Entry, EntryPath, Extent, Finding, HostPath, Kind, Metadata};
use tarball::Writer;

use crate::filter::{Amount, Report, top};
use crate::rules::Rules;

/// Folders inside each other that are walked: each holds a handle.
const MAX_DEPTH: usize = 2000;

/// A walk over a directory.
pub struct Walk {
    root: Root,
    rules: Rules,
    /// The file system to stay on.
    device: Option<u64>,
    report: Arc<Mutex<Report>>,
    findings: Vec<Finding>,
    /// Files with several names, by device and inode, with the first name.
    links: HashMap<(u64, u64), EntryPath>,
    /// Whether contents are wanted.
    reads: bool,
}

/// Why a walk cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The directory itself cannot be read.
    #[error("cannot read the directory '{path}'")]
    Top {
        /// Which.
        path: String,
        /// Why.
        source: Problem,
    },
    /// The tar cannot be passed on.
    #[error(transparent)]
    Write(#[from] tarball::write::WriteError),
    /// Deeper than is walked.
    #[error("'{path}' lies more than {MAX_DEPTH} folders deep")]
    Deep {
        /// Which.
        path: EntryPath,
    },
}

/// One folder on the way down: its names yet to come.
struct Frame {
    dir: Dir,
    path: EntryPath,
    names: std::vec::IntoIter<Box<[u8]>>,
}

impl Walk {
    /// A walk over `root`; with `one_file_system` nothing that is mounted below it.
    pub fn new(root: Root, rules: Rules, one_file_system: bool, report: Arc<Mutex<Report>>) -> Result<Walk, WalkError> {
        let stat = root.stat(&HostPath::default()).map_err(|error| top_error(root.path(), error.problem))?;
        let device = one_file_system.then_some(stat.inode.0);
        Ok(Walk { root, rules, device, report, findings: Vec::new(), links: HashMap::new(), reads: true })
    }

    /// Counts only: no file is read.
    pub fn count(mut self) -> Result<Vec<Finding>, WalkError> {
        self.reads = false;
        self.write(io::sink())
    }

    /// Writes the tar; what could not be read, or changed meanwhile, comes back.
    pub fn write(mut self, out: impl Write) -> Result<Vec<Finding>, WalkError> {
        let mut writer = Writer::new(out);
        let top =
            self.root.open_dir(&HostPath::default()).map_err(|error| top_error(self.root.path(), error.problem))?;
        let stat = top.stat_self().map_err(|problem| top_error(self.root.path(), problem))?;
        let xattrs = top.xattrs_self().unwrap_or_default();
        writer.put(&entry(EntryPath::root(), Kind::Directory, &stat, xattrs), &mut io::empty())?;
        let mut frames = vec![self.frame(top, EntryPath::root())];
        while let Some(frame) = frames.last_mut() {
            let Some(name) = frame.names.next() else {
                frames.pop();
                continue;
            };
            if let Some(below) = self.name(frames.last().expect("it was there"), &name, &mut writer)? {
                if frames.len() == MAX_DEPTH {
                    return Err(WalkError::Deep { path: below.path });
                }
                frames.push(below);
            }
        }
        for path in writer.left_out() {
            self.findings.push(
                Finding::new("socket", "a socket, which tar cannot hold: left out").at(HostPath::new(path.as_bytes())),
            );
        }
        writer.finish()?;
        Ok(self.findings)
    }

    /// Writes one name; a directory is entered.
    fn name(
        &mut self,
        frame: &Frame,
        name: &[u8],
        writer: &mut Writer<impl Write>,
    ) -> Result<Option<Frame>, WalkError> {
        let path = frame.path.join(name);
        let stat = match frame.dir.stat(name) {
            Ok(stat) => stat,
            Err(problem) => return Ok(self.lost(&path, &problem)),
        };
        let is_dir = stat.kind == FileKind::Directory;
        if let Some(by) = self.rules.leave_out(&path, is_dir) {
            self.left_out(frame, name, &path, &stat, by);
            return Ok(None);
        }
        let xattrs = frame.dir.xattrs(name).unwrap_or_default();
        let Some(kind) = self.kind(frame, name, &path, &stat) else { return Ok(None) };
        let entry = entry(path.clone(), kind, &stat, xattrs);
        let bytes = if matches!(entry.kind, Kind::File { .. }) { stat.allocated.min(stat.size) } else { 0 };
        self.report().taken.entry(top(&path)).or_default().add(bytes);
        match entry.kind {
            _ if !self.reads => {}
            Kind::File { size } if size > 0 => self.file(frame, name, entry, writer)?,
            _ => writer.put(&entry, &mut io::empty())?,
        }
        if !is_dir || self.device.is_some_and(|device| device != stat.inode.0) {
            return Ok(None);
        }
        match frame.dir.open_dir(name) {
            Ok(dir) => Ok(Some(self.frame(dir, path))),
            Err(problem) => Ok(self.lost(&path, &problem)),
        }
    }

    /// Counts what is left out, with all that lies below on the same file system: the person is told how much that is.
    fn left_out(&mut self, frame: &Frame, name: &[u8], path: &EntryPath, stat: &Stat, by: String) {
        let mut amount = Amount::default();
        amount.add(if stat.kind == FileKind::File { stat.allocated.min(stat.size) } else { 0 });
        if stat.kind == FileKind::Directory
            && let Ok(dir) = frame.dir.open_dir(name)
        {
            add_below(&dir, stat.inode.0, path.components().count(), &mut amount);
        }
        let mut report = self.report();
        let total = report.left_out.entry(by).or_default();
        *total = Amount { entries: total.entries + amount.entries, bytes: total.bytes + amount.bytes };
    }

    fn kind(&mut self, frame: &Frame, name: &[u8], path: &EntryPath, stat: &Stat) -> Option<Kind> {
        if stat.links > 1 && stat.kind != FileKind::Directory {
            if let Some(first) = self.links.get(&stat.inode) {
                return Some(Kind::HardLink { target: first.clone() });
            }
            self.links.insert(stat.inode, path.clone());
        }
        Some(match stat.kind {
            FileKind::File => Kind::File { size: stat.size },
            FileKind::Directory => Kind::Directory,
            FileKind::Symlink => match frame.dir.read_link(name) {
                Ok(target) => Kind::Symlink { target: target.into() },
                Err(problem) => return self.lost(path, &problem),
            },
            FileKind::CharDevice(major, minor) => Kind::CharDevice { major, minor },
            FileKind::BlockDevice(major, minor) => Kind::BlockDevice { major, minor },
            FileKind::Fifo => Kind::Fifo,
            FileKind::Socket => Kind::Socket,
        })
    }

    fn file(
        &mut self,
        frame: &Frame,
        name: &[u8],
        mut entry: Entry,
        writer: &mut Writer<impl Write>,
    ) -> Result<(), WalkError> {
        let opened = frame.dir.open_file(name).and_then(|file| file.extents().map(|extents| (file, extents)));
        let (file, extents) = match opened {
            Ok(opened) => opened,
            Err(problem) => {
                self.lost::<()>(&entry.path, &problem);
                return Ok(());
            }
        };
        let before = *file.stat();
        entry.kind = Kind::File { size: before.size };
        entry.meta.mtime = before.mtime;
        let mut content = Live { file, extents, next: 0, at: 0, short: None };
        writer.put_content(&entry, &mut content)?;
        if let Some(why) = content.short {
            self.findings.push(
                Finding::new("file-changed", format!("{why}; the rest is zeros"))
                    .at(HostPath::new(entry.path.as_bytes())),
            );
        } else if frame
            .dir
            .stat(name)
            .is_ok_and(|after| after.inode == before.inode && (after.size, after.mtime) != (before.size, before.mtime))
        {
            self.findings.push(
                Finding::new("file-changed", "it changed while it was read").at(HostPath::new(entry.path.as_bytes())),
            );
        }
        Ok(())
    }

    fn frame(&mut self, dir: Dir, path: EntryPath) -> Frame {
        let mut names: Vec<Box<[u8]>> = match dir.entries() {
            Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
            Err(problem) => {
                self.lost::<()>(&path, &problem);
                Vec::new()
            }
        };
        names.sort();
        Frame { dir, path, names: names.into_iter() }
    }

    /// Notes a name that is not in the image.
    fn lost<T>(&mut self, path: &EntryPath, problem: &Problem) -> Option<T> {
        let (code, detail) = match problem {
            Problem::Missing => ("file-vanished", "it vanished while the directory was read".to_string()),
            other => ("unreadable", format!("{other}: left out")),
        };
        self.findings.push(Finding::new(code, detail).at(HostPath::new(path.as_bytes())));
        None
    }

    fn report(&self) -> std::sync::MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what lies in a folder, as far as it is on one file system and not too deep.
fn add_below(dir: &Dir, device: u64, depth: usize, amount: &mut Amount) {
    let names = dir.entries().unwrap_or_default();
    for name in names.iter().map(|entry| &entry.name) {
        let Ok(stat) = dir.stat(name) else { continue };
        amount.add(if stat.kind == FileKind::File { stat.allocated.min(stat.size) } else { 0 });
        if stat.kind == FileKind::Directory
            && stat.inode.0 == device
            && depth < 200
            && let Ok(below) = dir.open_dir(name)
        {
            add_below(&below, device, depth + 1, amount);
        }
    }
}

fn top_error(path: &Path, source: Problem) -> WalkError {
    WalkError::Top { path: model::path::shown(path.as_os_str().as_encoded_bytes()).into_owned(), source }
}

fn entry(path: EntryPath, kind: Kind, stat: &Stat, xattrs: model::Xattrs) -> Entry {
    Entry { path, kind, meta: Metadata { mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: stat.mtime, xattrs } }
}

/// A file that may shrink while it is read: then zeros take the place of what is gone, since its size is said already.
struct Live {
    file: File,
    extents: Vec<Extent>,
    next: usize,
    at: u64,
    short: Option<String>,
}

impl Read for Live {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(extent) = self.extents.get(self.next) else { return Ok(0) };
        let left = extent.size - self.at;
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let offset = extent.offset + self.at;
        let read = match if self.short.is_none() { self.file.read_at(&mut buffer[..wanted], offset) } else { Ok(0) } {
            Ok(0) if wanted > 0 => {
                self.short.get_or_insert_with(|| format!("it ended at byte {offset} while it was read"));
                buffer[..wanted].fill(0);
                wanted
            }
            Ok(read) => read,
            Err(error) => {
                self.short.get_or_insert_with(|| format!("it could not be read from byte {offset} on: {error}"));
                buffer[..wanted].fill(0);
                wanted
            }
        };
        self.at += read as u64;
        if self.at == extent.size {
            (self.next, self.at) = (self.next + 1, 0);
        }
        Ok(read)
    }
}

impl Content for Live {
    fn extents(&self) -> &[Extent] {
        &self.extents
    }
}
