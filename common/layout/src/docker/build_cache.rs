//! The build cache, `buildkit/metadata_v2.db` (up to docker 20.10 also `metadata.db`; with containerd's store
//! `buildkit/containerd-<snapshotter>/`): buckets `_main/<record>/`, values `{"value":…}`
//! (buildkit v0.8 cache/metadata/metadata.go, cache/metadata.go; moby v20.10.24 builder/builder-next/adapters/snapshot).

use std::collections::{BTreeMap, BTreeSet};

use hostfs::Root;
use model::{Digest, HostPath, Store, Timestamp};
use serde_json::Value;

use crate::Found;
use crate::db::{self, bolt};
use crate::json::{self, Notes};

/// One record of the build cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheRecord {
    /// The builder's own id.
    pub id: String,
    /// `regular`, `source.local`, `exec.cachemount`, `frontend`, `internal`, …
    pub kind: String,
    /// What made it.
    pub description: String,
    /// Bytes, where the builder has counted them.
    pub size: Option<u64>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last used.
    pub used: Option<Timestamp>,
    /// How often.
    pub uses: u64,
    /// The chain of layers that it is, where the builder says: that of an image may be the same.
    pub chain_id: Option<Digest>,
}

/// The records of a store's build cache, newest first.
pub(crate) fn records(root: &Root, store: &Store) -> Found<Vec<CacheRecord>> {
    let mut notes = Notes::new("build cache", &store.home);
    let home = store.home.join("buildkit");
    let mut list: Vec<CacheRecord> =
        folders(root, &home).iter().flat_map(|folder| of(root, folder, &mut notes)).collect();
    list.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    (list, notes.list)
}

/// The builder's folder, and those that it keeps for containerd's snapshotters.
fn folders(root: &Root, home: &HostPath) -> Vec<HostPath> {
    let entries = root.open_dir(home).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    let more =
        entries.iter().filter(|entry| entry.name.starts_with(b"containerd-")).map(|entry| home.join(&entry.name));
    std::iter::once(home.clone()).chain(more).collect()
}

fn of(root: &Root, folder: &HostPath, notes: &mut Notes) -> Vec<CacheRecord> {
    let chains = chains(root, folder, notes);
    let names = ["metadata_v2.db", "metadata.db"];
    let Some(path) = names.iter().map(|name| folder.join(name)).find(|path| root.exists(path)) else {
        return Vec::new();
    };
    let list = read(root, &path, notes, |database| {
        let main = database.root.bucket("_main");
        let buckets = main.into_iter().flat_map(|main| main.buckets());
        buckets.map(|(id, bucket)| (String::from_utf8_lossy(id).into_owned(), Fields::of(bucket))).collect()
    });
    shown(list.unwrap_or_default(), &chains)
}

/// Layers by record, which the builder keeps apart where docker's graph drivers hold its files.
fn chains(root: &Root, folder: &HostPath, notes: &mut Notes) -> BTreeMap<String, Digest> {
    let chains = read(root, &folder.join("snapshots.db"), notes, |database| {
        let chain = |(id, bucket): (&[u8], &bolt::Bucket)| {
            Some((String::from_utf8_lossy(id).into_owned(), bucket.text("chainid").parse().ok()?))
        };
        database.root.buckets().filter_map(chain).collect()
    });
    chains.unwrap_or_default()
}

fn read<T>(root: &Root, path: &HostPath, notes: &mut Notes, take: impl Fn(&bolt::Database) -> T) -> Option<T> {
    let raw = match root.read(path, db::LIMIT) {
        Ok(raw) => raw,
        Err(error) if error.is_missing() => return None,
        Err(error) => {
            notes.at(path).add(json::code_of(&error), error.problem.to_string());
            return None;
        }
    };
    match bolt::Database::read(&raw) {
        Ok(database) => {
            for damage in &database.damage {
                notes.at(path).add("database-damaged", damage.clone());
            }
            Some(take(&database))
        }
        Err(error) => {
            notes.at(path).add("database-damaged", error.to_string());
            None
        }
    }
}

/// What is needed of one record's values.
struct Fields {
    values: BTreeMap<&'static str, Value>,
}

const KEYS: [&str; 8] = [
    "cache.createdAt",
    "cache.deleted",
    "cache.description",
    "cache.equalMutable",
    "cache.lastUsedAt",
    "cache.recordType",
    "cache.usageCount",
    "snapshot.size",
];

