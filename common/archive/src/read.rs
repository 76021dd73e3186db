//! Reading an archive as a stream, whatever the order of its members.
//!
//! One pass: documents are kept (bounded), layers are handed out as they come. A layer that comes before the documents
//! that name it is handed out too; [`Layer::stated`] is `None` then, and [`Reader::finish`] matches it afterwards.

use std::io::{self, Read, Seek, SeekFrom};

use model::{Digest, EntryPath, StreamError};

use crate::catalogue::{ArchivedImage, Catalogue, MAX_DOCUMENT, blob_digest};
use crate::error::ArchiveError;
use crate::manifest::Platform;
use crate::sniff::is_header;

/// The members that one archive may have.
pub const MAX_MEMBERS: u64 = 100_000;
/// The bytes of a document that names images (`manifest.json`, `index.json`, `repositories`).
pub const MAX_NAMING: u64 = 2 << 20;

/// One member of an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its name.
    pub name: EntryPath,
    /// What it is.
    pub kind: MemberKind,
}

/// What a member is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemberKind {
    /// A file of so many bytes.
    File(u64),
    /// A symbolic or hard link, with the member that it means: resolved against the link's folder, from the top.
    Link(EntryPath),
    /// A directory, or anything else that holds nothing of use.
    Other,
}

/// The members of an archive, in whatever order they lie: of a tar, or of a directory.
pub trait Members {
    /// The next member; `None` at the end. What was not read of the one before is skipped.
    fn next_member(&mut self) -> Result<Option<Member>, StreamError>;

    /// The content of the file that [`Members::next_member`] returned last. Asked for again, it goes on where reading
    /// stopped.
    fn content(&mut self) -> Result<Box<dyn Read + Send + '_>, StreamError>;
}

/// A layer as it comes by. Its content is [`Reader::content`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// The member that holds it.
    pub member: EntryPath,
    /// Bytes in the archive, compressed or not.
    pub size: u64,
    /// What its uncompressed tar must come to, where the documents that say so came before.
    pub stated: Option<Digest>,
    /// The digest that its name promises for the bytes as they lie, compressed or not.
    pub blob: Option<Digest>,
}

/// Reads an archive.
pub struct Reader<M> {
    members: M,
    catalogue: Catalogue,
    count: u64,
    /// The first bytes of the current member, read to see what it is.
    head: Vec<u8>,
}

impl<M: Members> Reader<M> {
    /// Begins at the first member. Of an index's images the one for `platform` is taken; this machine's by default.
    pub fn new(members: M, platform: Option<Platform>) -> Reader<M> {
        Reader::with_catalogue(members, Catalogue::new(platform))
    }

    /// Begins at the first member, knowing what [`survey`] found.
    pub fn with_catalogue(members: M, catalogue: Catalogue) -> Reader<M> {
        Reader { members, catalogue, count: 0, head: Vec::new() }
    }

    /// The next layer; documents on the way are taken in. `None` at the end of the archive.
    pub fn next_layer(&mut self) -> Result<Option<Layer>, ArchiveError> {
        while let Some(member) = self.members.next_member().map_err(ArchiveError::Members)? {
            self.count += 1;
            if self.count > MAX_MEMBERS {
                return Err(ArchiveError::TooMuch { what: "members", limit: MAX_MEMBERS });
            }
            match member.kind {
                MemberKind::File(size) => {
                    if let Some(layer) = self.file(member.name, size)? {
                        return Ok(Some(layer));
                    }
                }
                MemberKind::Link(target) => self.catalogue.link(member.name, target),
                MemberKind::Other => {}
            }
        }
        Ok(None)
    }

    fn file(&mut self, name: EntryPath, size: u64) -> Result<Option<Layer>, ArchiveError> {
        self.head.clear();
        let limit = match role(&name) {
            Role::Names => MAX_NAMING,
            Role::Document => MAX_DOCUMENT,
            Role::Nothing => return Ok(None),
            Role::Layer => return self.layer(name, size).map(Some),
            Role::Look => match self.look(size)? {
                Role::Layer => return self.layer(name, size).map(Some),
                Role::Document => MAX_DOCUMENT,
                _ => return Ok(None),
            },
        };
        if size > limit {
            self.catalogue.large_document(name);
            return Ok(None);
        }
        let raw = self.rest()?;
        self.catalogue.document(name, raw)?;
        Ok(None)
    }

