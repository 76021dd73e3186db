//! Snapshots: the way from a key in a namespace to the folders that hold its files (docs/layouts/containerd.md;
//! containerd core/metadata/snapshot.go and core/snapshots/storage/bolt.go, v2.3.3).

use std::collections::HashSet;

use hostfs::Root;
use model::{Digest, Driver, HostPath, LayerRef};

use super::metadata::{self, File};
use crate::db::bolt::{Bucket, Database};
use crate::db::protobuf;
use crate::json::Notes;

/// A snapshotter of a containerd folder, as one namespace sees it.
pub(crate) struct Snapshots<'a> {
    /// `snapshots/<name>` of the namespace.
    keys: Option<&'a Bucket<'a>>,
    /// `v1/snapshots` of the snapshotter's own database.
    names: Option<&'a Bucket<'a>>,
    driver: Driver,
    folder: HostPath,
}

/// One snapshot.
pub(crate) struct Snapshot {
    pub layer: LayerRef,
    /// The key of the one below, as the namespace has it.
    pub parent: String,
}

/// The driver that reads a snapshotter's files.
pub(crate) fn driver(name: &str) -> Driver {
    match name {
        "overlayfs" => Driver::OverlayfsSnapshot,
        "native" => Driver::NativeSnapshot,
        other => Driver::Other(other.into()),
    }
}

/// Reads a snapshotter's database; `None` where it has none.
pub(crate) fn file(root: &Root, folder: &HostPath, snapshotter: &str, notes: &mut Notes) -> Option<File> {
    let safe = !snapshotter.is_empty() && !snapshotter.contains('/');
    safe.then(|| File::snapshotter(root, folder, snapshotter, notes)).flatten()
}

impl<'a> Snapshots<'a> {
    pub fn new(
        namespace: &'a Bucket<'a>,
        own: Option<&'a Database<'a>>,
        folder: &HostPath,
        snapshotter: &str,
    ) -> Snapshots<'a> {
        Snapshots {
            keys: namespace.at([b"snapshots", snapshotter.as_bytes()]),
            names: own.and_then(|own| own.root.at([b"v1", b"snapshots"])),
            driver: driver(snapshotter),
            folder: metadata::snapshotter_folder(folder, snapshotter).join("snapshots"),
        }
    }

    /// The snapshot of a key; `None` where there is none, or where its folder is not recorded.
    pub fn get(&self, key: &str) -> Option<Snapshot> {
        let entry = self.keys?.bucket(key)?;
        let name = entry.get("name")?;
        let own = self.names?.bucket(name)?;
        let (id, _) = protobuf::varint(own.get("id")?)?;
        let layer = LayerRef {
            driver: self.driver.clone(),
            id: id.to_string().into(),
            folder: self.folder.clone(),
            diff_id: None,
            chain_id: key.parse::<Digest>().ok(),
            tar_split: None,
            blob: None,
            size: metadata::size_of(own, "size"),
        };
        Some(Snapshot { layer, parent: entry.text("parent") })
    }

    /// The layers of a snapshot, top first. `Err` names the key that is missing.
    pub fn chain(&self, key: &str) -> Result<Vec<Snapshot>, String> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let mut next = key.to_string();
        while !next.is_empty() {
            if !seen.insert(next.clone()) {
                return Err(format!("snapshot '{next}' is below itself"));
            }
            let snapshot = self.get(&next).ok_or_else(|| format!("snapshot '{next}' is not recorded"))?;
            next = snapshot.parent.clone();
            out.push(snapshot);
        }
        Ok(out)
    }

    /// A layer that was never unpacked: it has no folder, and its id is empty.
    pub fn nowhere(&self) -> LayerRef {
        LayerRef {
            driver: self.driver.clone(),
            id: "".into(),
            folder: self.folder.clone(),
            diff_id: None,
            chain_id: None,
            tar_split: None,
            blob: None,
            size: None,
        }
    }
}

/// The snapshotter that a namespace uses most, of those that have a database; containerd's default where none does.
pub(crate) fn main_one(namespace: &Bucket) -> String {
    let all = namespace.bucket("snapshots").into_iter().flat_map(Bucket::buckets);
    let most = all.max_by_key(|(_, keys)| keys.items().count());
    most.map_or("overlayfs".to_string(), |(name, _)| String::from_utf8_lossy(name).into_owned())
}
