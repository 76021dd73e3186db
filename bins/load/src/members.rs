//! The members of an archive: of a tar, or of a directory.

use std::io::Read;

use anyhow::{Context, bail};
use archive::read::{Member, MemberKind, link_target};
use hostfs::{FileKind, Root};
use model::{EntryPath, HostPath, StreamError};
use tarball::{Kind, TarError};

/// An archive from wherever it comes.
pub enum Members {
    /// A tar, unpacked already.
    Tar(Box<tarball::Reader<Box<dyn Read + Send>>>),
    /// A directory.
    Directory(Box<Directory>),
}

impl Members {
    /// The members of an uncompressed tar.
    pub fn tar(input: Box<dyn Read + Send>) -> Members {
        Members::Tar(Box::new(tarball::Reader::new(input)))
    }

    /// Reads what follows the archive, so that whoever writes it is not cut off and checksums of a compressed stream are
    /// compared.
    pub fn drain(self) -> anyhow::Result<()> {
        match self {
            Members::Tar(reader) => reader.drain().map(|_| ()).context("cannot read the end of the archive"),
            Members::Directory(_) => Ok(()),
        }
    }
}

impl archive::Members for Members {
    fn next_member(&mut self) -> Result<Option<Member>, StreamError> {
        match self {
            Members::Tar(reader) => match reader.next()? {
                Some(header) => tar_member(&header).map(Some),
                None => Ok(None),
            },
            Members::Directory(directory) => Ok(directory.next()),
        }
    }

    fn content(&mut self) -> Result<Box<dyn Read + Send + '_>, StreamError> {
        match self {
            Members::Tar(reader) => Ok(Box::new(reader.content())),
            Members::Directory(directory) => directory.content(),
        }
    }
}

fn tar_member(header: &tarball::Header) -> Result<Member, StreamError> {
    let refuse = |why: &str| TarError::Refused { entry: header.path.clone(), why: why.to_string() };
    let name = EntryPath::parse(&header.path).map_err(|why| refuse(&why.to_string()))?;
    let kind = match &header.kind {
        Kind::File if header.sparse.is_some() => {
            return Err(refuse("it is sparse, which no archive of images has").into());
        }
        Kind::File => MemberKind::File(header.size),
        Kind::Symlink(target) => match link_target(&name, target) {
            Some(target) => MemberKind::Link(target),
            None => return Err(refuse("it is a link that leads out of the archive").into()),
        },
        Kind::HardLink(target) => MemberKind::Link(EntryPath::parse(target).map_err(|why| refuse(&why.to_string()))?),
        _ => MemberKind::Other,
    };
    Ok(Member { name, kind })
}

/// An unpacked archive, its small files first: they name what the large ones are.
pub struct Directory {
    root: Root,
    members: std::vec::IntoIter<Member>,
    open: Option<hostfs::File>,
    name: EntryPath,
}

/// Folders inside each other that an unpacked archive may have: `blobs/sha256/<digest>` needs two.
const DEPTH: usize = 4;

impl Directory {
    /// Lists the directory.
    pub fn open(root: Root) -> anyhow::Result<Directory> {
        let mut members = Vec::new();
        list(&root, &EntryPath::root(), &mut members)?;
        members.sort_by_key(|member| match member.kind {
            MemberKind::File(size) => size,
            _ => 0,
        });
        if members.is_empty() {
            bail!("'{}' is empty", root.path().display());
        }
        Ok(Directory { root, members: members.into_iter(), open: None, name: EntryPath::root() })
    }

    fn next(&mut self) -> Option<Member> {
        let member = self.members.next()?;
        self.open = None;
        self.name = member.name.clone();
        Some(member)
    }

    fn content(&mut self) -> Result<Box<dyn Read + Send + '_>, StreamError> {
        if self.open.is_none() {
            self.open = Some(self.root.open_file(&HostPath::new(self.name.as_bytes()))?);
        }
        Ok(Box::new(self.open.as_mut().expect("it was opened")))
    }
}

fn list(root: &Root, folder: &EntryPath, members: &mut Vec<Member>) -> anyhow::Result<()> {
    let dir = root.open_dir(&HostPath::new(folder.as_bytes()))?;
    let cannot = || format!("cannot read '{}'", root.path().join(folder.to_string()).display());
    for entry in dir.entries().with_context(cannot)? {
        let name = folder.join(&entry.name);
        let stat = dir.stat(&entry.name).with_context(cannot)?;
        let kind = match stat.kind {
            FileKind::File => MemberKind::File(stat.size),
            FileKind::Symlink => match link_target(&name, &dir.read_link(&entry.name).with_context(cannot)?) {
                Some(target) => MemberKind::Link(target),
                None => continue,
            },
            FileKind::Directory if name.components().count() < DEPTH => {
                list(root, &name, members)?;
                MemberKind::Other
            }
            _ => MemberKind::Other,
        };
        members.push(Member { name, kind });
    }
    Ok(())
}
