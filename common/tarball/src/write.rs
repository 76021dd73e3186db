//! Writing archives: the lossless form, and the one that docker writes.

use std::io::{self, Read, Write};

use model::{Content, Entry, EntryPath, Extent, Kind, Metadata, Sink, StreamError};

use crate::acl;
use crate::block::{self, SIZE};
use crate::pax;
use crate::sparse;

/// How much of a file's attributes is written, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    /// PAX with everything: xattrs, access control lists, nanoseconds, times before 1970, holes, long names, large ids.
    #[default]
    Lossless,
    /// As docker's `export` and `save` do (Go archive/tar by moby pkg/archive): whole seconds, no xattr but
    /// `security.capability`, no holes, file type bits in the mode, and no entry for the tree's own top.
    Docker,
}

/// Why an archive cannot be written on.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output took no more.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// A file could not be read.
    #[error("cannot read '{path}'")]
    Read {
        /// Which.
        path: EntryPath,
        /// Why.
        source: io::Error,
    },
    /// A file ended before its size. The archive cannot be mended: the header is written.
    #[error("'{path}' shrank while it was read: {missing} bytes are missing")]
    Shrank {
        /// Which.
        path: EntryPath,
        /// How many bytes.
        missing: u64,
    },
}

/// Writes an archive. [`Writer::finish`] ends it; without that it counts as cut.
pub struct Writer<W: Write> {
    out: W,
    form: Form,
    buffer: Vec<u8>,
    left_out: Vec<EntryPath>,
}

impl<W: Write> Writer<W> {
    /// Begins an archive in the lossless form.
    pub fn new(out: W) -> Writer<W> {
        Writer::with_form(out, Form::Lossless)
    }

    /// Begins an archive in the form of docker's own.
    pub fn docker(out: W) -> Writer<W> {
        Writer::with_form(out, Form::Docker)
    }

    /// Begins an archive in the form given.
    pub fn with_form(out: W, form: Form) -> Writer<W> {
        Writer { out, form, buffer: Vec::new(), left_out: Vec::new() }
    }

    /// Writes an entry whose content, if it is a file, is dense and has exactly its size.
    pub fn put(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), WriteError> {
        let size = if let Kind::File { size } = entry.kind { size } else { 0 };
        if self.header(entry, size, &[])? {
            self.content(&entry.path, size, content)?;
        }
        Ok(())
    }

    /// Writes an entry; of a sparse file only its data in the lossless form.
    pub fn put_content(&mut self, entry: &Entry, content: &mut dyn Content) -> Result<(), WriteError> {
        let Kind::File { size } = entry.kind else { return self.put(entry, &mut io::empty()) };
        let extents = content.extents().to_vec();
        let data: u64 = extents.iter().map(|extent| extent.size).sum();
        if data == size {
            return self.put(entry, content);
        }
        if self.form == Form::Docker {
            return self.put(entry, &mut Filled { content, extents, at: 0, next: 0, size });
        }
        let map = sparse::put_pax_1_0(&extents, size);
        if self.header(entry, data + map.len() as u64, &map)? {
            self.content(&entry.path, data, content)?;
        }
        Ok(())
    }

    /// What could not be written because tar has no word for it: sockets.
    pub fn left_out(&self) -> &[EntryPath] {
        &self.left_out
    }

    /// The output so far, to write raw bytes to it or to ask it something.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes the two zero blocks and returns the output.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.end()?;
        Ok(self.out)
    }

    fn end(&mut self) -> Result<(), WriteError> {
        self.write(&[0; 2 * SIZE])?;
        self.out.flush().map_err(WriteError::Write)
    }

    /// Writes what stands before the content; false where the entry cannot be written at all. A map comes along with a
    /// sparse file and counts into `stored`.
    fn header(&mut self, entry: &Entry, stored: u64, map: &[u8]) -> Result<bool, WriteError> {
        if entry.kind == Kind::Socket {
            self.left_out.push(entry.path.clone());
            return Ok(false);
        }
        if self.form == Form::Docker && entry.path.is_root() {
            return Ok(false);
        }
        let raw = Draft::new(entry, self.form, stored, !map.is_empty()).encode();
        self.write(&raw)?;
        self.write(map)?;
        Ok(true)
    }

    fn content(&mut self, path: &EntryPath, size: u64, content: &mut dyn Read) -> Result<(), WriteError> {
        self.buffer.resize(256 << 10, 0);
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
            match content.read(&mut self.buffer[..wanted]) {
                Ok(0) => return Err(WriteError::Shrank { path: path.clone(), missing: left }),
                Ok(count) => {
                    self.out.write_all(&self.buffer[..count]).map_err(WriteError::Write)?;
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(WriteError::Read { path: path.clone(), source }),
            }
        }
        self.write(&[0; SIZE][..block::padding(size)])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.out.write_all(bytes).map_err(WriteError::Write)
    }
}

