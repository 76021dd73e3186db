//! `SizeRw` and `SizeRootFs`: what a container's own files take, and all that it sees.

use std::collections::HashSet;

use host::Host;
use model::{Container, EntryPath, Finding, Kind, Source};
use serde_json::Value;
use storage::{Happened, Rules};

/// Adds both sizes to what is shown of a container; what cannot be measured is a finding.
pub fn add(host: &Host, container: &Container, shown: &mut Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    match measure(host, container, &mut findings) {
        Ok((own, all)) => {
            shown["SizeRw"] = own.into();
            shown["SizeRootFs"] = all.into();
        }
        Err(error) => findings.push(
            Finding::new("size-unknown", format!("its files cannot be measured: {error:#}"))
                .about(format!("container {}", container.id.short())),
        ),
    }
    findings
}

/// Bytes of files that the container added or changed, and of all; a file with several names counts once.
fn measure(host: &Host, container: &Container, findings: &mut Vec<Finding>) -> anyhow::Result<(u64, u64)> {
    let (rootfs, more) = host.rootfs(container)?;
    findings.extend(more);
    let (differences, more) = storage::diff(host.root(), &rootfs, Rules::Today)?;
    findings.extend(more);
    let changed = differences.into_iter().filter(|it| it.happened != Happened::Deleted);
    let own: HashSet<EntryPath> = changed.map(|it| it.path).collect();
    let mut tree = storage::open(host.root(), &rootfs)?;
    let (mut own_size, mut all_size) = (0, 0);
    while let Some(entry) = tree.next_entry().map_err(|error| anyhow::anyhow!("{error}"))? {
        if let Kind::File { size } = entry.kind {
            all_size += size;
            own_size += if own.contains(&entry.path) { size } else { 0 };
        }
    }
    findings.extend(tree.take_findings());
    Ok((own_size, all_size))
}
