//! A layer's tar from its tar-split and its files (vbatts/tar-split v0.11.1 tar/asm/assemble.go).
//!
//! Once the first byte is out a damaged file must not spoil the archive around it: what is missing comes as zeros, and
//! is named; the digest, compared at the end, then differs.

use std::io::{BufReader, Write};

use hostfs::{Dir, File, Problem, Root};
use model::{EntryPath, Finding, HostPath, Rootfs};
use tarball::crc::Crc64;
use tarball::split::{Entry, Reader, gunzip};

use super::LayerTarError;
use crate::drivers::{self, Branch};

/// Bytes that are read at once.
const BLOCK: usize = 256 << 10;
/// Links on the way to one file at most, as the kernel counts them.
const MOST_LINKS: u32 = 40;

/// The size of the archive, if all files that it needs are there and have the right size; else what is missing.
pub fn measure(root: &Root, stack: &Rootfs, split: &HostPath) -> Result<u64, String> {
    let mut files = Files::open(root, stack).map_err(|problem| format!("its files cannot be read: {problem}"))?;
    let mut size = 0;
    let mut reader = open_split(root, split)?;
    loop {
        match reader.next().map_err(|error| format!("its tar-split is damaged: {}", with_source(&error)))? {
            None => return Ok(size),
            Some(Entry::Segment(raw)) => size += raw.len() as u64,
            Some(Entry::File { size: 0, .. } | Entry::File { crc: 0, .. }) => {}
            Some(Entry::File { name, size: wanted, .. }) => {
                let has = files.size(&name).map_err(|problem| format!("'{}' is gone: {problem}", shown(&name)))?;
                if has != wanted {
                    return Err(format!("'{}' has {has} bytes instead of {wanted}", shown(&name)));
                }
                size += wanted;
            }
        }
    }
}

/// Writes the archive.
pub fn write(
    root: &Root,
    stack: &Rootfs,
    split: &HostPath,
    out: &mut dyn Write,
) -> Result<Vec<Finding>, LayerTarError> {
    let mut findings = Vec::new();
    let gone = |problem: String| Ok(vec![Finding::new("content-lost", problem).at(split.clone())]);
    let mut files = match Files::open(root, stack) {
        Ok(files) => files,
        Err(problem) => return gone(problem.to_string()),
    };
    let mut reader = match open_split(root, split) {
        Ok(reader) => reader,
        Err(problem) => return gone(problem),
    };
    let mut buffer = vec![0; BLOCK];
    loop {
        match reader.next() {
            Ok(None) => return Ok(findings),
            Err(error) => return gone(with_source(&error)),
            Ok(Some(Entry::Segment(raw))) => out.write_all(&raw).map_err(LayerTarError::Write)?,
            Ok(Some(Entry::File { size: 0, .. } | Entry::File { crc: 0, .. })) => {}
            Ok(Some(Entry::File { name, size, crc })) => {
                let file = files.file(&name);
                if let Some(why) = copy(file, size, crc, &mut buffer, out).map_err(LayerTarError::Write)? {
                    findings.push(Finding::new("content-lost", why).at(files.top.join(&name)));
                }
            }
        }
    }
}

