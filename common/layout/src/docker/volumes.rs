//! Volumes of all ages of docker: one folder each, under `volumes/`.
//!
//! | docker | what says so | where its files lie |
//! |---|---|---|
//! | 0.6 | `json` | `volumes/<id>/layer` (container.go, v0.6.4) |
//! | 0.7 to 1.2 | `json` | `vfs/dir/<id>` (volumes/, v1.2.0: always the vfs driver) |
//! | 1.3 to 1.6 | `config.json`, which bind mounts have too | `vfs/dir/<id>` (volumes/volume.go, v1.6.0) |
//! | 1.7 on | the folder | `volumes/<name>/_data`, perhaps a symbolic link to `vfs/dir/<id>` (daemon/volumes.go, v1.7.0) |
//! | 1.11 on | and `metadata.db`, `opts.json` | (volume/service/db.go, volume/local/local.go, v20.10.24) |

use std::collections::BTreeMap;

use hostfs::Root;
use model::{Finding, Generation, HostPath, Store, Volume};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Found;
use crate::db::{self, bolt};
use crate::json::{self as record, Loose, Notes, Pairs};

/// `volumes/metadata.db`: what is known of a volume beside its folder.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Row {
    driver: Loose<String>,
    labels: Loose<Pairs<Option<String>>>,
    options: Loose<Pairs<Option<String>>>,
}

/// `config.json` of 1.3 to 1.6.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct OldRecord {
    is_bind_mount: Loose<bool>,
}

/// `volumes` of a store.
pub(crate) fn folder(store: &Store) -> HostPath {
    store.home.join("volumes")
}

