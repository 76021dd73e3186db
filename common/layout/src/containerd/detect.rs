//! Whether containerd's own folder is here.

use hostfs::Root;
use model::{Finding, Generation, HostPath, Store};

use super::metadata::{self, File};
use super::snapshots;
use crate::Found;
use crate::db::bolt::{Bucket, Database};
use crate::home::Home;
use crate::json::Notes;

/// Below docker's folder, where it started containerd itself (moby daemon/command/daemon.go, 18.09 and later).
pub(crate) const OF_DOCKER: &str = "containerd/daemon";
/// The namespaces that docker uses: its own stores speak for them.
const DOCKERS: [&str; 2] = ["moby", "plugins.moby"];

/// One store for each namespace of the containerd folder that `home` is; below a docker, those that are not docker's.
pub(crate) fn detect(home: &Home) -> Found<Vec<Store>> {
    let (root, home) = (home.root, &home.path);
    let (mut stores, mut findings) = in_folder(root, home, b"/var/lib/containerd", &[]);
    let below = home.join(OF_DOCKER);
    let (more, found) = in_folder(root, &below, b"/var/lib/docker/containerd/daemon", &DOCKERS);
    stores.extend(more);
    findings.extend(found);
    (stores, findings)
}

fn in_folder(root: &Root, folder: &HostPath, recorded: &[u8], but: &[&str]) -> Found<Vec<Store>> {
    let mut notes = Notes::new("", folder);
    let mut stores = Vec::new();
    if let Some(file) = File::meta(root, folder, &mut notes)
        && let Some(database) = file.open(&mut notes)
    {
        let names = metadata::namespaces(&database).into_iter().filter(|name| !but.contains(&name.as_str()));
        stores.extend(names.map(|name| store(&database, folder, recorded, &name)));
    }
    // The folder is containerd's all the same: with no store at all the damage would pass for another layout.
    if stores.is_empty() && but.is_empty() && !notes.list.is_empty() {
        stores.push(bare(folder, recorded, "default", "overlayfs"));
    }
    // Below docker's folder its own detection tells of damage.
    let findings: Vec<Finding> = if but.is_empty() { notes.list } else { Vec::new() };
    (stores, findings)
}

fn store(database: &Database, folder: &HostPath, recorded: &[u8], name: &str) -> Store {
    let empty = Bucket::default();
    let namespace = metadata::namespace(database, name).unwrap_or(&empty);
    bare(folder, recorded, name, &snapshots::main_one(namespace))
}

fn bare(folder: &HostPath, recorded: &[u8], namespace: &str, snapshotter: &str) -> Store {
    Store {
        generation: Generation::Containerd,
        driver: snapshots::driver(snapshotter),
        home: folder.clone(),
        recorded: recorded.into(),
        namespace: namespace.into(),
        evidence: vec![metadata::path(folder)],
        host: None,
    }
}
