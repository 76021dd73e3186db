//! A layer's tar from nothing but its files: what a layer with marks says, or how a full tree differs from the one below.
//!
//! Names are written as docker writes them, without `./`, marks in aufs' form (moby 28, go-archive archive_linux.go
//! ConvertWrite, changes.go ExportChanges); attributes are written whole. Files are written dense: dockerd cannot
//! save a layer again that has PAX sparse files.

use std::io::{Read, Write};

use hostfs::{Root, Stat};
use model::{Entry, EntryPath, Finding, Kind, Metadata, Rootfs, Timestamp};
use tarball::write::{WriteError, Writer};

use super::LayerTarError;
use crate::compare::{Compare, Found, Happened, Rules};
use crate::content::FileContent;
use crate::dialect::{MARK, OPAQUE};
use crate::drivers;
use crate::merge::{Opened, Reader, path_of};
use crate::walk::{Entered, Node, Walk, What};
use crate::{diff, owners};

/// Whether contents are read, or only counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// As they are.
    Real,
    /// As many zeros.
    Zeros,
}

/// Writes the tar of the first layer of `stack`.
pub fn write(
    root: &Root,
    stack: &Rootfs,
    out: &mut dyn Write,
    contents: Contents,
) -> Result<Vec<Finding>, LayerTarError> {
    let layer = &stack.layers[0];
    let (branch, whole) = drivers::branch(root, layer, stack.user_xattrs)?;
    let mut tar = Tar { writer: Writer::new(out), reader: Reader::new(stack), contents, findings: Vec::new() };
    if whole {
        let (below, findings) = diff::below(root, stack)?;
        tar.findings.extend(findings);
        tar.compared(Compare::new(vec![branch], below, Rules::Today))?;
    } else {
        tar.marked(Walk::layer(branch))?;
    }
    let Tar { writer, findings, .. } = tar;
    writer.finish().map_err(write_error)?;
    Ok(findings)
}

struct Tar<'a> {
    writer: Writer<&'a mut dyn Write>,
    reader: Reader,
    contents: Contents,
    findings: Vec<Finding>,
}

impl Tar<'_> {
    /// A full tree against the one below it.
    fn compared(&mut self, mut compare: Compare) -> Result<(), LayerTarError> {
        while let Some(step) = compare.next_step() {
            match step.found {
                None => self.mark(&step.path, None)?,
                // A file in the place of a directory, or the other way round, needs no mark: the name itself is put.
                Some(Found::Directory(entered)) => self.directory(compare.new_tree(), step.path, &entered)?,
                Some(Found::Other(node)) => {
                    debug_assert_ne!(step.happened, Happened::Deleted);
                    self.name(compare.new_tree(), &node)?;
                }
            }
        }
        self.findings.extend(compare.take_findings());
        Ok(())
    }

    /// A layer that says itself what it removes.
    fn marked(&mut self, mut walk: Walk) -> Result<(), LayerTarError> {
        if let Some(top) = walk.enter_top() {
            self.directory(&mut walk, EntryPath::root(), &top)?;
        }
        while walk.depth() > 0 {
            let Some(node) = walk.take() else {
                walk.leave();
                continue;
            };
            match node.what {
                What::Removed(stat) => self.mark(&path_of(walk.path(), &node.name), stat.as_ref())?,
                What::Shown(stat) if stat.kind == hostfs::FileKind::Directory => {
                    let path = path_of(walk.path(), &node.name);
                    if let Some(entered) = walk.enter(&node) {
                        self.directory(&mut walk, path, &entered)?;
                    }
                }
                What::Shown(_) => self.name(&mut walk, &node)?,
            }
        }
        self.findings.extend(walk.take_findings());
        Ok(())
    }

    fn directory(&mut self, walk: &mut Walk, path: EntryPath, entered: &Entered) -> Result<(), LayerTarError> {
        let xattrs = walk.branches()[0].dialect.outward(entered.xattrs.clone());
        let meta = owners::metadata(&entered.stat, xattrs, self.reader.ids());
        if path.name().starts_with(MARK) {
            return self.unsayable(walk, &path);
        }
        let opaque = entered.opaque.then(|| Entry {
            path: path.join(OPAQUE),
            kind: Kind::File { size: 0 },
            meta: Metadata {
                mode: meta.mode & 0o777,
                uid: meta.uid,
                gid: meta.gid,
                mtime: Timestamp::EPOCH,
                ..Metadata::default()
            },
        });
        self.put(&Entry { path, kind: Kind::Directory, meta }, &mut std::io::empty())?;
        opaque.map_or(Ok(()), |mark| self.put(&mark, &mut std::io::empty()))
    }

    fn name(&mut self, walk: &mut Walk, node: &Node) -> Result<(), LayerTarError> {
        if node.name.starts_with(MARK) {
            return self.unsayable(walk, &path_of(walk.path(), &node.name));
        }
        let Some((entry, opened)) = self.reader.entry(walk, node) else { return Ok(()) };
        match (&entry.kind, opened) {
            (Kind::Socket, _) => {
                let detail = "it is a socket, which tar cannot hold; it is left out";
                self.findings.push(Finding::new("socket", detail).at(walk.place(node)));
                Ok(())
            }
            (&Kind::File { size }, Some(opened)) => self.file(walk, node, &entry, size, opened),
            _ => self.put(&entry, &mut std::io::empty()),
        }
    }

    fn file(
        &mut self,
        walk: &Walk,
        node: &Node,
        entry: &Entry,
        size: u64,
        opened: Opened,
    ) -> Result<(), LayerTarError> {
        let place = || walk.place(node);
        let zeros = || std::io::repeat(0).take(size);
        let mut findings = Vec::new();
        let done = match (self.contents, &opened) {
            (Contents::Zeros, _) => self.put(entry, &mut zeros()),
            (Contents::Real, Ok(file)) => match FileContent::dense(file, size, place, &mut findings) {
                Ok(mut content) => self.put(entry, &mut content),
                Err(_) => self.put(entry, &mut zeros()),
            },
            (Contents::Real, Err(problem)) => {
                let lost = format!("{problem}; zeros stand for its content");
                findings.push(Finding::new("content-lost", lost).at(place()));
                self.put(entry, &mut zeros())
            }
        };
        self.findings.extend(findings);
        done
    }

    /// A mark for a name that is gone; its own attributes where the driver keeps a mark with some.
    fn mark(&mut self, path: &EntryPath, stat: Option<&Stat>) -> Result<(), LayerTarError> {
        let folder = path.parent().unwrap_or_default();
        let path = folder.join(&[MARK, path.name()].concat());
        let plain = Metadata { mtime: Timestamp::EPOCH, ..Metadata::default() };
        let meta = stat.map_or(plain, |stat| owners::metadata(stat, Default::default(), self.reader.ids()));
        let meta = Metadata { mode: 0o600, ..meta };
        self.put(&Entry { path, kind: Kind::File { size: 0 }, meta }, &mut std::io::empty())
    }

    /// A layer's tar cannot hold a name that begins like a mark.
    fn unsayable(&mut self, walk: &Walk, path: &EntryPath) -> Result<(), LayerTarError> {
        let detail = format!("'{path}' would be a mark in a layer's tar; it is left out");
        self.findings.push(Finding::new("name-lost", detail).at(walk.branches()[0].path.clone()));
        Ok(())
    }

    fn put(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), LayerTarError> {
        self.writer.put(entry, content).map_err(write_error)
    }
}

fn write_error(error: WriteError) -> LayerTarError {
    match error {
        WriteError::Write(source) => LayerTarError::Write(source),
        other => LayerTarError::Write(std::io::Error::other(other)),
    }
}