    fn layer(&mut self, name: EntryPath, size: u64) -> Result<Layer, ArchiveError> {
        if self.catalogue.has_layer(&name) {
            return Err(ArchiveError::Twice { name });
        }
        self.catalogue.layer(name.clone(), None)?;
        Ok(Layer { stated: self.catalogue.stated_diff_id(&name), blob: blob_digest(&name), member: name, size })
    }

    /// Reads the beginning of the current member to see what it is.
    fn look(&mut self, size: u64) -> Result<Role, ArchiveError> {
        let mut content = self.members.content().map_err(ArchiveError::Members)?;
        content.by_ref().take(size.min(512)).read_to_end(&mut self.head).map_err(unreadable)?;
        Ok(looks(&self.head))
    }

    fn rest(&mut self) -> Result<Vec<u8>, ArchiveError> {
        let mut raw = std::mem::take(&mut self.head);
        let mut content = self.members.content().map_err(ArchiveError::Members)?;
        content.read_to_end(&mut raw).map_err(unreadable)?;
        Ok(raw)
    }

    /// The bytes of the layer that [`Reader::next_layer`] returned last, as they lie in the archive.
    pub fn content(&mut self) -> Result<Box<dyn Read + Send + '_>, ArchiveError> {
        let head = io::Cursor::new(std::mem::take(&mut self.head));
        let content = self.members.content().map_err(ArchiveError::Members)?;
        Ok(Box::new(head.chain(content)))
    }

    /// Says what a layer's uncompressed tar came to.
    pub fn came_to(&mut self, layer: &Layer, diff_id: Digest) -> Result<(), ArchiveError> {
        match layer.stated {
            Some(stated) if stated != diff_id => {
                Err(ArchiveError::Layer { name: layer.member.clone(), found: diff_id, stated })
            }
            _ => self.catalogue.layer(layer.member.clone(), Some(diff_id)),
        }
    }

    /// The images as far as they can be told before the end: `None` where the documents have not all come.
    pub fn images_so_far(&self) -> Option<Vec<ArchivedImage>> {
        self.catalogue.images().ok()
    }

    /// The images, once [`Reader::next_layer`] returned `None`. Layers that did not come are for the caller to miss: a
    /// store may have them. Those that came are checked against the configs. The members come back too.
    pub fn finish(self) -> Result<(Vec<ArchivedImage>, M), ArchiveError> {
        let images = self.catalogue.images()?;
        for layer in images.iter().flat_map(|image| &image.layers) {
            match self.catalogue.diff_id(&layer.member) {
                Some(found) if found != layer.diff_id => {
                    return Err(ArchiveError::Layer { name: layer.member.clone(), found, stated: layer.diff_id });
                }
                _ => {}
            }
        }
        Ok((images, self.members))
    }
}

/// Looks through the headers of a tar that can be sought in, and reads the documents only. The place is afterwards
/// where it was before. `None` where that needs more than plain headers, or finds no images: then one pass has to do.
pub fn survey(tar: &mut (impl Read + Seek), platform: Option<Platform>) -> io::Result<Option<Catalogue>> {
    let start = tar.stream_position()?;
    let found = look_through(tar, platform);
    tar.seek(SeekFrom::Start(start))?;
    Ok(found?.filter(|catalogue| catalogue.images().is_ok()))
}

