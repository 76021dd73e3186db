//! What a member says, once its header and the extended headers before it are taken together.

use model::{Entry, EntryPath, Extent, Metadata, PathError, Timestamp};

use crate::acl;
use crate::base64;
use crate::block::{self, Block, Layout};
use crate::error::TarError;
use crate::pax::{self, parse_decimal};
use crate::sparse;

/// A member of an archive. Content is read apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The name as written: not cleaned, and not checked for `..`. No zero byte.
    pub path: Box<[u8]>,
    /// What it is.
    pub kind: Kind,
    /// Bytes, holes included. For regular files; else 0.
    pub size: u64,
    /// Bytes of content that the archive holds.
    pub stored: u64,
    /// Its attributes.
    pub meta: Metadata,
    /// Where the stored bytes belong in a sparse file; `None` for a dense one. In order, apart, none of them empty.
    pub sparse: Option<Vec<Extent>>,
    /// The owner's name, where written.
    pub uname: Box<[u8]>,
    /// The group's name, where written.
    pub gname: Box<[u8]>,
    /// What was said of it but could not be understood, in words: an access control list with names.
    pub lost: Vec<String>,
}

/// What a member is. Targets are as written, without a zero byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink(Box<[u8]>),
    /// Another name of an earlier (rarely a later) member.
    HardLink(Box<[u8]>),
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A GNU volume label, which is no file.
    Label,
    /// A type flag that nobody has defined, or that only makes sense over several volumes.
    Unknown(u8),
}

impl Header {
    /// As an entry of a tree. `None` for what is no file, and for kinds that are not known.
    pub fn entry(&self) -> Result<Option<Entry>, PathError> {
        let kind = match &self.kind {
            Kind::File => model::Kind::File { size: self.size },
            Kind::Directory => model::Kind::Directory,
            Kind::Symlink(target) => model::Kind::Symlink { target: target.clone() },
            Kind::HardLink(target) => model::Kind::HardLink { target: EntryPath::parse(target)? },
            &Kind::CharDevice(major, minor) => model::Kind::CharDevice { major, minor },
            &Kind::BlockDevice(major, minor) => model::Kind::BlockDevice { major, minor },
            Kind::Fifo => model::Kind::Fifo,
            Kind::Label | Kind::Unknown(_) => return Ok(None),
        };
        Ok(Some(Entry { path: EntryPath::parse(&self.path)?, kind, meta: self.meta.clone() }))
    }

    /// The extents of its data: one for a dense file.
    pub fn extents(&self) -> Vec<Extent> {
        match &self.sparse {
            Some(extents) => extents.clone(),
            None if self.size == 0 => Vec::new(),
            None => vec![Extent { offset: 0, size: self.size }],
        }
    }
}

/// What extended headers say about the next member.
#[derive(Default)]
pub(crate) struct Extended {
    /// From `g` headers, for all members that follow: raw bodies, later ones win.
    global: Vec<Vec<u8>>,
    local: Option<Vec<u8>>,
    long_name: Option<Box<[u8]>>,
    long_link: Option<Box<[u8]>>,
    /// Read from the blocks before the data.
    pub(crate) map_1_0: Option<Vec<Extent>>,
}

/// Keys that say something of one member only; in a global header they would make all members one.
const LOCAL_ONLY: [&[u8]; 3] = [b"path", b"linkpath", b"size"];

/// Bytes of all global headers together. They are read again for every member.
const MAX_GLOBAL: usize = 64 << 10;

