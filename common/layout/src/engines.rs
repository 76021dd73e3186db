//! Which engines wrote a root, and of which version, as far as it tells (docs/layouts/versions.md).
//!
//! No engine records its version as such. What it leaves is told by what it means: images name the docker or buildah that
//! made them, podman's containers the runtime spec that it was built with, folders the first docker that made such, and on a
//! whole disk the package manager what is installed.

mod packages;

use std::collections::BTreeMap;
use std::fmt;

use hostfs::{DirEntry, Problem, ReadError, Root};
use model::{Generation, HostPath, Image, Store};
use serde_json::{Value, json};

use crate::Found;
use crate::containers_storage;
use crate::docker::volumes::is_docker;
use crate::json::{Notes, code_of};

/// An engine whose traces lie in the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Engine {
    /// Its name: `docker`, `podman`, or that of a package.
    pub name: String,
    /// Its version, or what is known of it: `5.0 to 5.4`, `23.0 or later`.
    pub version: String,
    /// What says so.
    pub by: Trace,
    /// Where that lies.
    pub place: HostPath,
}

/// What an engine left that tells its version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trace {
    /// So many images that name it as their maker.
    Images(usize),
    /// The helper program that docker up to 1.10 put into its folder.
    Helper,
    /// A file or folder that only some versions make.
    FirstMade(&'static str),
    /// The runtime spec by which it made containers.
    RuntimeSpec(u32, u32, u32),
    /// The package manager that has it installed.
    Installed(&'static str),
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Trace::Images(1) => f.write_str("made 1 image"),
            Trace::Images(count) => write!(f, "made {count} images"),
            Trace::Helper => f.write_str("its dockerinit"),
            Trace::FirstMade(mark) => write!(f, "made '{mark}'"),
            Trace::RuntimeSpec(major, minor, patch) => {
                write!(f, "made containers by runtime spec {major}.{minor}.{patch}")
            }
            Trace::Installed(manager) => write!(f, "installed, says {manager}"),
        }
    }
}

impl Engine {
    fn new(name: &str, version: impl Into<String>, by: Trace, place: HostPath) -> Engine {
        Engine { name: name.to_string(), version: version.into(), by, place }
    }

    /// As an object with docker's kind of keys.
    pub fn json(&self) -> Value {
        json!({ "Name": self.name, "Version": self.version, "By": self.by.to_string(), "Place": self.place.to_string() })
    }
}

/// The engines that a root names, those of its stores first, then installed packages; each thing said once.
pub fn engines(root: &Root, stores: &[Store]) -> Found<Vec<Engine>> {
    let mut all: Found<Vec<Engine>> = Default::default();
    for (index, store) in stores.iter().enumerate() {
        let (images, findings) = crate::images(root, stores, index);
        all.1.extend(findings);
        all.0.extend(of_images(&images));
        if is_docker(store.generation) {
            let mut notes = Notes::new("docker's helper program", &store.home);
            all.0.extend(oldest_docker(root, &store.home, &mut notes));
            all.1.extend(notes.list);
        }
        if store.generation == Generation::ContainersStorage {
            all.0.extend(containers_storage::engine(root, store));
        }
    }
    let mut notes = Notes::new("installed packages", &HostPath::default());
    all.0.extend(packages::installed(root.host(), &mut notes));
    all.1.extend(notes.list);
    let mut said: Vec<Engine> = Vec::new();
    for engine in all.0 {
        if !said.contains(&engine) {
            said.push(engine);
        }
    }
    (said, all.1)
}

/// The makers that images name, by name and version, each with the place of one such image.
fn of_images(images: &[Image]) -> Vec<Engine> {
    let mut makers: BTreeMap<(&str, String), (usize, &HostPath)> = BTreeMap::new();
    for image in images {
        let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
        for (name, key) in [("docker", "/docker_version"), ("buildah", "/config/Labels/io.buildah.version")] {
            if let Some(version) = config.pointer(key).and_then(Value::as_str).filter(|version| !version.is_empty()) {
                makers.entry((name, version.to_string())).or_insert((0, &image.record)).0 += 1;
            }
        }
    }
    let engine = |((name, version), (count, place)): ((&str, _), (_, &HostPath))| {
        Engine::new(name, version, Trace::Images(count), place.clone())
    };
    makers.into_iter().map(engine).collect()
}

/// What docker made first in which version, the newest first (moby, the release's daemon; docs/layouts/versions.md).
const FIRST_MADE: [(&str, &str); 8] = [
    ("engine-id", "23.0"),
    ("buildkit", "18.06"),
    ("swarm", "1.12"),
    ("volumes/metadata.db", "1.11"),
    ("image", "1.10"),
    ("network/files/local-kv.db", "1.9"),
    ("linkgraph.db", "0.7"),
    ("repositories", "0.3"),
];

/// The oldest docker that can have written what lies in `home`; what its helper program says is exact.
fn oldest_docker(root: &Root, home: &HostPath, notes: &mut Notes) -> Vec<Engine> {
    let init = home.join("init");
    let helpers = names_after(&entries(root, &init, notes), &init, "dockerinit-");
    let helpers = helpers.into_iter().map(|(version, place)| Engine::new("docker", version, Trace::Helper, place));
    let first = FIRST_MADE.iter().find(|(mark, _)| root.exists(&home.join(mark)));
    let first = first.map(|(mark, version)| {
        Engine::new("docker", format!("{version} or later"), Trace::FirstMade(mark), home.join(mark))
    });
    helpers.chain(first).collect()
}

/// What lies in a folder, if there is one.
fn entries(root: &Root, folder: &HostPath, notes: &mut Notes) -> Vec<DirEntry> {
    root.entries(folder).map_err(|error| note(&error, folder, notes)).unwrap_or_default()
}

/// Notes why a file or folder could not be read; one that is not there, or lies behind a link as on systems of another
/// kind, is no loss.
fn note(error: &ReadError, path: &HostPath, notes: &mut Notes) {
    if !matches!(error.problem, Problem::Missing | Problem::Symlink | Problem::NotDir) {
        notes.at(path).add(code_of(error), error.problem.to_string());
    }
}

/// What follows `start` in the names of a folder, with the place of each.
fn names_after(entries: &[DirEntry], folder: &HostPath, start: &str) -> Vec<(String, HostPath)> {
    let after = |name: &[u8]| Some(String::from_utf8_lossy(name.strip_prefix(start.as_bytes())?).into_owned());
    entries.iter().filter_map(|entry| Some((after(&entry.name)?, folder.join(&entry.name)))).collect()
}