fn look_through(tar: &mut (impl Read + Seek), platform: Option<Platform>) -> io::Result<Option<Catalogue>> {
    let mut catalogue = Catalogue::new(platform);
    let mut block = [0; 512];
    for _ in 0..MAX_MEMBERS {
        if let Err(error) = tar.read_exact(&mut block) {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
        }
        if block == [0; 512] {
            return Ok(Some(catalogue));
        }
        let Some(header) = PlainHeader::parse(&block) else { return Ok(None) };
        let mut read = 0;
        match header.kind {
            MemberKind::File(size) => {
                let mut head = Vec::new();
                let wanted = match role(&header.name) {
                    Role::Names => size.min(MAX_NAMING + 1),
                    Role::Document => size.min(MAX_DOCUMENT + 1),
                    Role::Look => size.min(512),
                    Role::Layer | Role::Nothing => 0,
                };
                read = tar.by_ref().take(wanted).read_to_end(&mut head)? as u64;
                if matches!(role(&header.name), Role::Look)
                    && matches!(looks(&head), Role::Document)
                    && size <= MAX_DOCUMENT
                {
                    read += tar.by_ref().take(size - read).read_to_end(&mut head)? as u64;
                }
                if read == size && size > 0 && catalogue.document(header.name, head).is_err() {
                    return Ok(None);
                }
            }
            MemberKind::Link(target) => catalogue.link(header.name, target),
            MemberKind::Other => {}
        }
        let rest = header.padded.checked_sub(read).and_then(|rest| i64::try_from(rest).ok());
        let Some(rest) = rest else { return Ok(None) };
        tar.seek(SeekFrom::Current(rest))?;
    }
    Ok(None)
}

/// A header that says everything itself, without PAX or GNU headers before it: all that archives of images have.
struct PlainHeader {
    name: EntryPath,
    kind: MemberKind,
    /// Bytes of content with padding.
    padded: u64,
}

impl PlainHeader {
    fn parse(block: &[u8; 512]) -> Option<PlainHeader> {
        if !is_header(block) || !matches!(block[156], b'0' | 0 | b'1' | b'2' | b'5') {
            return None;
        }
        let text = |from: usize, to: usize| block[from..to].split(|&b| b == 0).next().unwrap_or_default();
        let is_ustar = &block[257..263] == b"ustar\0";
        let prefix = if is_ustar { text(345, 500) } else { b"" };
        let name =
            EntryPath::parse(&[prefix, if prefix.is_empty() { b"" } else { b"/" }, text(0, 100)].concat()).ok()?;
        let size = std::str::from_utf8(text(124, 136)).ok().and_then(|t| u64::from_str_radix(t.trim(), 8).ok())?;
        let (kind, size) = match block[156] {
            b'1' => (MemberKind::Link(EntryPath::parse(text(157, 257)).ok()?), 0),
            b'2' => (MemberKind::Link(link_target(&name, text(157, 257))?), 0),
            b'5' => (MemberKind::Other, 0),
            _ => (MemberKind::File(size), size),
        };
        Some(PlainHeader { name, kind, padded: size.checked_next_multiple_of(512)? })
    }
}

/// The member that a symbolic link in an archive means; `None` where it leads out.
pub fn link_target(link: &EntryPath, target: &[u8]) -> Option<EntryPath> {
    if target.starts_with(b"/") || target.contains(&0) {
        return None;
    }
    let mut at = link.parent()?;
    for part in target.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => at = at.parent()?,
            part => at = at.join(part),
        }
    }
    Some(at)
}

/// What a member is for, by its name.
enum Role {
    /// Names images.
    Names,
    /// JSON.
    Document,
    /// A tar, perhaps compressed.
    Layer,
    /// Its first bytes tell.
    Look,
    /// Nothing that is needed.
    Nothing,
}

fn role(name: &EntryPath) -> Role {
    let parts: Vec<&[u8]> = name.components().collect();
    match parts.as_slice() {
        [b"manifest.json" | b"index.json" | b"repositories"] => Role::Names,
        [b"oci-layout" | b"version"] | [_, b"VERSION"] => Role::Nothing,
        [_, b"json"] => Role::Document,
        [_, b"layer.tar"] => Role::Layer,
        [name] if name.ends_with(b".json") => Role::Document,
        [name] if name.ends_with(b".tar") => Role::Layer,
        _ => Role::Look,
    }
}

fn looks(head: &[u8]) -> Role {
    let compressed: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    let is_tar = is_header(head) || head.len() == 512 && head.iter().all(|&b| b == 0);
    if is_tar
        || compressed.iter().any(|magic| head.starts_with(magic))
        || matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
    {
        return Role::Layer;
    }
    match head.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Role::Document,
        _ => Role::Nothing,
    }
}

fn unreadable(error: io::Error) -> ArchiveError {
    ArchiveError::Members(error.into())
}
