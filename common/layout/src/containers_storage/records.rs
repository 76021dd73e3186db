//! The lists of containers/storage: `<driver>-layers/layers.json`, `<driver>-images/images.json`,
//! `<driver>-containers/containers.json`, with their `volatile-` twins (docs/layouts/containers-storage.md;
//! containers/storage layers.go, images.go, containers.go, v1.59.1).

use std::collections::{HashMap, HashSet};

use hostfs::Root;
use model::{Digest, Driver, HostPath, IdMap, IdRange, LayerRef, Store};
use serde::Deserialize;
use serde_json::Value;

use crate::json::{self, Notes};

/// An entry of `layers.json`.
#[derive(Deserialize, Clone, Default, Debug)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Layer {
    pub id: String,
    pub parent: String,
    pub diff_digest: String,
    pub diff_size: Option<u64>,
    pub uidmap: Vec<Range>,
    pub gidmap: Vec<Range>,
    pub flags: Option<HashMap<String, Value>>,
}

/// An entry of `images.json`.
#[derive(Deserialize, Clone, Default, Debug)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Image {
    pub id: String,
    pub digest: String,
    pub names: Option<Vec<String>>,
    pub layer: String,
    pub created: String,
    pub big_data_names: Option<Vec<String>>,
}

/// An entry of `containers.json`.
#[derive(Deserialize, Clone, Default, Debug)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Container {
    pub id: String,
    pub names: Option<Vec<String>>,
    pub image: String,
    pub layer: String,
    pub metadata: String,
    pub created: String,
    pub uidmap: Vec<Range>,
    pub gidmap: Vec<Range>,
}

/// A range of ids (containers/storage pkg/idtools/idtools.go `IDMap`).
#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(default)]
pub(crate) struct Range {
    container_id: u64,
    host_id: u64,
    size: u64,
}

/// What a storage folder's list of one kind says, the damaged entries left out.
fn list<T: for<'a> Deserialize<'a>>(root: &Root, store: &Store, folder: &str, name: &str, notes: &mut Notes) -> Vec<T> {
    let folder = folder_of(store, folder);
    let mut out = Vec::new();
    for path in [folder.join(format!("{name}.json")), folder.join(format!("volatile-{name}.json"))] {
        let Some(raw) = json::read_if_there(root, &path, notes) else { continue };
        let Some(Value::Array(entries)) = json::value(&raw, notes.at(&path)) else {
            notes.at(&path).add("record-damaged", format!("no list of {name} can be read from it"));
            continue;
        };
        for entry in entries {
            let id = entry.get("id").and_then(Value::as_str).unwrap_or("?").to_string();
            match serde_json::from_value(entry) {
                Ok(entry) => out.push(entry),
                Err(error) => {
                    notes.at(&path).add("record-damaged", format!("the entry of '{id}' is left out: {error}"))
                }
            }
        }
    }
    out
}

/// `<driver>-<kind>` of a store.
pub(crate) fn folder_of(store: &Store, kind: &str) -> HostPath {
    store.home.join(format!("{}-{kind}", prefix(&store.driver)))
}

/// The word before `-images`: containers/storage says `overlay` where docker says `overlay2`.
pub(crate) fn prefix(driver: &Driver) -> &str {
    match driver {
        Driver::Overlay2 | Driver::FuseOverlayfs => "overlay",
        other => other.name(),
    }
}

pub(crate) fn images(root: &Root, store: &Store, notes: &mut Notes) -> Vec<Image> {
    list(root, store, "images", "images", notes)
}

pub(crate) fn containers(root: &Root, store: &Store, notes: &mut Notes) -> Vec<Container> {
    list(root, store, "containers", "containers", notes)
}

/// All layers of a store by id.
pub(crate) struct Layers<'a> {
    root: &'a Root,
    store: &'a Store,
    by_id: HashMap<String, Layer>,
}

impl<'a> Layers<'a> {
    pub fn read(root: &'a Root, store: &'a Store, notes: &mut Notes) -> Layers<'a> {
        let all: Vec<Layer> = list(root, store, "layers", "layers", notes);
        Layers { root, store, by_id: all.into_iter().map(|layer| (layer.id.clone(), layer)).collect() }
    }

    /// The layer of that id and all below it, top first. What breaks the chain is a finding.
    pub fn chain(&self, top: &str, notes: &mut Notes) -> Vec<&Layer> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let mut next = top;
        while !next.is_empty() {
            let Some(layer) = self.by_id.get(next) else {
                notes.add("layer-missing", format!("layer {next} is not recorded"));
                break;
            };
            if !seen.insert(next) {
                notes.add("layer-cycle", format!("layer {next} is below itself"));
                break;
            }
            if layer.flags.as_ref().and_then(|flags| flags.get("incomplete")).and_then(Value::as_bool) == Some(true) {
                notes.add("layer-incomplete", format!("layer {next} was never written to its end"));
            }
            next = &layer.parent;
            out.push(layer);
        }
        out
    }

    /// How a driver finds a layer.
    pub fn reference(&self, layer: &Layer) -> LayerRef {
        let tar_split = folder_of(self.store, "layers").join(format!("{}.tar-split.gz", layer.id));
        LayerRef {
            driver: self.store.driver.clone(),
            id: layer.id.as_str().into(),
            folder: driver_folder(self.store),
            diff_id: layer.diff_digest.parse::<Digest>().ok(),
            chain_id: None,
            tar_split: self.root.exists(&tar_split).then_some(tar_split),
            blob: None,
            size: layer.diff_size,
        }
    }
}

/// Where a store's driver keeps its layers.
pub(crate) fn driver_folder(store: &Store) -> HostPath {
    store.home.join(match store.driver {
        Driver::Vfs => "vfs/dir",
        Driver::Btrfs => "btrfs/subvolumes",
        Driver::Aufs => "aufs",
        ref other => prefix(other),
    })
}

/// Ranges as a store records them.
pub(crate) fn id_map(uids: &[Range], gids: &[Range]) -> IdMap {
    let ranges = |list: &[Range]| {
        let one = |range: &Range| IdRange { inside: range.container_id, outside: range.host_id, size: range.size };
        list.iter().map(one).collect()
    };
    IdMap { uids: ranges(uids), gids: ranges(gids) }
}

/// The file that holds a piece of big data (containers/storage store.go `makeBigDataBaseName`, v1.59.1).
pub(crate) fn big_data(folder: &HostPath, key: &str) -> HostPath {
    let is_plain = key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.');
    if is_plain { folder.join(key) } else { folder.join(format!("={}", base64(key.as_bytes()))) }
}

/// The standard alphabet with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_data_lies_under_the_names_that_podman_gave() {
        let folder = HostPath::new("i");
        for (key, file) in [
            ("manifest", "i/manifest"),
            (
                "sha256:07e8374ce1259a2d307bb7a3615afb2dfbe9ddf9289312c98f15a662d82141bb",
                "i/=c2hhMjU2OjA3ZTgzNzRjZTEyNTlhMmQzMDdiYjdhMzYxNWFmYjJkZmJlOWRkZjkyODkzMTJjOThmMTVhNjYyZDgyMTQxYmI=",
            ),
            ("a:b", "i/=YTpi"),
            ("a-", "i/=YS0="),
        ] {
            assert_eq!(big_data(&folder, key), HostPath::new(file), "{key}");
        }
    }
}