/// Copies exactly `size` bytes of a file; says what was wrong with it.
fn copy(
    file: Result<File, Problem>,
    size: u64,
    crc: u64,
    buffer: &mut [u8],
    out: &mut dyn Write,
) -> std::io::Result<Option<String>> {
    let mut sum = Crc64::default();
    let (mut at, mut why) = (0, file.as_ref().err().map(|problem| format!("{problem}; zeros stand for it")));
    while at < size {
        let wanted = usize::try_from(size - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = match (&file, &why) {
            (Ok(file), None) => file.read_at(&mut buffer[..wanted], at),
            _ => Ok(0),
        };
        let count = match read {
            Ok(0) | Err(_) => {
                why.get_or_insert_with(|| format!("it cannot be read from byte {at}; zeros stand for the rest"));
                buffer[..wanted].fill(0);
                wanted
            }
            Ok(count) => count,
        };
        sum.update(&buffer[..count]);
        out.write_all(&buffer[..count])?;
        at += count as u64;
    }
    Ok(why.or_else(|| (sum.sum() != crc).then(|| "its content is not what it was: the checksum differs".to_string())))
}

fn open_split(root: &Root, split: &HostPath) -> Result<Reader<impl std::io::BufRead + use<>>, String> {
    let file = root.open_file(split).map_err(|error| format!("its tar-split cannot be read: {}", error.problem))?;
    Ok(Reader::new(gunzip(BufReader::with_capacity(64 << 10, file))))
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn shown(name: &[u8]) -> std::borrow::Cow<'_, str> {
    model::path::shown(name)
}

/// The layer's files by their names in the archive. Links in the way are followed inside of the layer, since an archive
/// may hold `a/x` below a link from `a` to `b`.
struct Files {
    top: HostPath,
    dir: Dir,
    /// The folder that was used last: archives name a folder's files one after the other.
    last: Option<(Vec<u8>, Dir)>,
}

impl Files {
    fn open(root: &Root, stack: &Rootfs) -> Result<Files, String> {
        let (Branch { path, dir, .. }, _) =
            drivers::branch(root, &stack.layers[0], stack.user_xattrs).map_err(|error| with_source(&error))?;
        Ok(Files { top: path, dir, last: None })
    }

    fn file(&mut self, name: &[u8]) -> Result<File, Problem> {
        match self.folder_of(name).and_then(|(dir, name)| dir.open_file(&name)) {
            Err(Problem::Symlink | Problem::NotDir) => {
                let (dir, name) = self.follow(name)?;
                dir.open_file(&name)
            }
            other => other,
        }
    }

    fn size(&mut self, name: &[u8]) -> Result<u64, Problem> {
        let stat = match self.folder_of(name).and_then(|(dir, name)| dir.stat(&name)) {
            Err(Problem::Symlink | Problem::NotDir) => self.follow(name).and_then(|(dir, name)| dir.stat(&name)),
            Ok(stat) if stat.kind == hostfs::FileKind::Symlink => {
                self.follow(name).and_then(|(dir, name)| dir.stat(&name))
            }
            other => other,
        }?;
        match stat.kind {
            hostfs::FileKind::File => Ok(stat.size),
            other => Err(Problem::NotFile(other.words())),
        }
    }

    /// The folder of a name and its last component, no link followed.
    fn folder_of(&mut self, name: &[u8]) -> Result<(&Dir, Vec<u8>), Problem> {
        let path = EntryPath::parse(name.strip_prefix(b"/").unwrap_or(name)).map_err(|_| Problem::Missing)?;
        let folder = path.parent().unwrap_or_default();
        if self.last.as_ref().is_none_or(|(last, _)| last != folder.as_bytes()) {
            let mut dir = self.dir.open_dir(b".")?;
            for part in folder.components() {
                dir = dir.open_dir(part)?;
            }
            self.last = Some((folder.as_bytes().to_vec(), dir));
        }
        let dir = self.last.as_ref().map(|(_, dir)| dir).ok_or(Problem::Missing)?;
        Ok((dir, path.name().to_vec()))
    }

    /// The same, links followed as if the layer's folder were `/`.
    fn follow(&self, name: &[u8]) -> Result<(Dir, Vec<u8>), Problem> {
        let mut left: Vec<Vec<u8>> = parts(name);
        let mut way: Vec<Dir> = vec![self.dir.open_dir(b".")?];
        let mut links = 0;
        while let Some(part) = left.pop() {
            let dir = way.last().ok_or(Problem::Missing)?;
            if part == b".." {
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let stat = dir.stat(&part)?;
            if stat.kind == hostfs::FileKind::Symlink {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Problem::Symlink);
                }
                let target = dir.read_link(&part)?;
                if target.starts_with(b"/") {
                    way.truncate(1);
                }
                left.extend(parts(&target));
            } else if left.is_empty() {
                return Ok((way.pop().ok_or(Problem::Missing)?, part));
            } else {
                way.push(dir.open_dir(&part)?);
            }
        }
        Err(Problem::NotFile("directory"))
    }
}

/// Components, last first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").rev().map(<[u8]>::to_vec).collect()
}