impl Extended {
    /// Takes the body of an extended header with this type flag. The words say why it cannot be taken.
    pub(crate) fn take(&mut self, flag: u8, body: &[u8]) -> Result<(), &'static str> {
        match flag {
            b'g' => self.take_global(body),
            b'x' | b'X' => self.take_local(body),
            b'L' => take_long(&mut self.long_name, body),
            _ => take_long(&mut self.long_link, body),
        }
    }

    fn take_global(&mut self, body: &[u8]) -> Result<(), &'static str> {
        let records = pax::parse(body).ok_or("a global extended header is malformed")?;
        if records.iter().any(|(key, _)| LOCAL_ONLY.contains(key) || key.starts_with(b"GNU.sparse.")) {
            return Err("a global extended header gives all entries one name, size or map");
        }
        self.global.push(body.to_vec());
        if self.global.iter().map(Vec::len).sum::<usize>() > MAX_GLOBAL {
            return Err("global extended headers of more than 64 KiB");
        }
        Ok(())
    }

    fn take_local(&mut self, body: &[u8]) -> Result<(), &'static str> {
        pax::parse(body).ok_or("its extended header is malformed")?;
        if self.local.as_ref().is_some_and(|before| before != body) {
            return Err("it has two extended headers");
        }
        self.local = Some(body.to_vec());
        Ok(())
    }

    /// The records of the next member's own extended header.
    pub(crate) fn local(&self) -> pax::Records<'_> {
        self.local.as_deref().and_then(pax::parse).unwrap_or_default()
    }

    /// A name for messages, before the header itself was understood.
    pub(crate) fn name_of(&self, raw: Block) -> Box<[u8]> {
        let local = self.local();
        let path =
            local.iter().find(|(key, _)| *key == b"GNU.sparse.name").or(local.iter().find(|(key, _)| *key == b"path"));
        match (path, &self.long_name) {
            (Some((_, path)), _) => (*path).into(),
            (None, Some(name)) => name.clone(),
            (None, None) => raw.name().into(),
        }
    }

    /// Bytes of content after the header, as all readers agree; the map of PAX 1.0 counts as content here.
    pub(crate) fn stored(&self, raw: Block) -> Result<u64, &'static str> {
        let field = raw.number(block::SIZE_FIELD).ok_or("its size is no number")?;
        let mut size = field;
        for (key, value) in self.local() {
            if key == b"size" && !value.is_empty() {
                size = parse_decimal(value).ok_or("the size in its extended header is no number")?;
                let too_large = size > 0o77777777777 && field <= 0o77777777777;
                if size != field && !(too_large && raw.0[124] & 0x80 == 0) {
                    return Err("its two sizes differ");
                }
            }
        }
        match raw.flag() {
            // A hard link's size is that of the file it names; no content follows (GNU tar, Go, Python).
            b'1' if size == field => Ok(0),
            b'1'..=b'6' if size != 0 => Err("it has a size, but content follows only regular files"),
            _ if size > i64::MAX as u64 - 511 => Err("its size is beyond 63 bits"),
            _ => Ok(size),
        }
    }

    /// Whether a map of PAX 1.0 stands before the content.
    pub(crate) fn has_map_1_0(&self, raw: Block) -> bool {
        let local = self.local();
        let value = |wanted: &[u8]| local.iter().rev().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        is_regular(raw.flag()) && value(b"GNU.sparse.major") == Some(b"1") && value(b"GNU.sparse.minor") == Some(b"0")
    }

    /// Forgets what was said of one member.
    pub(crate) fn clear_local(&mut self) {
        self.local = None;
        self.long_name = None;
        self.long_link = None;
        self.map_1_0 = None;
    }

    /// The member, from its header block and the blocks that continue it. `stored` is without the map of PAX 1.0.
    pub(crate) fn header(&self, raw: &[u8], stored: u64) -> Result<Header, String> {
        let block = Block::of(raw);
        let mut draft = Draft::new(self, block)?;
        for body in &self.global {
            for (key, value) in pax::parse(body).unwrap_or_default() {
                draft.apply(key, value)?;
            }
        }
        draft.seen.clear();
        for (key, value) in self.local() {
            draft.once(key, value)?;
            draft.apply(key, value)?;
        }
        draft.finish(self, raw, stored)
    }
}

/// Whether content of any size may follow and is a file's: flags `0`, none, `7` (contiguous).
fn is_regular(flag: u8) -> bool {
    matches!(flag, b'0' | 0 | b'7')
}

fn take_long(slot: &mut Option<Box<[u8]>>, body: &[u8]) -> Result<(), &'static str> {
    let name = block::until_zero(body);
    if body[name.len()..].iter().any(|&byte| byte != 0) {
        return Err("its name holds a zero byte");
    }
    if slot.as_ref().is_some_and(|before| **before != *name) {
        return Err("it has two long names");
    }
    *slot = Some(name.into());
    Ok(())
}

/// A header in the making.
struct Draft<'a> {
    block: Block<'a>,
    path: Vec<u8>,
    link: Vec<u8>,
    meta: Metadata,
    uname: Vec<u8>,
    gname: Vec<u8>,
    device: (Option<u64>, Option<u64>),
    sparse: SparseKeys,
    acls: Vec<(&'static [u8], Vec<u8>)>,
    /// xattrs as bsdtar writes them a second time.
    libarchive: Vec<(Box<[u8]>, Vec<u8>)>,
    seen: Vec<(&'a [u8], &'a [u8])>,
}

#[derive(Default)]
struct SparseKeys {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    list: Option<Vec<Extent>>,
    offset: Option<u64>,
    version: (Option<u64>, Option<u64>),
}

