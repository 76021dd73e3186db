//! One JSON object a name, with everything that is known of it.

use std::io::Write;

use model::{Digest, Entry, Finding, Kind, Source, path::shown};
use serde_json::{Map, Value, json};
use storage::Merged;

use super::digest;

/// Writes a line for each name, the top first.
pub fn write(mut tree: Merged, out: &mut dyn Write) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    while let Some(entry) = tree.next_entry().map_err(|error| anyhow::anyhow!(error))? {
        let sum = digest(&mut tree, &entry, &mut findings);
        let mut row = row(&entry, sum);
        if let Some((stat, place)) = tree.evidence() {
            row.insert("ctime".into(), json!(stat.ctime.rfc3339()));
            row.insert("atime".into(), json!(stat.atime.rfc3339()));
            row.insert("crtime".into(), json!(stat.born.map(|born| born.rfc3339())));
            row.insert("inode".into(), json!(stat.inode.1));
            row.insert("evidence".into(), json!(shown(place.as_bytes())));
        }
        writeln!(out, "{}", cli::json::line(&row))?;
    }
    findings.extend(tree.take_findings());
    Ok(findings)
}

fn row(entry: &Entry, sum: Option<Digest>) -> Map<String, Value> {
    let mut row = Map::new();
    let mut set = |key: &str, value: Value| row.insert(key.into(), value);
    put_name("path", entry.path.as_bytes(), &mut set);
    set("type", json!(kind(&entry.kind)));
    set("mode", json!(format!("{:04o}", entry.meta.mode)));
    set("uid", json!(entry.meta.uid));
    set("gid", json!(entry.meta.gid));
    set("mtime", json!(entry.meta.mtime.rfc3339()));
    match &entry.kind {
        Kind::File { size } => {
            set("size", json!(size));
        }
        Kind::Symlink { target } => put_name("link", target, &mut set),
        Kind::HardLink { target } => put_name("link", target.as_bytes(), &mut set),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            set("rdev", json!([major, minor]));
        }
        Kind::Directory | Kind::Fifo | Kind::Socket => {}
    }
    if let Some(sum) = sum {
        set("sha256", json!(sum.hex()));
    }
    if !entry.meta.xattrs.is_empty() {
        let xattrs = entry.meta.xattrs.iter().map(|(name, value)| (shown(name).into_owned(), json!(hex(value))));
        set("xattrs_hex", Value::Object(xattrs.collect()));
    }
    row
}

/// A name, and its bytes in hexadecimal where it is not UTF-8.
fn put_name<V>(key: &str, raw: &[u8], set: &mut impl FnMut(&str, Value) -> V) {
    set(key, json!(String::from_utf8_lossy(raw)));
    if std::str::from_utf8(raw).is_err() {
        set(&format!("{key}_hex"), json!(hex(raw)));
    }
}

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::File { .. } => "file",
        Kind::Directory => "dir",
        Kind::Symlink { .. } => "symlink",
        Kind::HardLink { .. } => "hardlink",
        Kind::CharDevice { .. } => "chr",
        Kind::BlockDevice { .. } => "blk",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    }
}