impl<W: Write> Sink for Writer<W> {
    fn entry(&mut self, entry: &Entry, content: Option<&mut dyn Content>) -> Result<(), StreamError> {
        match content {
            Some(content) => self.put_content(entry, content)?,
            None => self.put(entry, &mut io::empty())?,
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), StreamError> {
        Ok(self.end()?)
    }
}

/// The whole of a sparse file, zeros where its holes are.
struct Filled<'a> {
    content: &'a mut dyn Content,
    extents: Vec<Extent>,
    at: u64,
    next: usize,
    size: u64,
}

impl Read for Filled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.extents.get(self.next).is_some_and(|extent| extent.offset + extent.size <= self.at) {
            self.next += 1;
        }
        let extent = self.extents.get(self.next);
        let in_data = extent.is_some_and(|extent| extent.offset <= self.at);
        let end = extent.map_or(self.size, |extent| if in_data { extent.offset + extent.size } else { extent.offset });
        let count = usize::try_from(end - self.at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = if in_data {
            self.content.read(&mut buffer[..count])?
        } else {
            buffer[..count].fill(0);
            count
        };
        self.at += count as u64;
        Ok(count)
    }
}

/// One header in the making.
struct Draft<'a> {
    entry: &'a Entry,
    form: Form,
    stored: u64,
    name: Vec<u8>,
    link: Vec<u8>,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Draft<'a> {
    fn new(entry: &'a Entry, form: Form, stored: u64, is_sparse: bool) -> Draft<'a> {
        let mut draft =
            Draft { entry, form, stored, name: name(entry, form), link: link(&entry.kind), records: Vec::new() };
        if is_sparse {
            draft.sparse_records();
        }
        draft.number_records();
        draft.xattr_records();
        draft.name_records();
        // Go sorts the records, and so the same tree always gives the same bytes.
        draft.records.sort();
        draft
    }

    fn sparse_records(&mut self) {
        let Kind::File { size } = self.entry.kind else { return };
        self.record("GNU.sparse.major", b"1");
        self.record("GNU.sparse.minor", b"0");
        let name = std::mem::take(&mut self.name);
        self.record("GNU.sparse.name", &name);
        self.record("GNU.sparse.realsize", size.to_string().as_bytes());
        // A reader that does not know sparse files then does not take the map for the file.
        self.name = beside(&name, b"GNUSparseFile.0");
    }

    fn number_records(&mut self) {
        let meta = &self.entry.meta;
        if self.form == Form::Lossless && (meta.mtime.nanos != 0 || !fits(meta.mtime.seconds, 11)) {
            self.record("mtime", meta.mtime.decimal().as_bytes());
        } else if !fits(meta.mtime.seconds, 11) {
            self.record("mtime", meta.mtime.seconds.to_string().as_bytes());
        }
        for (key, id) in [("uid", meta.uid), ("gid", meta.gid)] {
            if id >> 21 != 0 {
                self.record(key, id.to_string().as_bytes());
            }
        }
        if self.stored >> 33 != 0 {
            self.record("size", self.stored.to_string().as_bytes());
        }
        if let Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } = self.entry.kind {
            for (key, number) in [("SCHILY.devmajor", major), ("SCHILY.devminor", minor)] {
                if number >> 21 != 0 {
                    self.record(key, number.to_string().as_bytes());
                }
            }
        }
    }

    fn xattr_records(&mut self) {
        if matches!(self.entry.kind, Kind::HardLink { .. }) {
            return;
        }
        for (name, value) in &self.entry.meta.xattrs {
            if self.form == Form::Docker && **name != *b"security.capability" {
                continue;
            }
            let key = pax::xattr_key(name);
            self.records.push((key, value.to_vec()));
            // GNU tar --acls and bsdtar know access control lists only by this key.
            let list = match &**name {
                b"system.posix_acl_access" => Some("SCHILY.acl.access"),
                b"system.posix_acl_default" => Some("SCHILY.acl.default"),
                _ => None,
            };
            if let (Some(key), Some(text)) = (list, acl::text(value)) {
                self.record(key, text.as_bytes());
            }
        }
    }

    fn name_records(&mut self) {
        if self.name.len() > 100 || !self.name.is_ascii() {
            let name = self.name.clone();
            self.record("path", &name);
        }
        if self.link.len() > 100 || !self.link.is_ascii() {
            let link = self.link.clone();
            self.record("linkpath", &link);
        }
    }

    fn record(&mut self, key: &str, value: &[u8]) {
        self.records.push((key.as_bytes().to_vec(), value.to_vec()));
    }

    fn encode(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(SIZE * 3);
        if !self.records.is_empty() {
            let mut body = Vec::new();
            for (key, value) in &self.records {
                pax::put(&mut body, key, value);
            }
            raw.extend_from_slice(&extended_block(&self.name, body.len() as u64));
            body.resize(body.len() + block::padding(body.len() as u64), 0);
            raw.extend_from_slice(&body);
        }
        raw.extend_from_slice(&self.block());
        raw
    }

    fn block(&self) -> [u8; SIZE] {
        let mut raw = [0; SIZE];
        let Metadata { mode, uid, gid, mtime, .. } = &self.entry.meta;
        put_text(&mut raw[block::NAME], &self.name);
        block::put_octal(&mut raw[block::MODE], u64::from(mode | self.type_bits()));
        for (field, number) in [
            (block::UID, *uid),
            (block::GID, *gid),
            (block::SIZE_FIELD, self.stored),
            (block::MTIME, mtime.seconds as u64),
        ] {
            if !block::put_octal(&mut raw[field.clone()], number) {
                block::put_octal(&mut raw[field], 0);
            }
        }
        raw[block::FLAG] = flag(&self.entry.kind);
        put_text(&mut raw[block::LINK], &self.link);
        raw[block::MAGIC].copy_from_slice(b"ustar\x0000");
        let (major, minor) = match self.entry.kind {
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => (major, minor),
            _ => (0, 0),
        };
        for (field, number) in [(block::DEV_MAJOR, major), (block::DEV_MINOR, minor)] {
            if !block::put_octal(&mut raw[field.clone()], u64::from(number)) {
                block::put_octal(&mut raw[field], 0);
            }
        }
        block::put_checksum(&mut raw);
        raw
    }

    /// The type of the file in its mode, as moby has written it since Go 1.9 left it out (pkg/archive/archive.go
    /// fillGo18FileTypeBits).
    fn type_bits(&self) -> u32 {
        match self.entry.kind {
            _ if self.form == Form::Lossless => 0,
            Kind::File { .. } | Kind::HardLink { .. } => 0o100000,
            Kind::Directory => 0o040000,
            Kind::Symlink { .. } => 0o120000,
            Kind::CharDevice { .. } => 0o020000,
            Kind::BlockDevice { .. } => 0o060000,
            Kind::Fifo => 0o010000,
            Kind::Socket => 0o140000,
        }
    }
}

