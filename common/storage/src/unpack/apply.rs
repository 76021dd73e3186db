//! What each member becomes in the folder, and in the tar-split.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use model::path::shown;
use model::{EntryPath, Extent, Metadata, StreamError};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat, XattrFlags};
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

const OPAQUE: &str = "trusted.overlay.opaque";
const OVERLAY: &[u8] = b"trusted.overlay.";
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
            tree: Tree::open(place.files, is_vfs).map_err(|trouble| trouble.at(b"."))?,
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

    /// What the driver would take for a mark of its own cannot be kept as data.
    fn check_marks(&mut self, header: &Header) -> Result<(), Trouble> {
        if self.meaning == Meaning::Layer || self.form != LayerForm::Overlay2 {
            return Ok(());
        }
        if header.kind == Kind::CharDevice(0, 0) {
            return Err(Trouble::Refused(
                "a character device 0:0 means 'deleted' to overlay2, so it cannot be kept".to_string(),
            ));
        }
        match header.meta.xattrs.keys().find(|name| name.starts_with(OVERLAY)) {
            Some(name) => {
                Err(Trouble::Refused(format!("xattr '{}' is overlay2's own mark, so it cannot be kept", shown(name))))
            }
            None => Ok(()),
        }
    }

    /// The attributes to set. A layer cannot set overlay2's own marks by xattr: they could lead its mount anywhere.
    fn attributes(&mut self, path: &EntryPath, meta: &Metadata) -> Metadata {
        let mut meta = meta.clone();
        if self.form == LayerForm::Overlay2 {
            let marks: Vec<Box<[u8]>> = meta.xattrs.keys().filter(|name| name.starts_with(OVERLAY)).cloned().collect();
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

    fn is_whiteout(&self, stat: &Stat) -> bool {
        (self.form, self.meaning) == (LayerForm::Overlay2, Meaning::Layer) && is_null_device(stat)
    }

    /// With vfs: notes that this layer has the name. Gives whether it had it before.
    fn claim(&mut self, path: &EntryPath) -> bool {
        self.tree.own.as_mut().is_some_and(|own| own.claim(path))
    }

    fn has(&self, path: &EntryPath) -> bool {
        self.tree.own.as_ref().is_none_or(|own| own.has(path.as_bytes()))
    }

    fn put_file(
        &mut self,
        path: &EntryPath,
        header: &Header,
        meta: &Metadata,
        is_new: bool,
        was_own: bool,
    ) -> Result<(), Trouble> {
        // Bits beyond the permissions are set after the owner, else they would be lost.
        let mode = meta.mode & 0o777;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (fd, fresh) = self.make(
            path,
            |folder, name| fs::openat(folder, name, flags, Mode::from_raw_mode(mode)),
            "make the file",
            was_own,
        )?;
        let is_whole = header.sparse.as_deref().is_none_or(|map| map == [Extent { offset: 0, size: header.size }]);
        let record = if is_new && fresh && is_whole { Record::Name } else { Record::Bytes };
        let written = self.write_content(&fd, header, record)?;
        if self.form == LayerForm::Overlay2 {
            self.size += if self.truncated.is_some() { written } else { header.size };
        }
        self.tree.dress_fd(path, fd.as_fd(), meta, Some(mode))?;
        match record {
            Record::Name => self
                .split
                .file(&header.path, written, if written > 0 { self.crc.sum() } else { 0 })
                .map_err(Trouble::Split),
            Record::Bytes => Ok(()),
        }
    }

    /// Writes the content where it belongs in the file. Gives its bytes: fewer than stated where the archive was cut.
    fn write_content(&mut self, fd: &OwnedFd, header: &Header, record: Record) -> Result<u64, Trouble> {
        self.crc.reset();
        let mut written = 0;
        for extent in header.extents() {
            let (mut at, end) = (extent.offset, extent.offset + extent.size);
            while at < end && self.truncated.is_none() {
                let count = self.write_some(fd, at, end, record)?;
                at += count;
                written += count;
            }
        }
        if header.sparse.is_some() {
            fs::ftruncate(fd, header.size).doing("set the size of")?;
        }
        Ok(written)
    }

    /// Writes what lies in the buffer, up to `end`.
    fn write_some(&mut self, fd: &OwnedFd, at: u64, end: u64, record: Record) -> Result<u64, Trouble> {
        let bytes = match self.scanner.content() {
            Ok(bytes) => bytes,
            Err(error) if self.allow_truncated && error.is_truncated() => {
                self.truncated = Some(error.to_string());
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        let bytes = &bytes[..usize::try_from(end - at).map_or(bytes.len(), |left| left.min(bytes.len()))];
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::pwrite(fd, rest, at + (bytes.len() - rest.len()) as u64) {
                Err(Errno::INTR) => {}
                count => rest = &rest[count.doing("write")?..],
            }
        }
        match record {
            Record::Name => self.crc.update(bytes),
            Record::Bytes => {
                self.embedded += bytes.len() as u64;
                self.split.segment(bytes).map_err(Trouble::Split)?;
            }
        }
        let count = bytes.len();
        self.scanner.consume(count);
        self.tick_inside()?;
        Ok(count as u64)
    }

    fn tick_inside(&mut self) -> Result<(), Trouble> {
        match self.tick() {
            Err(UnpackError::Stopped(error)) => Err(Trouble::Stopped(error)),
            _ => Ok(()),
        }
    }

    /// Content that has no file goes into the tar-split.
    fn embed(&mut self) -> Result<(), Trouble> {
        loop {
            let bytes = match self.scanner.content() {
                Ok([]) => return Ok(()),
                Ok(bytes) => bytes,
                Err(error) if self.allow_truncated && error.is_truncated() => {
                    self.truncated = Some(error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.split.segment(bytes).map_err(Trouble::Split)?;
            let count = bytes.len();
            self.embedded += count as u64;
            self.scanner.consume(count);
            self.tick_inside()?;
        }
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
        self.make(path, |folder, name| fs::mknodat(folder, name, kind, mode, device), "make the device", was_own)?;
        self.dress(path, meta, true)
    }

    fn put_link(
        &mut self,
        path: &EntryPath,
        header: &Header,
        target: &[u8],
        is_new: bool,
        was_own: bool,
    ) -> Result<(), Trouble> {
        let mut aim = self
            .checked(target)
            .map_err(|_| Trouble::Refused(format!("its target '{}' leads elsewhere", shown(short(target)))))?;
        if let (Meaning::Layer, Ok(Word::Links(name))) = (self.meaning, self.word(aim.clone())) {
            aim = self.aside.hidden(&self.tree, &name)?;
        }
        if let Some(fresh) = self.link(path, &aim, was_own)? {
            return self.named(header, is_new && fresh);
        }
        if self.deferred.len() >= self.limits.held {
            return Err(Trouble::Refused(format!(
                "more than {} hard links come before their target",
                self.limits.held
            )));
        }
        self.deferred.push((header.path.clone(), path.clone(), aim));
        Ok(())
    }

    /// Makes a hard link; gives whether its name is new in this layer, `None` where its target is not there (yet).
    fn link(&mut self, path: &EntryPath, aim: &EntryPath, was_own: bool) -> Result<Option<bool>, Trouble> {
        let Some(old) = self.tree.find_parent(aim)? else { return Ok(None) };
        let Some(stat) = self.tree.stat(old)?.filter(|stat| !self.is_whiteout(stat)) else { return Ok(None) };
        if is_dir(&stat) {
            return Err(Trouble::Refused(format!("its target '{aim}' is a folder")));
        }
        let folder = self.tree.here().try_clone_to_owned().map_err(|error| Trouble::System("open", error))?;
        let name = self.tree.enter_parent(path)?;
        if self.tree.stat(name)?.is_some_and(|here| (here.st_dev, here.st_ino) == (stat.st_dev, stat.st_ino)) {
            return Ok(Some(false));
        }
        let link = |here: BorrowedFd, name: &[u8]| fs::linkat(&folder, old, here, name, AtFlags::empty());
        Ok(Some(self.make(path, link, "link", was_own)?.1))
    }

    /// Makes the links whose targets came after them; a link may be the target of another.
    fn link_deferred(&mut self) -> Result<(), UnpackError> {
        loop {
            let waiting = std::mem::take(&mut self.deferred);
            let before = waiting.len();
            for (raw, path, aim) in waiting {
                let done = self.link_late(&path, &aim).map_err(|trouble| trouble.at(short(&raw)))?;
                if !done {
                    self.deferred.push((raw, path, aim));
                }
            }
            match self.deferred.first() {
                None => return Ok(()),
                Some((raw, _, aim)) if self.deferred.len() == before => {
                    let why = format!("its target '{aim}' is not in the archive");
                    return Err(UnpackError::Refused { entry: short(raw).into(), why });
                }
                Some(_) => {}
            }
        }
    }

    /// The same as [`Unpacker::link`], unless a later entry has taken the name.
    fn link_late(&mut self, path: &EntryPath, aim: &EntryPath) -> Result<bool, Trouble> {
        let name = self.tree.enter_parent(path)?;
        if self.tree.own.is_none() && self.tree.stat(name)?.is_some_and(|stat| !self.is_whiteout(&stat)) {
            return Ok(true);
        }
        Ok(self.link(path, aim, false)?.is_some())
    }

    /// A file of aufs's that is there for its links only.
    fn put_hidden(&mut self, name: &[u8], header: &Header) -> Result<(), Trouble> {
        if header.kind != Kind::File {
            return self.embed();
        }
        let path = self.aside.hidden(&self.tree, name)?;
        self.must_count = true;
        self.put(&path, header, false)
    }

    fn put_gone(&mut self, path: &EntryPath, header: &Header) -> Result<(), Trouble> {
        let is_new = match self.form {
            LayerForm::Overlay2 => self.mark_gone(path, header)?,
            LayerForm::Vfs => self.delete(path)? && self.claim_mark(header)?,
        };
        self.named(header, is_new && !self.aside.covers(path))?;
        self.embed()
    }

    /// Says in the overlay2 form that a name is gone below. What this layer has of that name stays, whatever comes first
    /// (OCI image-spec v1.1 layer.md, "Whiteouts"); only then a folder hides what is below it.
    fn mark_gone(&mut self, path: &EntryPath, header: &Header) -> Result<bool, Trouble> {
        let name = self.tree.enter_parent(path)?;
        match self.tree.stat(name)? {
            None => {
                fs::mknodat(self.tree.here(), name, FileType::CharacterDevice, Mode::empty(), 0)
                    .doing("mark as deleted by")?;
                self.tree.touch();
                let meta = Metadata { xattrs: Default::default(), ..header.meta.clone() };
                self.tree.dress_name(path, name, &meta, false)?;
                Ok(true)
            }
            Some(stat) if is_dir(&stat) => {
                self.tree.enter_dir(path, false)?;
                self.mark_opaque()?;
                Ok(false)
            }
            Some(_) => Ok(false),
        }
    }

    /// Deletes in the whole tree what was below this layer.
    fn delete(&mut self, path: &EntryPath) -> Result<bool, Trouble> {
        let is_own = self.has(path);
        let Some(name) = self.tree.find_parent(path)? else { return Ok(true) };
        match self.tree.stat(name)? {
            Some(_) if !is_own => {
                self.tree.touch();
                remove_tree(self.tree.here(), name).doing("delete what is named by")?;
            }
            Some(stat) if is_dir(&stat) => self.delete_below(path)?,
            _ => {}
        }
        Ok(true)
    }

    fn put_opaque(&mut self, path: &EntryPath, header: &Header) -> Result<(), Trouble> {
        let is_new = match self.form {
            LayerForm::Overlay2 => {
                self.tree.enter_dir(path, true)?;
                self.mark_opaque()?
            }
            LayerForm::Vfs => {
                self.delete_below(path)?;
                self.claim_mark(header)?
            }
        };
        self.named(header, is_new && !self.aside.covers(path))?;
        self.embed()
    }

    /// Marks the deepest open folder; gives whether it was not marked before.
    fn mark_opaque(&mut self) -> Result<bool, Trouble> {
        let made = fs::fsetxattr(self.tree.here(), OPAQUE, b"y", XattrFlags::CREATE);
        match made {
            Err(Errno::EXIST) => Ok(false),
            made => made.doing("mark as opaque by").map(|()| true),
        }
    }

    /// Deletes all of a folder that was there before this layer.
    fn delete_below(&mut self, path: &EntryPath) -> Result<(), Trouble> {
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            if !self.tree.enter_dir(&folder, false)? {
                continue;
            }
            for (name, is_dir) in super::remove::names(self.tree.here()).doing("look into the folder of")? {
                let below = folder.join(&name);
                if !self.has(&below) {
                    self.tree.touch();
                    remove_tree(self.tree.here(), &name).doing("delete what is named by")?;
                } else if is_dir {
                    folders.push(below);
                }
            }
        }
        Ok(())
    }

    /// With vfs: notes a whiteout's own name; gives whether it is new.
    fn claim_mark(&mut self, header: &Header) -> Result<bool, Trouble> {
        let path = self.checked(&header.path)?;
        Ok(!self.claim(&path))
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
