//! BSD's mtree specification with full paths, as `bsdtar --format=mtree` writes and reads it (libarchive 3.6
//! archive_write_set_format_mtree.c, mtree(5)).

use std::io::Write;

use model::{Entry, Finding, Kind, Source};
use storage::Merged;

use super::digest;

/// Writes a line for each name.
pub fn write(mut tree: Merged, out: &mut dyn Write) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    out.write_all(b"#mtree\n")?;
    while let Some(entry) = tree.next_entry().map_err(|error| anyhow::anyhow!(error))? {
        let sum = digest(&mut tree, &entry, &mut findings);
        let mut line = path(&entry);
        line.push_str(&kind(&entry.kind));
        let meta = &entry.meta;
        line.push_str(&format!(" mode={:04o} uid={} gid={}", meta.mode, meta.uid, meta.gid));
        line.push_str(&format!(" time={}.{:09}", meta.mtime.seconds, meta.mtime.nanos));
        if let Some(sum) = sum {
            line.push_str(&format!(" sha256digest={}", sum.hex()));
        }
        writeln!(out, "{line}")?;
    }
    findings.extend(tree.take_findings());
    Ok(findings)
}

fn path(entry: &Entry) -> String {
    if entry.path.is_root() { ".".into() } else { format!("./{}", visible(entry.path.as_bytes())) }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::File { size } => format!(" type=file size={size}"),
        Kind::Directory => " type=dir".into(),
        Kind::Symlink { target } => format!(" type=link link={}", visible(target)),
        Kind::HardLink { .. } => " type=file".into(),
        Kind::CharDevice { major, minor } => format!(" type=char device=linux,{major},{minor}"),
        Kind::BlockDevice { major, minor } => format!(" type=block device=linux,{major},{minor}"),
        Kind::Fifo => " type=fifo".into(),
        Kind::Socket => " type=socket".into(),
    }
}

/// Bytes that are not plain, in octal, as vis(3) does.
fn visible(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    for &byte in raw {
        match byte {
            b'\\' | b'#' | b'=' | b'*' | b'?' | b'[' | b' ' => text.push_str(&format!("\\{byte:03o}")),
            b'!'..=b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("\\{other:03o}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_in_octal() {
        assert_eq!(visible(b"a b#\n\xc3\xa4/c"), "a\\040b\\043\\012\\303\\244/c");
    }
}
