//! devicemapper: each layer is a thin device of a pool, a full filesystem of its own with the tree in `/rootfs`. Pool and
//! filesystem are read as they lie in the pool's files, which is where docker keeps them by default (`loop-lvm`); nothing is
//! mounted (moby v20.10.24 daemon/graphdriver/devmapper/{deviceset,driver}.go).

use std::sync::Arc;

use disk::thin::Pool;
use disk::{Device, DiskError, Image};
use hostfs::{Dir, ReadError, Root};
use model::{HostPath, LayerRef};

use super::{Place, text};
use crate::dialect::Dialect;
use crate::error::StorageError;

/// Where docker mounted the device: a folder that is empty in a root that is not alive, and that names of the tree are told
/// by all the same.
pub fn place(layer: &LayerRef) -> Place {
    let path = home(&layer.folder).join("mnt").join(layer.id.as_bytes()).join("rootfs");
    Place { path, dialect: Dialect::Plain, whole: true }
}

/// Opens the tree in the layer's device.
pub fn open(root: &Root, layer: &LayerRef) -> Result<Dir, StorageError> {
    let home = home(&layer.folder);
    let record = record(root, &home, layer).map_err(|source| StorageError::Layer { id: layer.id.clone(), source })?;
    tree(root, &home, &record).map_err(|why| {
        let advice = by_hand(root, &home, &record);
        StorageError::Driver { driver: layer.driver.clone(), why: format!("{why}; {advice}") }
    })
}

/// What `metadata/<id>` says: `{"device_id":7,"size":10737418240,"transaction_id":9,"initialized":true,"deleted":false}`.
struct Record {
    number: Option<u64>,
    size: Option<u64>,
}

fn record(root: &Root, home: &HostPath, layer: &LayerRef) -> Result<Record, ReadError> {
    let of = |text: &str| Record { number: number(text, "device_id"), size: number(text, "size") };
    match text(root, &home.join("metadata").join(layer.id.as_bytes())) {
        Ok(text) => Ok(of(&text)),
        Err(error) => old(root, home, &layer.id).map(|text| of(&text)).ok_or(error),
    }
}

/// The same in the one file of docker 0.7, `{"Devices":{"<id>":{…},…}}`.
fn old(root: &Root, home: &HostPath, id: &str) -> Option<String> {
    const LIMIT: u64 = 16 << 20;
    let raw = root.read(&home.join("devicemapper").join("json"), LIMIT).ok()?;
    let text = String::from_utf8_lossy(&raw);
    let (_, rest) = text.split_once(&format!("\"{id}\":"))?;
    Some(rest.split_once('}')?.0.to_string())
}

/// The names of the pool's files below `devicemapper/devicemapper`.
const METADATA: &str = "metadata";
const DATA: &str = "data";

fn tree(root: &Root, home: &HostPath, record: &Record) -> Result<Dir, String> {
    let pool = home.join("devicemapper");
    let image = |name: &str| -> Result<Arc<dyn Device>, String> {
        let file = root.open_file(&pool.join(name)).map_err(|error| format!("{error}: {}", error.problem))?;
        Ok(Arc::new(Image::new(file)))
    };
    let (Some(number), Some(size)) = (record.number, record.size) else {
        return Err("its record names no device of the pool".into());
    };
    let said = |error: DiskError| std::io::Error::from(error).to_string();
    let device = Pool::open(image(METADATA)?, image(DATA)?).and_then(|pool| pool.device(number, size)).map_err(said)?;
    let (tree, top) = disk::tree(Arc::new(device)).map_err(said)?;
    Dir::of_tree(tree, top)
        .and_then(|top| top.open_dir(b"rootfs"))
        .map_err(|problem| format!("'rootfs' in it: {problem}"))
}

/// How to get at the files with the system's own tools.
fn by_hand(root: &Root, home: &HostPath, record: &Record) -> String {
    let shown = |number: Option<u64>, unknown: &str| number.map_or(unknown.into(), |number| number.to_string());
    let device = shown(record.number, "NUMBER");
    let sectors = shown(record.size.map(|size| size / 512), "SECTORS");
    let loopback = home.join("devicemapper").join(DATA);
    // GAP: xfs, and pools on a block device, are not read.
    if root.exists(&loopback) {
        format!(
            "it is thin device {device} of the pool in '{}': on a copy, attach 'data' and 'metadata' with losetup -r, run \
             dmsetup create pool --table '0 SIZE thin-pool METADATA DATA 128 0' and dmsetup create layer --table \
             '0 {sectors} thin /dev/mapper/pool {device}', mount it read-only, and its rootfs folder is the tree",
            loopback.parent()
        )
    } else {
        format!(
            "it is thin device {device} of a pool on a block device outside of the data root (direct-lvm): activate that \
             volume group, then dmsetup create layer --table '0 {sectors} thin POOL {device}'"
        )
    }
}

/// `devicemapper`, whichever of its folders holds the ids.
fn home(folder: &HostPath) -> HostPath {
    if folder.name() == b"devicemapper" { folder.clone() } else { folder.parent() }
}

/// A number of the layer's record.
fn number(record: &str, key: &str) -> Option<u64> {
    let rest = record.split_once(&format!("\"{key}\":"))?.1.trim_start();
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}
