//! What is mounted in a container, with sources on this machine.

use std::path::{Path, PathBuf};

use host::Host;
use launch::spec::{Mount, MountSource, Propagation};
use serde_json::Value;

use crate::LifeError;
use crate::files::on_this_machine;

/// The mounts of an old container, whose sources are evidence: never written, since each lies under a layer in memory.
/// What is not here is left out and named in `notes`. `host_root` is the old host's own `/`.
pub fn of_evidence(record: &Value, host: &Host, host_root: Option<&Path>, notes: &mut Vec<String>) -> Vec<Mount> {
    let mut out = Vec::new();
    for mount in record["Mounts"].as_array().into_iter().flatten() {
        let text = |key: &str| mount[key].as_str().unwrap_or_default();
        if text("Type") == "tmpfs" || text("Destination").is_empty() {
            continue;
        }
        match evidence(text("Source"), host, host_root).filter(|path| path.exists()) {
            Some(path) => out.push(Mount {
                destination: PathBuf::from(text("Destination")),
                source: MountSource::BindOverlay { path },
                read_only: !mount["RW"].as_bool().unwrap_or(true),
                propagation: Propagation::Private,
                from: "Mounts".to_string(),
            }),
            None => notes.push(format!(
                "nothing is mounted on '{}': '{}' of the old host is not here (--host-root says where its / is)",
                text("Destination"),
                text("Source")
            )),
        }
    }
    out
}

/// The mounts of a new container that leaves nothing on the data root. A volume of the root is evidence, never written; one
/// that is not there has what the image has at its place, which is nothing to be mounted.
pub fn of_wanted(
    record: &Value,
    host: &Host,
    host_root: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Vec<Mount>, LifeError> {
    let config = &record["HostConfig"];
    let texts = |key: &str| config[key].as_array().cloned().unwrap_or_default();
    let mut out = Vec::new();
    for text in texts("VolumesFrom").iter().filter_map(Value::as_str) {
        let (_, other) = crate::peers::inspect(host, text.split(':').next().unwrap_or(text))?;
        out.extend(of_evidence(&other, host, host_root, notes));
    }
    let mut add = |source: &str, destination: &str, read_only: bool, propagation: &str, from: &str| {
        let source = match source.starts_with('/') {
            true => MountSource::Bind { path: PathBuf::from(source) },
            false => match on_this_machine(host, &format!("volumes/{source}/_data").as_str().into()) {
                path if path.is_dir() => MountSource::BindOverlay { path },
                _ => return,
            },
        };
        let propagation = Propagation::parse(propagation);
        let destination = PathBuf::from(destination);
        out.retain(|other: &Mount| other.destination != destination);
        out.push(Mount { destination, source, read_only, propagation, from: from.to_string() });
    };
    for text in texts("Binds").iter().filter_map(Value::as_str) {
        let parts: Vec<&str> = text.split(':').collect();
        if let [source, destination, rest @ ..] = &parts[..] {
            let mode: Vec<&str> = rest.iter().flat_map(|mode| mode.split(',')).collect();
            let propagation = mode.iter().find(|word| !matches!(**word, "ro" | "rw" | "z" | "Z")).unwrap_or(&"");
            add(source, destination, mode.contains(&"ro"), propagation, "HostConfig.Binds");
        }
    }
    for mount in texts("Mounts").iter().filter(|mount| mount["Type"] != "tmpfs") {
        let text = |key: &str| mount[key].as_str().unwrap_or_default();
        let propagation = mount["BindOptions"]["Propagation"].as_str().unwrap_or_default();
        let read_only = mount["ReadOnly"].as_bool().unwrap_or(false);
        add(text("Source"), text("Target"), read_only, propagation, "HostConfig.Mounts");
    }
    Ok(out)
}

/// Where a path of the old host lies in the evidence: below the data root, or below the host's own `/`.
fn evidence(source: &str, host: &Host, host_root: Option<&Path>) -> Option<PathBuf> {
    if !source.starts_with('/') {
        return None;
    }
    let inside = host.stores().iter().find_map(|store| store.rebase(source.as_bytes()));
    match inside {
        Some(path) => Some(on_this_machine(host, &path)),
        None => host_root.map(|top| top.join(source.trim_start_matches('/'))),
    }
}

/// The mounts of a container of the root at `root`: its record's own, as docker keeps them in `MountPoints`.
pub fn of_record(points: &Value, root: &Path) -> Vec<Mount> {
    let map = points.as_object().into_iter().flatten();
    map.filter_map(|(destination, point)| {
        let source = volume(point, root)
            .or_else(|| point["Source"].as_str().filter(|source| source.starts_with('/')).map(PathBuf::from))?;
        Some(Mount {
            destination: PathBuf::from(destination),
            source: MountSource::Bind { path: source },
            read_only: !point["RW"].as_bool().unwrap_or(true),
            propagation: Propagation::parse(point["Propagation"].as_str().unwrap_or_default()),
            from: "MountPoints".to_string(),
        })
    })
    .collect()
}

/// A volume of the root. dockerd writes no source for one without a name, and for others where its root lay then.
fn volume(point: &Value, root: &Path) -> Option<PathBuf> {
    let name = point["Name"].as_str().filter(|name| !name.is_empty() && !name.contains('/') && *name != "..")?;
    let data = root.join("volumes").join(name).join("_data");
    (point["Driver"] == "local" && data.is_dir()).then_some(data)
}

/// The files of a container's `/etc`, from the folder where they lie; with a root that cannot be written they cannot either
/// (moby v20.10.24 container/container_unix.go NetworkMounts).
pub fn of_etc(folder: &Path, record: &Value) -> Vec<Mount> {
    let read_only = record["HostConfig"]["ReadonlyRootfs"].as_bool().unwrap_or(false);
    let mount = |name: &str| Mount {
        destination: Path::new("/etc").join(name),
        source: MountSource::Bind { path: folder.join(name) },
        read_only,
        propagation: Propagation::Private,
        from: "docker's default".to_string(),
    };
    ["hostname", "hosts", "resolv.conf"].into_iter().map(mount).collect()
}
