//! What is mounted in a container, with sources on this machine.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use host::Host;
use launch::spec::{Mount, MountSource, Propagation};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use serde_json::Value;

use crate::LifeError;
use crate::files::on_this_machine;

/// The mounts of an old container, whose sources are evidence.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Those that are here. They are never written, since each lies under a layer in memory.
    pub mounts: Vec<Mount>,
    /// Those that are not.
    pub missing: Vec<Missing>,
}

/// A mount of an old container whose source is not here.
#[derive(Debug)]
pub struct Missing {
    /// Where, inside.
    pub destination: PathBuf,
    /// The source on the old host.
    pub source: PathBuf,
    /// Whether it could not be written.
    pub read_only: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        let (destination, source) = (self.destination.display(), self.source.display());
        write!(
            to,
            "nothing is mounted on '{destination}': '{source}' of the old host is not here (--host-root says where its / is)"
        )
    }
}

/// Finds what an old container had mounted. `host_root` is the old host's own `/`.
pub fn of_evidence(record: &Value, host: &Host, host_root: Option<&Path>) -> Evidence {
    let mut out = Evidence::default();
    for mount in record["Mounts"].as_array().into_iter().flatten() {
        let text = |key: &str| mount[key].as_str().unwrap_or_default();
        if text("Type") == "tmpfs" || text("Destination").is_empty() {
            continue;
        }
        let destination = PathBuf::from(text("Destination"));
        let read_only = !mount["RW"].as_bool().unwrap_or(true);
        match evidence(text("Source"), host, host_root) {
            Some(path) => out.mounts.push(Mount {
                destination,
                source: MountSource::BindOverlay { path },
                read_only,
                propagation: Propagation::Private,
                from: "Mounts".to_string(),
            }),
            None => out.missing.push(Missing { destination, source: PathBuf::from(text("Source")), read_only }),
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
        let evidence = of_evidence(&other, host, host_root);
        notes.extend(evidence.missing.iter().map(ToString::to_string));
        out.extend(evidence.mounts);
    }
    let mut add = |source: &str, destination: &str, read_only: bool, propagation: &str, mount: &Value| {
        let from = if mount.is_null() { "HostConfig.Binds" } else { "HostConfig.Mounts" };
        let source = match source.starts_with('/') {
            true => bound(PathBuf::from(source), mount),
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
            add(source, destination, mode.contains(&"ro"), propagation, &Value::Null);
        }
    }
    for mount in texts("Mounts").iter().filter(|mount| mount["Type"] != "tmpfs") {
        let text = |key: &str| mount[key].as_str().unwrap_or_default();
        let propagation = mount["BindOptions"]["Propagation"].as_str().unwrap_or_default();
        let read_only = mount["ReadOnly"].as_bool().unwrap_or(false);
        add(text("Source"), text("Target"), read_only, propagation, mount);
    }
    Ok(out)
}

/// Where a path of the old host lies in the evidence: below the data root, or below the host's own `/`.
fn evidence(source: &str, host: &Host, host_root: Option<&Path>) -> Option<PathBuf> {
    let below = source.strip_prefix('/')?;
    let stored = host.stores().iter().find_map(|store| store.rebase(source.as_bytes()));
    let in_root = stored.and_then(|path| within(host.root().path(), Path::new(OsStr::from_bytes(path.as_bytes()))));
    in_root.or_else(|| within(host_root?, Path::new(below)))
}

/// Where a path leads below a folder of the evidence. Links are taken as the old host took them: none of them leads to this machine's own
/// files.
fn within(top: &Path, path: &Path) -> Option<PathBuf> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let top = fs::open(top, flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let links = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = fs::openat2(&top, path, flags, Mode::empty(), links).ok()?;
    std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()
}

/// The mounts of a container of the root at `root`: its record's own, as docker keeps them in `MountPoints`.
pub fn of_record(points: &Value, root: &Path) -> Vec<Mount> {
    let map = points.as_object().into_iter().flatten();
    map.filter_map(|(destination, point)| {
        let source = volume(point, root)
            .or_else(|| point["Source"].as_str().filter(|source| source.starts_with('/')).map(PathBuf::from))?;
        Some(Mount {
            destination: PathBuf::from(destination),
            source: bound(source, &point["Spec"]),
            read_only: !point["RW"].as_bool().unwrap_or(true),
            propagation: Propagation::parse(point["Propagation"].as_str().unwrap_or_default()),
            from: "MountPoints".to_string(),
        })
    })
    .collect()
}

/// A path of this machine, with what is mounted below it unless its mount says otherwise.
fn bound(path: PathBuf, mount: &Value) -> MountSource {
    match mount["BindOptions"]["NonRecursive"] == true {
        true => MountSource::BindAlone { path },
        false => MountSource::Bind { path },
    }
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