/// The header of an extended header, as Go writes it (Go 1.19 archive/tar/writer.go writePAXHeader).
fn extended_block(name: &[u8], size: u64) -> [u8; SIZE] {
    let mut raw = [0; SIZE];
    let whole = beside(name, b"PaxHeaders.0");
    let mut title: Vec<u8> = whole.iter().copied().filter(u8::is_ascii).take(100).collect();
    while title.ends_with(b"/") {
        title.pop();
    }
    put_text(&mut raw[block::NAME], &title);
    for field in [block::MODE, block::UID, block::GID, block::MTIME] {
        block::put_octal(&mut raw[field], 0);
    }
    block::put_octal(&mut raw[block::SIZE_FIELD], size);
    raw[block::FLAG] = b'x';
    raw[block::MAGIC].copy_from_slice(b"ustar\x0000");
    block::put_checksum(&mut raw);
    raw
}

/// `dir/name` as `dir/folder/name`.
fn beside(name: &[u8], folder: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").map_or(name, |name| if name == b"." { b"root" } else { name });
    let cut = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    [&name[..cut], folder, b"/", &name[cut..]].concat()
}

fn name(entry: &Entry, form: Form) -> Vec<u8> {
    let mut name =
        if entry.path.is_root() && form == Form::Lossless { b".".to_vec() } else { entry.path.as_bytes().to_vec() };
    if entry.kind == Kind::Directory {
        name.push(b'/');
    }
    name
}

fn link(kind: &Kind) -> Vec<u8> {
    match kind {
        Kind::Symlink { target } => target.to_vec(),
        Kind::HardLink { target } => target.as_bytes().to_vec(),
        _ => Vec::new(),
    }
}

fn flag(kind: &Kind) -> u8 {
    match kind {
        Kind::File { .. } | Kind::Socket => b'0',
        Kind::HardLink { .. } => b'1',
        Kind::Symlink { .. } => b'2',
        Kind::CharDevice { .. } => b'3',
        Kind::BlockDevice { .. } => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}

/// Whether a number fits into so many octal digits.
fn fits(number: i64, digits: u32) -> bool {
    number >= 0 && number >> (3 * digits) == 0
}

/// Text cut to its field; what is not ASCII is left out, since the extended header has all of it.
fn put_text(field: &mut [u8], text: &[u8]) {
    // One more than fits, so that a cut is seen; deep folders have names of 100 KiB.
    let fitting = text.iter().copied().filter(|byte| byte.is_ascii() && *byte != 0).take(field.len() + 1);
    let ascii: Vec<u8> = fitting.collect();
    let mut cut = &ascii[..ascii.len().min(field.len())];
    // A name cut behind a slash would look like a directory's to old readers (Go 1.19 archive/tar/strconv.go).
    if ascii.len() > field.len() {
        while let Some(shorter) = cut.strip_suffix(b"/") {
            cut = shorter;
        }
    }
    field[..cut.len()].copy_from_slice(cut);
}
