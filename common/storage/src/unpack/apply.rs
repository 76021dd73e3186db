//! What each member becomes in the folder, and in the tar-split.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use model::path::shown;
use model::{EntryPath, Metadata, StreamError};
use rustix::fs::{self, AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;
use tarball::compress::{Compression, Finish, encoder};
use tarball::crc::Crc64;
use tarball::split;
use tarball::{Header, Kind, Scanner, Step};

use super::aside::Aside;
use super::error::{Doing, Trouble, UnpackError};
use super::remove::{remove_tree, size_of};
use super::ring::Blocks;
use super::tree::Tree;
use super::{LayerForm, Limits, Meaning, Options, Place, Progress, Unpacked, WATCH_EVERY};

mod content;
mod links;
mod marks;

/// What overlay2's own attributes begin with, for the machine's root; for others see [`Tree::marks`].
const TRUSTED: &[u8] = b"trusted.overlay.";
const WHITEOUT: &[u8] = b".wh.";
const WHITEOUT_META: &[u8] = b".wh..wh.";
const WHITEOUT_OPAQUE: &[u8] = b".wh..wh..opq";
const WHITEOUT_LINKS: &[u8] = b".wh..wh.plnk";

/// The watch of a caller.
pub(super) type Watch<'w> = &'w mut dyn FnMut(Progress) -> Result<(), StreamError>;

pub(super) struct Unpacker<'w> {
    scanner: Scanner<Blocks>,
    tree: Tree,
    split: split::Writer<Box<dyn Finish>>,
    split_file: File,
    form: LayerForm,
    meaning: Meaning,
    allow_truncated: bool,
    split_level: u32,
    limits: Limits,
    watch: Watch<'w>,
    watched: u64,
    crc: Crc64,
    aside: Aside,
    deferred: Vec<(Box<[u8]>, EntryPath, EntryPath)>,
    size: u64,
    must_count: bool,
    entries: u64,
    embedded: u64,
    truncated: Option<String>,
}

/// What a name in a layer stands for.
enum Word {
    /// Itself.
    Name(EntryPath),
    /// Gone below.
    Gone(EntryPath),
    /// All of the folder is gone below.
    Opaque(EntryPath),
    /// aufs's store of files with several names: there for its links.
    Links(Vec<u8>),
    /// aufs's own books.
    Nothing,
}

/// How content goes on disk and into the tar-split.
#[derive(Clone, Copy, PartialEq)]
enum Record {
    /// By name: the file gives it back.
    Name,
    /// As bytes.
    Bytes,
}

