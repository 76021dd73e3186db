//! A layer's tar from its tar-split and its files (vbatts/tar-split v0.11.1 tar/asm/assemble.go).
//!
//! Once the first byte is out a damaged file must not spoil the archive around it: what is missing comes as zeros, and
//! is named; the digest, compared at the end, then differs.

use std::io::{BufReader, Write};

use hostfs::{File, Problem, Root};
use model::{Finding, HostPath, Rootfs};
use tarball::crc::Crc64;
use tarball::split::{Entry, Reader, gunzip};

use super::files::Files;
use super::pipeline::Pieces;
use super::{LayerTarError, with_source};

/// Writes the archive.
pub fn write(root: &Root, stack: &Rootfs, split: &HostPath, out: &mut Pieces) -> Result<Vec<Finding>, LayerTarError> {
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
    loop {
        match reader.next() {
            Ok(None) => return Ok(findings),
            Err(error) => return gone(with_source(&error)),
            Ok(Some(Entry::Segment(raw))) => out.write_all(&raw).map_err(LayerTarError::Write)?,
            Ok(Some(Entry::File { size: 0, .. } | Entry::File { crc: 0, .. })) => {}
            Ok(Some(Entry::File { name, size, crc })) => {
                if let Some(why) = copy(files.file(&name), size, crc, out).map_err(LayerTarError::Write)? {
                    findings.push(Finding::new("content-lost", why).at(files.top.join(&name)));
                }
            }
        }
    }
}

/// Copies exactly `size` bytes of a file; says what was wrong with it.
fn copy(file: Result<File, Problem>, size: u64, crc: u64, out: &mut Pieces) -> std::io::Result<Option<String>> {
    let mut sum = Crc64::default();
    let (mut at, mut why) = (0, file.as_ref().err().map(|problem| format!("{problem}; zeros stand for it")));
    while at < size {
        let space = out.space()?;
        let wanted = usize::try_from(size - at).unwrap_or(usize::MAX).min(space.len());
        let read = match (&file, &why) {
            (Ok(file), None) => file.read_at(&mut space[..wanted], at),
            _ => Ok(0),
        };
        let count = match read {
            Ok(0) | Err(_) => {
                why.get_or_insert_with(|| format!("it cannot be read from byte {at}; zeros stand for the rest"));
                space[..wanted].fill(0);
                wanted
            }
            Ok(count) => count,
        };
        sum.update(&space[..count]);
        out.filled(count);
        at += count as u64;
    }
    Ok(why.or_else(|| (sum.sum() != crc).then(|| "its content is not what it was: the checksum differs".to_string())))
}

/// Opens a tar-split, packed as it lies.
pub fn open_split(root: &Root, split: &HostPath) -> Result<Reader<impl std::io::BufRead + use<>>, String> {
    let file = root.open_file(split).map_err(|error| format!("its tar-split cannot be read: {}", error.problem))?;
    Ok(Reader::new(gunzip(BufReader::with_capacity(64 << 10, file))))
}