impl<'a> Draft<'a> {
    fn new(extended: &Extended, block: Block<'a>) -> Result<Draft<'a>, String> {
        let number = |field, what: &str| block.number(field).ok_or_else(|| format!("its {what} is no number"));
        let is_v7 = block.layout() == Layout::V7;
        let text = |field| if is_v7 { Vec::new() } else { block.text(field).to_vec() };
        let meta = Metadata {
            mode: (number(block::MODE, "mode")? & 0o7777) as u32,
            uid: number(block::UID, "owner")?,
            gid: number(block::GID, "group")?,
            mtime: Timestamp { seconds: block.signed(block::MTIME).ok_or("its time is no number")?, nanos: 0 },
            xattrs: Default::default(),
        };
        Ok(Draft {
            block,
            path: extended.long_name.as_deref().map_or_else(|| block.name(), <[u8]>::to_vec),
            link: extended.long_link.as_deref().unwrap_or(block.text(block::LINK)).to_vec(),
            meta,
            uname: text(block::UNAME),
            gname: text(block::GNAME),
            device: if is_v7 {
                (Some(0), Some(0))
            } else {
                (block.number(block::DEV_MAJOR), block.number(block::DEV_MINOR))
            },
            sparse: SparseKeys::default(),
            acls: Vec::new(),
            libarchive: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// Refuses a key that says two different things. PAX 0.0 repeats two keys by design.
    fn once<'b: 'a>(&mut self, key: &'b [u8], value: &'b [u8]) -> Result<(), String> {
        let repeated = [&b"GNU.sparse.offset"[..], b"GNU.sparse.numbytes", b"comment"].contains(&key);
        if !repeated && self.seen.iter().any(|(before, other)| *before == key && *other != value) {
            return Err(format!("its extended header gives '{}' twice", model::path::shown(key)));
        }
        self.seen.push((key, value));
        Ok(())
    }

    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let bad = || format!("'{}' in its extended header cannot be understood", model::path::shown(key));
        let number = || parse_decimal(value).ok_or_else(bad);
        // An empty value takes back what a global header said (POSIX); the fields of the block then hold.
        if value.is_empty() && !key.starts_with(pax::XATTR) {
            return Ok(());
        }
        match key {
            b"path" => self.path = value.to_vec(),
            b"linkpath" => self.link = value.to_vec(),
            b"uid" => self.meta.uid = number()?,
            b"gid" => self.meta.gid = number()?,
            b"uname" => self.uname = value.to_vec(),
            b"gname" => self.gname = value.to_vec(),
            b"mtime" => {
                let text = std::str::from_utf8(value).map_err(|_| bad())?;
                self.meta.mtime = Timestamp::parse_decimal(text).ok_or_else(bad)?;
            }
            b"SCHILY.devmajor" => self.device.0 = Some(number()?),
            b"SCHILY.devminor" => self.device.1 = Some(number()?),
            b"SCHILY.acl.access" => self.acls.push((b"system.posix_acl_access", value.to_vec())),
            b"SCHILY.acl.default" => self.acls.push((b"system.posix_acl_default", value.to_vec())),
            // GNU tar --selinux writes the label without the zero byte that the kernel keeps.
            b"RHT.security.selinux" => {
                self.libarchive.push((Box::from(&b"security.selinux"[..]), [value, b"\0"].concat()));
            }
            _ if key.starts_with(pax::XATTR) => {
                self.meta.xattrs.insert(pax::xattr_name(&key[pax::XATTR.len()..]), value.into());
            }
            _ if key.starts_with(b"LIBARCHIVE.xattr.") => {
                let name = unquote(&key[b"LIBARCHIVE.xattr.".len()..]);
                self.libarchive.push((name.into(), base64::decode(value).ok_or_else(bad)?));
            }
            _ if key.starts_with(b"GNU.sparse.") => {
                self.apply_sparse(&key[b"GNU.sparse.".len()..], value).ok_or_else(bad)?
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_sparse(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let sparse = &mut self.sparse;
        match key {
            b"name" => sparse.name = Some(value.to_vec()),
            b"size" | b"realsize" => sparse.size = Some(parse_decimal(value)?),
            b"map" => sparse.list = Some(sparse::pax_0_1(value)?),
            b"major" => sparse.version.0 = Some(parse_decimal(value)?),
            b"minor" => sparse.version.1 = Some(parse_decimal(value)?),
            b"numblocks" => sparse.list = Some(sparse.list.take().unwrap_or_default()),
            b"offset" if sparse.offset.is_none() => sparse.offset = Some(parse_decimal(value)?),
            b"numbytes" => {
                let extent = Extent { offset: sparse.offset.take()?, size: parse_decimal(value)? };
                sparse.list.get_or_insert_default().push(extent);
            }
            _ => return None,
        }
        Some(())
    }

    fn finish(mut self, extended: &Extended, raw: &[u8], stored: u64) -> Result<Header, String> {
        if let Some(name) = self.sparse.name.take() {
            self.path = name;
        }
        if self.path.contains(&0) || self.link.contains(&0) {
            return Err("its name holds a zero byte".to_string());
        }
        let kind = self.kind()?;
        let map = if kind == Kind::File { self.map(extended, raw, stored)? } else { None };
        let lost = self.gather_xattrs();
        Ok(Header {
            path: self.path.into(),
            size: map.as_ref().map_or(if kind == Kind::File { stored } else { 0 }, |map| map.size),
            sparse: map.map(|map| map.extents),
            kind,
            stored,
            meta: self.meta,
            uname: self.uname.into(),
            gname: self.gname.into(),
            lost,
        })
    }

    fn kind(&mut self) -> Result<Kind, String> {
        let is_folder_name = self.path.ends_with(b"/");
        Ok(match self.block.flag() {
            // Before POSIX a directory was a file of no content whose name ends in a slash.
            0 if is_folder_name && self.block.number(block::SIZE_FIELD) == Some(0) => Kind::Directory,
            0 | b'0' | b'7' | b'S' if is_folder_name => {
                return Err("it is a regular file, but its name ends in a slash".to_string());
            }
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink(std::mem::take(&mut self.link).into()),
            b'2' => Kind::Symlink(std::mem::take(&mut self.link).into()),
            b'3' => self.device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
            b'4' => self.device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
            // D: a directory with the list of its names, from GNU tar --listed-incremental.
            b'5' | b'D' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'V' => Kind::Label,
            flag => Kind::Unknown(flag),
        })
    }

    fn device(&self) -> Result<(u32, u32), String> {
        let part = |number: Option<u64>| number.and_then(|n| u32::try_from(n).ok());
        part(self.device.0).zip(part(self.device.1)).ok_or_else(|| "its device number cannot be understood".to_string())
    }

    fn map(&mut self, extended: &Extended, raw: &[u8], stored: u64) -> Result<Option<sparse::Map>, String> {
        let sparse = &mut self.sparse;
        let bad = "its sparse map cannot be understood";
        let (extents, size) = if self.block.flag() == b'S' {
            (old_gnu_map(raw).ok_or(bad)?, sparse::old_gnu_size(self.block).ok_or(bad)?)
        } else if let Some(extents) = extended.map_1_0.clone() {
            (extents, sparse.size.ok_or(bad)?)
        } else {
            match (sparse.version, sparse.list.take(), sparse.size) {
                ((None, None) | (Some(0), _), Some(extents), Some(size)) => (extents, size),
                ((None, None), None, None) => return Ok(None),
                _ => return Err(bad.to_string()),
            }
        };
        if sparse.offset.is_some() || extents.len() > sparse::MAX_EXTENTS {
            return Err(bad.to_string());
        }
        if size > i64::MAX as u64 {
            return Err("its size is beyond 63 bits".to_string());
        }
        sparse::Map::checked(extents, size, stored).map(Some).map_err(str::to_string)
    }

    /// Puts together what several keys say of xattrs; returns what is lost.
    fn gather_xattrs(&mut self) -> Vec<String> {
        let mut lost = Vec::new();
        for (name, value) in self.libarchive.drain(..) {
            self.meta.xattrs.entry(name).or_insert_with(|| value.into());
        }
        for (name, text) in self.acls.drain(..) {
            if self.meta.xattrs.contains_key(name) {
                continue;
            }
            match acl::parse(&text) {
                Ok(value) => drop(self.meta.xattrs.insert(name.into(), value.into())),
                Err(error) => lost.push(error.to_string()),
            }
        }
        lost
    }
}

fn old_gnu_map(raw: &[u8]) -> Option<Vec<Extent>> {
    let mut extents = Vec::new();
    sparse::old_gnu(Block::of(raw), 386, 4, &mut extents)?;
    for more in raw[block::SIZE..].chunks_exact(block::SIZE) {
        sparse::old_gnu(Block::of(more), 0, 21, &mut extents)?;
    }
    Some(extents)
}

/// A name as bsdtar writes it in a key: `%XX` for bytes that are not plain (libarchive 3.6 archive_write_set_format_pax.c
/// url_encode).
fn unquote(coded: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(coded.len());
    let mut rest = coded;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(value) => {
                name.push(value);
                rest = &tail[2..];
            }
            None => {
                name.push(byte);
                rest = tail;
            }
        }
    }
    name
}

/// The error that names the entry and says why it is refused.
pub(crate) fn refused(entry: Box<[u8]>, why: impl Into<String>) -> TarError {
    // A hostile name may have a million bytes; a message needs to find it only.
    let entry = if entry.len() > 300 { entry[..300].into() } else { entry };
    TarError::Refused { entry, why: why.into() }
}
