//! A whole tree from a source into a sink.

use std::collections::HashSet;

use model::{EntryPath, Finding, Kind, Sink, Source, StreamError};

/// What went through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Poured {
    /// Names.
    pub entries: u64,
    /// Names that tar and its like cannot hold.
    pub sockets: Vec<EntryPath>,
    /// What could not be read, and is therefore not in the sink.
    pub findings: Vec<Finding>,
}

/// Gives every entry of `source` to `sink` and ends it. A file that cannot be opened is left out, with all its names.
/// `seen` is called with each entry, for progress.
pub fn pour(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    mut seen: impl FnMut(&model::Entry),
) -> Result<Poured, StreamError> {
    let mut poured = Poured::default();
    let mut lost = HashSet::new();
    while let Some(entry) = source.next_entry()? {
        seen(&entry);
        poured.entries += 1;
        match &entry.kind {
            Kind::Socket => poured.sockets.push(entry.path),
            Kind::HardLink { target } if lost.contains(target) => {
                let detail = format!("'{}' is left out with '{target}', the same file", entry.path);
                poured.findings.push(Finding::new("unreadable", detail));
            }
            Kind::File { size } if *size > 0 => match source.content() {
                Ok(mut content) => sink.entry(&entry, Some(&mut *content))?,
                Err(error) => {
                    poured.findings.push(Finding::new("unreadable", format!("{error}; '{}' is left out", entry.path)));
                    lost.insert(entry.path);
                }
            },
            _ => sink.entry(&entry, None)?,
        }
    }
    sink.finish()?;
    poured.findings.extend(source.take_findings());
    Ok(poured)
}
