//! Trees in words: forms for people and programs that look at files instead of unpacking them.

pub mod bodyfile;
pub mod json_lines;
pub mod mtree;
pub mod sums;

use model::{Digest, Entry, Finding, Kind, Source};
use storage::Merged;
use tarball::Sha256;

/// The digest of a file's content with its holes as zeros; `None` for what has no content, or where it cannot be read,
/// which is a finding.
fn digest(tree: &mut Merged, entry: &Entry, findings: &mut Vec<Finding>) -> Option<Digest> {
    let Kind::File { size } = entry.kind else { return None };
    if size == 0 {
        return Some(Sha256::default().finish());
    }
    let content = tree.content().and_then(|mut content| Ok(sum(&mut *content, size)?));
    match content {
        Ok(digest) => Some(digest),
        Err(error) => {
            findings.push(Finding::new("unreadable", error.to_string()));
            None
        }
    }
}

fn sum(content: &mut dyn model::Content, size: u64) -> std::io::Result<Digest> {
    let extents = content.extents().to_vec();
    let (mut hash, mut at) = (Sha256::default(), 0);
    let mut buffer = vec![0; 128 << 10];
    let zeros = vec![0; 128 << 10];
    let skip = |hash: &mut Sha256, mut count: u64| {
        while count > 0 {
            let part = count.min(zeros.len() as u64);
            hash.update(&zeros[..part as usize]);
            count -= part;
        }
    };
    for extent in extents {
        skip(&mut hash, extent.offset - at);
        let mut left = extent.size;
        while left > 0 {
            let wanted = left.min(buffer.len() as u64) as usize;
            let count = content.read(&mut buffer[..wanted])?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            hash.update(&buffer[..count]);
            left -= count as u64;
        }
        at = extent.offset + extent.size;
    }
    skip(&mut hash, size - at);
    Ok(hash.finish())
}

/// `-rwxr-xr-x`, as `ls -l` shows a mode.
fn mode_text(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File { .. } | Kind::HardLink { .. } => '-',
        Kind::Directory => 'd',
        Kind::Symlink { .. } => 'l',
        Kind::CharDevice { .. } => 'c',
        Kind::BlockDevice { .. } => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    };
    let mode = entry.meta.mode;
    let mut text = String::with_capacity(10);
    text.push(kind);
    for (shift, special, with, without) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}