/// The volumes of a home, by name; told by the first of docker's stores in it, since they share them.
pub(crate) fn read(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Volume>> {
    let store = &stores[index];
    let shares = |other: &Store| other.home == store.home && is_docker(other.generation);
    if stores.iter().position(shares) != Some(index) {
        return Default::default();
    }
    let mut notes = Notes::new("volumes", &folder(store).join("metadata.db"));
    let mut rows = rows(root, &folder(store).join("metadata.db"), &mut notes);
    let mut list = Vec::new();
    for name in folders(root, store, &mut notes) {
        let row = rows.remove(&name);
        list.extend(volume(root, store, index, name, row, &mut notes));
    }
    // What is only in the database belongs to a driver that keeps its files elsewhere, or has lost its folder.
    list.extend(rows.into_iter().filter_map(|(name, row)| foreign(store, index, name, row, &mut notes)));
    list.sort_by(|a, b| a.name.cmp(&b.name));
    (list, notes.list)
}

/// Whether a generation keeps docker's own folders `containers`, `volumes`, `network`.
pub(crate) fn is_docker(generation: Generation) -> bool {
    !matches!(generation, Generation::Containerd | Generation::ContainersStorage)
}

fn rows(root: &Root, path: &HostPath, notes: &mut Notes) -> BTreeMap<String, Row> {
    let raw = match root.read(path, db::LIMIT) {
        Ok(raw) => raw,
        Err(error) if error.is_missing() => return BTreeMap::new(),
        Err(error) => {
            notes.at(path).add(
                record::code_of(&error),
                format!("labels and drivers of volumes are not known: {}", error.problem),
            );
            return BTreeMap::new();
        }
    };
    let database = match bolt::Database::read(&raw) {
        Ok(database) => database,
        Err(error) => {
            notes.at(path).add("database-damaged", format!("labels and drivers of volumes are not known: {error}"));
            return BTreeMap::new();
        }
    };
    for damage in &database.damage {
        notes.at(path).add("database-damaged", damage.clone());
    }
    let Some(bucket) = database.root.bucket("volumes") else { return BTreeMap::new() };
    let parse = |(key, value): (&[u8], &[u8])| {
        let name = String::from_utf8_lossy(key).into_owned();
        let mut own = Notes::new(format!("volume {name}"), path);
        let row = record::parse(value, &mut own).unwrap_or_default();
        notes.list.append(&mut own.list);
        (name, row)
    };
    bucket.values().map(parse).collect()
}

/// The names that have a folder.
fn folders(root: &Root, store: &Store, notes: &mut Notes) -> Vec<String> {
    let path = folder(store);
    let entries = match root.entries(&path) {
        Ok(entries) => entries,
        Err(error) if error.is_missing() => return Vec::new(),
        Err(error) => {
            notes.at(&path).add(record::code_of(&error), format!("no volume can be listed: {}", error.problem));
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        let here = path.join(&entry.name);
        match std::str::from_utf8(&entry.name) {
            // `_tmp` is the volume graph's scratch folder, `backingFsBlockDev` a device node of the quota code.
            Ok("_tmp" | "metadata.db" | "backingFsBlockDev") => {}
            Ok(name) if entry.is_dir.unwrap_or_else(|| root.is_dir(&here)) => names.push(name.to_string()),
            _ => notes.at(&here).add("stray-file", "it is not the folder of a volume; it is passed over"),
        }
    }
    names
}

fn volume(
    root: &Root,
    store: &Store,
    index: usize,
    name: String,
    row: Option<Row>,
    notes: &mut Notes,
) -> Option<Volume> {
    let place = place(root, store, &name, notes)?;
    let home = folder(store).join(&name);
    let row = row.unwrap_or_default();
    let mut options = pairs(row.options, "Options", notes);
    if options.is_empty() {
        options = opts(root, &home.join("opts.json"), notes);
    }
    let driver = row.driver.take("Driver", notes);
    Some(Volume {
        store: index,
        driver: if driver.is_empty() { "local".into() } else { driver },
        mountpoint: format!(
            "{}/{}",
            String::from_utf8_lossy(&store.recorded),
            String::from_utf8_lossy(place.as_bytes())
        ),
        data: data(root, store, &store.home.join(place.as_bytes())),
        labels: pairs(row.labels, "Labels", notes),
        options,
        created: root.stat(&home).ok().map(|stat| stat.mtime),
        name,
    })
}

/// Where the files of a volume lie, below the store's home; `None` for the record of a bind mount.
fn place(root: &Root, store: &Store, name: &str, notes: &mut Notes) -> Option<HostPath> {
    let here = HostPath::from("volumes").join(name);
    let full = store.home.join(here.as_bytes());
    let vfs = HostPath::from("vfs/dir").join(name);
    if root.exists(&full.join("_data")) {
        return Some(here.join("_data"));
    }
    if root.is_dir(&full.join("layer")) {
        return Some(here.join("layer"));
    }
    let old = full.join("config.json");
    if let Some(raw) = record::read_if_there(root, &old, notes) {
        let record: OldRecord = record::parse(&raw, notes.at(&old)).unwrap_or_default();
        return (!record.is_bind_mount.take("IsBindMount", notes)).then_some(vfs);
    }
    Some(if root.exists(&full.join("json")) || root.is_dir(&store.home.join(vfs.as_bytes())) {
        vfs
    } else {
        here.join("_data")
    })
}

/// The files in the evidence. `_data` of a volume that is older than docker 1.7 is a link into `vfs/dir`.
fn data(root: &Root, store: &Store, place: &HostPath) -> Option<HostPath> {
    if root.is_dir(place) {
        return Some(place.clone());
    }
    let target = root.read_link(place).ok()?;
    store.rebase(&target).filter(|path| root.is_dir(path))
}

/// `opts.json`: `{"MountType","MountOpts","MountDevice","Quota"}`, under the names that were given.
fn opts(root: &Root, path: &HostPath, notes: &mut Notes) -> Vec<(String, String)> {
    let Some(Value::Object(table)) =
        record::read_if_there(root, path, notes).and_then(|raw| record::value(&raw, notes.at(path)))
    else {
        return Vec::new();
    };
    let named = [("type", "MountType"), ("o", "MountOpts"), ("device", "MountDevice")];
    let text = |key: &str| table.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    named.into_iter().filter_map(|(name, key)| Some((name.to_string(), text(key)?.to_string()))).collect()
}

fn foreign(store: &Store, index: usize, name: String, row: Row, notes: &mut Notes) -> Option<Volume> {
    let driver = row.driver.take("Driver", notes);
    if matches!(driver.as_str(), "" | "local") {
        notes
            .at(&folder(store).join(&name))
            .add("volume-missing", format!("volume {name} is recorded, but its folder is not there"));
    }
    Some(Volume {
        store: index,
        driver: if driver.is_empty() { "local".into() } else { driver },
        mountpoint: String::new(),
        data: None,
        labels: pairs(row.labels, "Labels", notes),
        options: pairs(row.options, "Options", notes),
        created: None,
        name,
    })
}

fn pairs(found: Loose<Pairs<Option<String>>>, key: &str, notes: &mut Notes) -> Vec<(String, String)> {
    found.take(key, notes).0.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect()
}

/// A volume in docker's shape of today (api/types/volume, v28.5.2).
pub(crate) fn inspect(root: &Root, stores: &[Store], volume: &Volume) -> Found<Value> {
    let object = |pairs: &[(String, String)]| -> Value {
        if pairs.is_empty() {
            Value::Null
        } else {
            pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect::<Map<_, _>>().into()
        }
    };
    let shown = json!({
        "CreatedAt": volume.created.map(|time| model::Timestamp::new(time.seconds, 0).rfc3339()),
        "Driver": volume.driver,
        "Labels": object(&volume.labels),
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": object(&volume.options),
        "Scope": "local",
        "Dockless": {
            "Store": stores[volume.store].to_string(),
            "Data": volume.data.as_ref().map(HostPath::to_string),
            "Records": records(root, &stores[volume.store], volume).iter().map(HostPath::to_string).collect::<Vec<_>>(),
        },
    });
    (shown, Vec::<Finding>::new())
}

/// The files that say something of a volume.
pub(crate) fn records(root: &Root, store: &Store, volume: &Volume) -> Vec<HostPath> {
    let home = folder(store).join(&volume.name);
    let all = [home.join("opts.json"), home.join("config.json"), home.join("json"), folder(store).join("metadata.db")];
    all.into_iter().filter(|path| root.exists(path)).collect()
}
