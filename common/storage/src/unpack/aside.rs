//! What a later entry of the same archive replaced: the archive cannot be had again without it, so it is set aside until
//! the tar-split can take its bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use model::EntryPath;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use tarball::compress::{Compression, encoder};
use tarball::split::{self, Entry, MAX_SEGMENT};

use super::error::{Doing, Trouble};
use super::tree::Tree;

/// What was replaced, and the hidden folder at the tree's top that keeps it while the archive is read.
#[derive(Default)]
pub(super) struct Aside {
    folder: Option<(Vec<u8>, OwnedFd)>,
    /// The number under which the first that stood at a path lies in the folder.
    replaced: HashMap<Box<[u8]>, u64>,
}

impl Aside {
    /// The folder, made when it is first wanted. Its name cannot be foreseen by whoever made the archive.
    pub(super) fn folder(&mut self, tree: &Tree) -> Result<&OwnedFd, Trouble> {
        if self.folder.is_none() {
            let mut random = [0; 16];
            let filled = SystemRandom::new().fill(&mut random);
            filled.map_err(|_| {
                Trouble::Refused("the system gives no random numbers to set aside what it replaces".to_string())
            })?;
            let name = format!(".dockless-{:032x}", u128::from_ne_bytes(random)).into_bytes();
            fs::mkdirat(tree.top(), &name[..], Mode::RWXU).doing("set aside what stood at")?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = fs::openat(tree.top(), &name[..], flags, Mode::empty()).doing("set aside what stood at")?;
            self.folder = Some((name, fd));
        }
        Ok(self.folder.as_ref().map(|(_, fd)| fd).expect("it was made"))
    }

    /// Where a hidden file lies: it is there for its hard links only.
    pub(super) fn hidden(&mut self, tree: &Tree, name: &[u8]) -> Result<EntryPath, Trouble> {
        self.folder(tree)?;
        let folder = self.folder.as_ref().map(|(name, _)| &name[..]).expect("it was made");
        Ok(EntryPath::root().join(folder).join(&[b"link-", name].concat()))
    }

    pub(super) fn len(&self) -> usize {
        self.replaced.len()
    }

    /// Whether something that the tar-split names stood at this path or above it once.
    pub(super) fn covers(&self, path: &EntryPath) -> bool {
        !self.replaced.is_empty() && self.find(path.as_bytes()).is_some()
    }

    /// The number of what stood at the path or above it, and the rest of the path below that.
    fn find<'p>(&self, path: &'p [u8]) -> Option<(u64, &'p [u8])> {
        let cuts = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        cuts.into_iter().find_map(|at| Some((*self.replaced.get(&path[..at])?, &path[(at + 1).min(path.len())..])))
    }

    /// Moves what stands at `path` (`name` in the deepest open folder) away.
    pub(super) fn take(&mut self, tree: &Tree, path: &EntryPath, name: &[u8]) -> Result<(), Trouble> {
        let number = self.replaced.len() as u64;
        let folder = self.folder(tree)?;
        fs::renameat(tree.here(), name, folder, number.to_string()).doing("set aside what stood at")?;
        self.replaced.insert(path.as_bytes().into(), number);
        Ok(())
    }

    /// Puts the bytes of what was replaced into the tar-split, in place of its names; gives their number. Then removes
    /// the folder.
    pub(super) fn settle(self, tree: &mut Tree, split: &mut File, level: u32) -> Result<u64, Trouble> {
        let Some((name, folder)) = &self.folder else { return Ok(0) };
        let embedded =
            if self.replaced.is_empty() { 0 } else { self.rewrite(folder, split, level).map_err(Trouble::Split)? };
        super::remove::remove_tree(tree.top(), name).doing("remove what was replaced by")?;
        Ok(embedded)
    }

    fn rewrite(&self, folder: &OwnedFd, split: &mut File, level: u32) -> io::Result<u64> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut fresh = File::from(fs::openat(folder, "tar-split", flags, Mode::RUSR | Mode::WUSR)?);
        let embedded = {
            split.rewind()?;
            let mut old = split::Reader::new(split::gunzip(&*split));
            let mut new = split::Writer::new(encoder(Compression::Gzip, Some(level), Box::new(fresh.try_clone()?))?);
            let embedded = self.copy(folder, &mut old, &mut new)?;
            new.finish().finish()?;
            embedded
        };
        split.rewind()?;
        split.set_len(0)?;
        fresh.rewind()?;
        io::copy(&mut fresh, split)?;
        Ok(embedded)
    }

    fn copy(
        &self,
        folder: &OwnedFd,
        old: &mut split::Reader<impl io::BufRead>,
        new: &mut split::Writer<impl Write>,
    ) -> io::Result<u64> {
        let mut embedded = 0;
        while let Some(entry) = old.next().map_err(io::Error::other)? {
            match entry {
                Entry::Segment(raw) => new.segment(&raw)?,
                Entry::File { name, size, crc } => {
                    let path = EntryPath::parse(&name).map_err(io::Error::other)?;
                    match self.find(path.as_bytes()).filter(|_| size > 0) {
                        Some((number, rest)) => {
                            embed(folder, number, rest, new)?;
                            embedded += size;
                        }
                        None => new.file(&name, size, crc)?,
                    }
                }
            }
        }
        Ok(embedded)
    }
}

/// Writes the content of a file that was set aside as segments.
fn embed(folder: &OwnedFd, number: u64, rest: &[u8], new: &mut split::Writer<impl Write>) -> io::Result<()> {
    let mut path = number.to_string().into_bytes();
    if !rest.is_empty() {
        path.push(b'/');
        path.extend_from_slice(rest);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let mut file = File::from(fs::openat2(
        folder,
        &path[..],
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?);
    let mut buffer = Vec::with_capacity(MAX_SEGMENT);
    loop {
        buffer.clear();
        if Read::by_ref(&mut file).take(MAX_SEGMENT as u64).read_to_end(&mut buffer)? == 0 {
            return Ok(());
        }
        new.segment(&buffer)?;
    }
}
