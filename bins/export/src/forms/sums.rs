//! `sha256sum`'s list, to be checked with `sha256sum -c` in an unpacked tree (coreutils 9.1 src/digest.c).

use std::io::Write;

use model::{Finding, Kind, Source};
use storage::Merged;

use super::digest;

/// Writes a line for each regular file.
pub fn write(mut tree: Merged, out: &mut dyn Write) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    while let Some(entry) = tree.next_entry().map_err(|error| anyhow::anyhow!(error))? {
        if !matches!(entry.kind, Kind::File { .. }) {
            continue;
        }
        if let Some(digest) = digest(&mut tree, &entry, &mut findings) {
            out.write_all(&line(&digest.hex(), entry.path.as_bytes()))?;
        }
    }
    findings.extend(tree.take_findings());
    Ok(findings)
}

/// A name with a newline, carriage return or backslash is escaped, and the line begins with a backslash.
fn line(digest: &str, name: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(name.len() + 70);
    if name.iter().any(|b| matches!(b, b'\n' | b'\r' | b'\\')) {
        line.push(b'\\');
    }
    line.extend_from_slice(digest.as_bytes());
    line.extend_from_slice(b"  ./");
    for &byte in name {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\\' => line.extend_from_slice(b"\\\\"),
            other => line.push(other),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_escaped_as_sha256sum_does() {
        for (name, text) in
            [(&b"a b"[..], &b"00  ./a b\n"[..]), (b"a\nb\\", b"\\00  ./a\\nb\\\\\n"), (b"\xff", b"00  ./\xff\n")]
        {
            assert_eq!(line("00", name), text);
        }
    }
}