impl<'w> Unpacker<'w> {
    pub(super) fn new(
        blocks: Blocks,
        place: Place,
        options: &Options,
        watch: Watch<'w>,
    ) -> Result<Unpacker<'w>, UnpackError> {
        let split_file = place.split.try_clone().map_err(UnpackError::Split)?;
        let gzip =
            encoder(Compression::Gzip, Some(options.split_level), Box::new(place.split)).map_err(UnpackError::Split)?;
        let is_vfs = options.form == LayerForm::Vfs;
        Ok(Unpacker {
            scanner: Scanner::new(blocks),
            tree: Tree::open(place.files, is_vfs, options.owner).map_err(|trouble| trouble.at(b"."))?,
            split: split::Writer::new(gzip),
            split_file,
            form: options.form,
            meaning: options.meaning,
            allow_truncated: options.allow_truncated,
            split_level: options.split_level,
            limits: options.limits.clone(),
            watch,
            watched: 0,
            crc: Crc64::default(),
            aside: Aside::default(),
            deferred: Vec::new(),
            size: 0,
            must_count: false,
            entries: 0,
            embedded: 0,
            truncated: None,
        })
    }

    /// Everything but the digest.
    pub(super) fn run(mut self) -> Result<Unpacked, UnpackError> {
        while self.truncated.is_none() {
            let step = match self.scanner.step() {
                Ok(Some(step)) => step,
                Ok(None) => break,
                Err(error) if self.may_stop(&error) => {
                    self.truncated = Some(error.to_string());
                    self.framing()?;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            self.framing()?;
            match step {
                Step::Member(header) => self.member(&header).map_err(|trouble| trouble.at(short(&header.path)))?,
                Step::Trailing if self.scanner.offset() > self.limits.trailing => self.check_trailing()?,
                Step::Trailing | Step::End => {}
            }
            self.tick()?;
        }
        self.finish()
    }

    fn may_stop(&self, error: &tarball::TarError) -> bool {
        self.allow_truncated && error.is_truncated() && self.scanner.offset() > 0
    }

    fn check_trailing(&mut self) -> Result<(), UnpackError> {
        self.limits.trailing -= (self.scanner.raw().len() as u64).min(self.limits.trailing);
        if self.limits.trailing == 0 {
            let why = "more follows the end of the archive than is taken".to_string();
            return Err(UnpackError::Refused { entry: self.scanner.place().last.clone(), why });
        }
        Ok(())
    }

    /// What stands between contents goes into the tar-split as it lies.
    fn framing(&mut self) -> Result<(), UnpackError> {
        self.split.segment(self.scanner.raw()).map_err(UnpackError::Split)
    }

    fn tick(&mut self) -> Result<(), UnpackError> {
        if self.scanner.offset() - self.watched >= WATCH_EVERY {
            self.watched = self.scanner.offset();
            (self.watch)(Progress { read: self.watched, entries: self.entries }).map_err(UnpackError::Stopped)?;
        }
        Ok(())
    }

    fn member(&mut self, header: &Header) -> Result<(), Trouble> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Trouble::Refused(format!("the archive has more than {} entries", self.limits.entries)));
        }
        if let Kind::Unknown(flag) = header.kind {
            return Err(Trouble::Refused(format!("its type '{}' is not known", shown(&[flag]))));
        }
        if header.kind == Kind::Label {
            return self.embed();
        }
        let path = self.checked(&header.path)?;
        self.size += if self.form == LayerForm::Vfs { header.size } else { 0 };
        match self.word(path)? {
            Word::Name(path) => self.put(&path, header, true),
            Word::Gone(path) => self.put_gone(&path, header),
            Word::Opaque(path) => self.put_opaque(&path, header),
            Word::Links(name) => self.put_hidden(&name, header),
            Word::Nothing => self.embed(),
        }
    }

    fn checked(&self, raw: &[u8]) -> Result<EntryPath, Trouble> {
        if raw.len() > self.limits.path {
            return Err(Trouble::Refused(format!("its path is longer than {} bytes", self.limits.path)));
        }
        let path = EntryPath::parse(raw).map_err(|error| Trouble::Refused(error.to_string()))?;
        if path.components().count() > self.limits.depth {
            return Err(Trouble::Refused(format!("its path has more than {} components", self.limits.depth)));
        }
        Ok(path)
    }

    fn word(&self, path: EntryPath) -> Result<Word, Trouble> {
        let name = path.name();
        let first = path.components().next().unwrap_or(b"");
        if self.meaning == Meaning::Rootfs || !first.starts_with(WHITEOUT_META) && !name.starts_with(WHITEOUT) {
            return Ok(Word::Name(path));
        }
        let parent = path.parent().unwrap_or_default();
        if name == WHITEOUT_OPAQUE {
            return Ok(Word::Opaque(parent));
        }
        if first.starts_with(WHITEOUT_META) {
            let is_link = first == WHITEOUT_LINKS && path.components().count() == 2;
            return Ok(if is_link { Word::Links(name.to_vec()) } else { Word::Nothing });
        }
        match &name[WHITEOUT.len()..] {
            // It deletes nothing; docker itself leaves such a file as one.
            b"" => Ok(Word::Name(path)),
            b"." | b".." => Err(Trouble::Refused("it would delete the folder that it is in".to_string())),
            gone => Ok(Word::Gone(parent.join(gone))),
        }
    }

    fn put(&mut self, path: &EntryPath, header: &Header, is_named: bool) -> Result<(), Trouble> {
        self.check_marks(header)?;
        for lost in &header.lost {
            self.tree.lost.add(path, lost.clone());
        }
        if path.is_root() {
            return self.put_top(header);
        }
        let was_own = self.claim(path);
        let meta = self.attributes(path, &header.meta);
        let is_new = is_named && !self.aside.covers(path);
        match &header.kind {
            Kind::File => return self.put_file(path, header, &meta, is_new, was_own),
            Kind::Directory => {
                self.put_dir(path, &meta, was_own).and_then(|fresh| self.named(header, is_new && fresh))?
            }
            Kind::HardLink(target) => self.put_link(path, header, target, is_new, was_own)?,
            Kind::Symlink(target) => {
                let target = target.clone();
                let fresh = self
                    .make(path, |folder, name| fs::symlinkat(&target[..], folder, name), "make the link", was_own)?
                    .1;
                if let Some(own) = &mut self.tree.own {
                    own.claim_link(path);
                }
                self.dress(path, &meta, false)?;
                self.size += if self.form == LayerForm::Overlay2 { target.len() as u64 } else { 0 };
                self.named(header, is_new && fresh)?;
            }
            &Kind::CharDevice(major, minor) => {
                self.put_node(path, FileType::CharacterDevice, (major, minor), &meta, was_own)?
            }
            &Kind::BlockDevice(major, minor) => {
                self.put_node(path, FileType::BlockDevice, (major, minor), &meta, was_own)?
            }
            Kind::Fifo => self.put_node(path, FileType::Fifo, (0, 0), &meta, was_own)?,
            Kind::Label | Kind::Unknown(_) => {}
        }
        self.embed()
    }

    /// The attributes to set. A layer cannot set overlay2's own marks by xattr: they could lead its mount anywhere.
    fn attributes(&mut self, path: &EntryPath, meta: &Metadata) -> Metadata {
        let mut meta = meta.clone();
        if self.form == LayerForm::Overlay2 {
            let marks: Vec<Box<[u8]>> = meta.xattrs.keys().filter(|name| self.is_mark(name)).cloned().collect();
            for mark in marks {
                meta.xattrs.remove(&mark);
                self.tree.lost.add(path, format!("xattr '{}' is overlay2's own mark and was not set", shown(&mark)));
            }
        }
        meta
    }

    /// The tree's own top: its attributes go to the folder.
    fn put_top(&mut self, header: &Header) -> Result<(), Trouble> {
        if header.kind != Kind::Directory {
            return Err(Trouble::Refused("the tree's own top is no folder".to_string()));
        }
        let meta = self.attributes(&EntryPath::root(), &header.meta);
        self.tree.leave()?;
        self.dress_dir(&EntryPath::root(), &meta)?;
        self.named(header, !self.aside.covers(&EntryPath::root()))?;
        self.embed()
    }

    fn dress_dir(&mut self, path: &EntryPath, meta: &Metadata) -> Result<(), Trouble> {
        let fd = self.tree.here().try_clone_to_owned().map_err(|error| Trouble::System("open", error))?;
        self.tree.dress_fd(path, fd.as_fd(), meta, None)?;
        self.tree.refresh_here()
    }

    /// Gives whether the name is new in this layer.
    fn put_dir(&mut self, path: &EntryPath, meta: &Metadata, was_own: bool) -> Result<bool, Trouble> {
        let name = self.tree.enter_parent(path)?;
        let (is_new, was_gone) = match self.tree.stat(name)? {
            // GAP: with vfs, xattrs of the directory below that this one has not stay.
            Some(stat) if is_dir(&stat) => (!was_own && self.tree.own.is_some(), false),
            Some(stat) => {
                let is_new = self.displace(path, name, &stat, was_own)?;
                self.make_dir(name)?;
                (is_new, self.is_whiteout(&stat))
            }
            None => {
                self.make_dir(name)?;
                (true, false)
            }
        };
        self.tree.enter_dir(path, false)?;
        if was_gone {
            self.mark_opaque()?;
        }
        self.dress_dir(path, meta)?;
        Ok(is_new)
    }

    fn make_dir(&mut self, name: &[u8]) -> Result<(), Trouble> {
        fs::mkdirat(self.tree.here(), name, Mode::RWXU).doing("make the folder")?;
        self.tree.touch();
        Ok(())
    }

    /// Makes something that must not be there, and replaces what is. Gives also whether the name is new in this layer.
    fn make<T>(
        &mut self,
        path: &EntryPath,
        make: impl Fn(BorrowedFd, &[u8]) -> rustix::io::Result<T>,
        doing: &'static str,
        was_own: bool,
    ) -> Result<(T, bool), Trouble> {
        let name = self.tree.enter_parent(path)?;
        let made = match make(self.tree.here(), name) {
            Err(Errno::EXIST) => {
                let stat = self.tree.stat(name)?;
                let is_new = stat.map_or(Ok(true), |stat| self.displace(path, name, &stat, was_own))?;
                (make(self.tree.here(), name).doing(doing)?, is_new)
            }
            made => (made.doing(doing)?, true),
        };
        self.tree.touch();
        Ok(made)
    }

    /// Clears a name of the deepest open folder for another entry. Gives whether that is the first of this layer there.
    fn displace(&mut self, path: &EntryPath, name: &[u8], stat: &Stat, was_own: bool) -> Result<bool, Trouble> {
        self.tree.touch();
        if self.is_whiteout(stat) {
            fs::unlinkat(self.tree.here(), name, AtFlags::empty()).doing("replace")?;
            return Ok(true);
        }
        self.must_count = true;
        let is_of_base = self.tree.own.is_some() && !was_own;
        let has_content =
            is_dir(stat) || stat.st_size > 0 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_of_base && has_content && !self.aside.covers(path) {
            if self.aside.len() >= self.limits.held {
                return Err(Trouble::Refused(format!("more than {} entries replace earlier ones", self.limits.held)));
            }
            self.aside.take(&self.tree, path, name)?;
        } else {
            remove_tree(self.tree.here(), name).doing("replace")?;
        }
        Ok(is_of_base)
    }

    /// With vfs: notes that this layer has the name. Gives whether it had it before.
    fn claim(&mut self, path: &EntryPath) -> bool {
        self.tree.own.as_mut().is_some_and(|own| own.claim(path))
    }

    fn has(&self, path: &EntryPath) -> bool {
        self.tree.own.as_ref().is_none_or(|own| own.has(path.as_bytes()))
    }

    /// Names an entry without content, as dockerd does, so that deletions can be read off the tar-split.
    fn named(&mut self, header: &Header, is_new: bool) -> Result<(), Trouble> {
        if is_new && header.stored == 0 { self.split.file(&header.path, 0, 0).map_err(Trouble::Split) } else { Ok(()) }
    }

    fn dress(&mut self, path: &EntryPath, meta: &Metadata, has_mode: bool) -> Result<(), Trouble> {
        self.tree.dress_name(path, path.name(), meta, has_mode)
    }

    fn put_node(
        &mut self,
        path: &EntryPath,
        kind: FileType,
        (major, minor): (u32, u32),
        meta: &Metadata,
        was_own: bool,
    ) -> Result<(), Trouble> {
        if kind != FileType::Fifo && !self.tree.is_root() {
            return Err(Trouble::Refused("a device can be made by root only".to_string()));
        }
        let device = fs::makedev(major, minor);
        let mode = Mode::from_raw_mode(meta.mode & 0o777);
        if kind != FileType::Fifo && !self.tree.is_first {
            // As docker has it (moby v20.10.24 pkg/archive/archive_unix.go handleTarTypeBlockCharFifo): left out. A layer
            // that comes after may have it gone, which does no harm.
            self.tree.lost.add(path, "a device cannot be made in a user namespace, and was left out");
            return Ok(());
        }
        self.make(path, |folder, name| fs::mknodat(folder, name, kind, mode, device), "make the device", was_own)?;
        self.dress(path, meta, true)
    }

    fn finish(mut self) -> Result<Unpacked, UnpackError> {
        if let (Some(_), true) = (&self.truncated, !self.deferred.is_empty()) {
            for (_, path, aim) in std::mem::take(&mut self.deferred) {
                self.tree.lost.add(&path, format!("its target '{aim}' was cut off"));
            }
        }
        self.link_deferred()?;
        self.split.finish().finish().map_err(UnpackError::Split)?;
        let at_end = |trouble: Trouble| trouble.at(b".");
        self.tree.leave().map_err(at_end)?;
        self.embedded += self.aside.settle(&mut self.tree, &mut self.split_file, self.split_level).map_err(at_end)?;
        if self.form == LayerForm::Overlay2 && self.must_count {
            self.size = size_of(self.tree.top()).doing("count the size of").map_err(at_end)?;
        }
        let lost = self.tree.finish().map_err(at_end)?;
        Ok(Unpacked {
            diff_id: model::Digest([0; 32]),
            read: self.scanner.offset(),
            size: self.size,
            entries: self.entries,
            embedded: self.embedded,
            lost: (lost.told, lost.more),
            truncated: self.truncated,
        })
    }
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// How overlay2 says 'deleted'.
fn is_null_device(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// A name for a message: a hostile one may have a million bytes.
fn short(name: &[u8]) -> &[u8] {
    &name[..name.len().min(300)]
}