impl Fields {
    fn of(bucket: &bolt::Bucket) -> Fields {
        let value = |key: &&'static str| {
            let value: Value = serde_json::from_slice(bucket.get(key)?).ok()?;
            Some((*key, value.get("value")?.clone()))
        };
        Fields { values: KEYS.iter().filter_map(value).collect() }
    }

    fn text(&self, key: &str) -> &str {
        self.values.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.values.get(key).and_then(Value::as_u64)
    }

    /// Nanoseconds since 1970.
    fn time(&self, key: &str) -> Option<Timestamp> {
        const SECOND: i64 = 1_000_000_000;
        let nanos = self.values.get(key).and_then(Value::as_i64)?;
        Some(Timestamp { seconds: nanos.div_euclid(SECOND), nanos: nanos.rem_euclid(SECOND) as u32 })
    }
}

/// A record that stands for the same files as another, still mutable one is not shown beside it, and has its size
/// (buildkit v0.8 cache/manager.go DiskUsage).
fn shown(list: Vec<(String, Fields)>, chains: &BTreeMap<String, Digest>) -> Vec<CacheRecord> {
    let ids: BTreeSet<&str> = list.iter().map(|(id, _)| id.as_str()).collect();
    let twin_of =
        |fields: &Fields| Some(fields.text("cache.equalMutable")).filter(|id| ids.contains(id)).map(str::to_string);
    let twins: BTreeMap<String, &(String, Fields)> =
        list.iter().filter_map(|record| Some((twin_of(&record.1)?, record))).collect();
    let is_shown = |fields: &Fields| {
        let is_deleted = fields.values.get("cache.deleted").and_then(Value::as_bool).unwrap_or(false);
        !is_deleted && twin_of(fields).is_none()
    };
    let record = |(id, fields): &(String, Fields)| {
        let twin = twins.get(id);
        let size = || twin.and_then(|(_, twin)| twin.number("snapshot.size"));
        let kind = Some(fields.text("cache.recordType")).filter(|kind| !kind.is_empty()).unwrap_or("regular");
        CacheRecord {
            id: id.clone(),
            kind: kind.into(),
            description: fields.text("cache.description").into(),
            size: fields.number("snapshot.size").or_else(size),
            created: fields.time("cache.createdAt"),
            used: fields.time("cache.lastUsedAt"),
            uses: fields.number("cache.usageCount").unwrap_or(0),
            chain_id: chains.get(id).or_else(|| chains.get(&twin?.0)).copied(),
        }
    };
    list.iter().filter(|(_, fields)| is_shown(fields)).map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Driver, Generation};

    #[test]
    fn the_cache_of_two_builds_is_what_docker_20_10_said_of_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("buildkit")).unwrap();
        for (name, bytes) in [
            ("metadata_v2.db", &include_bytes!("../../tests/data/docker-20.10.24-buildkit-metadata_v2.db")[..]),
            ("snapshots.db", &include_bytes!("../../tests/data/docker-20.10.24-buildkit-snapshots.db")[..]),
        ] {
            std::fs::write(dir.path().join("buildkit").join(name), bytes).unwrap();
        }
        let store = Store {
            generation: Generation::DockerContent,
            driver: Driver::Overlay2,
            home: HostPath::default(),
            recorded: b"/var/lib/docker".as_slice().into(),
            namespace: "".into(),
            evidence: Vec::new(),
            host: None,
        };
        let (list, findings) = records(&Root::open(dir.path()).unwrap(), &store);
        assert_eq!(findings, vec![]);
        // GET /system/df of the engine, newest first; it said of those with a chain that they are shared.
        let told =
            |record: &CacheRecord| (record.id[..6].to_string(), record.size, record.uses, record.chain_id.is_some());
        let expected = [
            ("m15kqt", 4, 1, true),
            ("u9p0s1", 300_037, 1, false),
            ("8b2jct", 307_200, 2, false),
            ("int7ys", 4, 1, true),
            ("6kcjha", 300_000, 2, true),
            ("4pl234", 300_037, 1, false),
            ("6w5y9t", 307_200, 2, false),
        ];
        let expected = expected.map(|(id, size, uses, chain)| (id.to_string(), Some(size), uses, chain));
        assert_eq!(list.iter().map(told).collect::<Vec<_>>(), expected);
        assert_eq!(list[0].created.map(Timestamp::rfc3339).as_deref(), Some("2026-11-21T15:34:59.914252257Z"));
        assert_eq!((&*list[0].kind, &*list[0].description), ("regular", "fileop target"));
    }
}
