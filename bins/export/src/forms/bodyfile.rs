//! The Sleuth Kit's body file, version 3: `MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime`
//! (sleuthkit 4.12 tools/fstools/fls, tsk_fs_name_print_mac).

use std::io::Write;

use model::{Finding, Kind, Source, path::shown};
use storage::Merged;

use super::mode_text;

/// Writes a line for each name. Contents are not read, so the first field is `0`; owners are those inside, times and
/// inodes those of the evidence.
pub fn write(mut tree: Merged, out: &mut dyn Write) -> anyhow::Result<Vec<Finding>> {
    while let Some(entry) = tree.next_entry().map_err(|error| anyhow::anyhow!(error))? {
        let Some((stat, _)) = tree.evidence() else { continue };
        let name = escaped(&format!("/{}", shown(entry.path.as_bytes())));
        let name = match &entry.kind {
            Kind::Symlink { target } => format!("{name} -> {}", escaped(&shown(target))),
            _ => name,
        };
        writeln!(
            out,
            "0|{name}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
            stat.inode.1,
            mode_text(&entry),
            entry.meta.uid,
            entry.meta.gid,
            if matches!(entry.kind, Kind::Directory) { 0 } else { stat.size },
            stat.atime.seconds,
            stat.mtime.seconds,
            stat.ctime.seconds,
            stat.born.map_or(0, |born| born.seconds),
        )?;
    }
    Ok(tree.take_findings())
}

/// A bar in a name would end the field.
fn escaped(name: &str) -> String {
    name.replace('|', "\\x7c")
}
