//! `meta.db`: what containerd knows by name, one bucket a namespace (docs/layouts/containerd.md; containerd
//! core/metadata/buckets.go, v2.3.3).

use hostfs::Root;
use model::{HostPath, Timestamp};

use crate::db::bolt::{Bucket, Database};
use crate::db::{self, protobuf};
use crate::json::{self, Notes};

/// Where containerd keeps it, below its own folder.
const FILE: &str = "io.containerd.metadata.v1.bolt/meta.db";

/// The bytes of a `meta.db`, or of a snapshotter's `metadata.db`.
pub(crate) struct File {
    pub path: HostPath,
    bytes: Vec<u8>,
}

impl File {
    /// Reads the `meta.db` of a containerd folder; `None` where there is none, and with a finding where it cannot be
    /// read.
    pub fn meta(root: &Root, folder: &HostPath, notes: &mut Notes) -> Option<File> {
        File::read(root, folder.join(FILE), notes)
    }

    /// Reads the database of a snapshotter.
    pub fn snapshotter(root: &Root, folder: &HostPath, name: &str, notes: &mut Notes) -> Option<File> {
        File::read(root, snapshotter_folder(folder, name).join("metadata.db"), notes)
    }

    fn read(root: &Root, path: HostPath, notes: &mut Notes) -> Option<File> {
        match root.read(&path, db::LIMIT) {
            Ok(bytes) => Some(File { path, bytes }),
            Err(error) if error.is_missing() => None,
            Err(error) => {
                notes.at(&path).add(json::code_of(&error), error.problem.to_string());
                None
            }
        }
    }

    /// The database; `None` with a finding where it is none.
    pub fn open(&self, notes: &mut Notes) -> Option<Database<'_>> {
        match Database::read(&self.bytes) {
            Ok(database) => {
                for damage in &database.damage {
                    notes.at(&self.path).add("database-damaged", damage.clone());
                }
                Some(database)
            }
            Err(error) => {
                notes.at(&self.path).add("database-damaged", error.to_string());
                None
            }
        }
    }
}

/// Whether a folder is containerd's.
pub(crate) fn is_here(root: &Root, folder: &HostPath) -> bool {
    root.exists(&folder.join(FILE))
}

/// The path of a containerd folder's `meta.db`.
pub(crate) fn path(folder: &HostPath) -> HostPath {
    folder.join(FILE)
}

/// The folder of a snapshotter.
pub(crate) fn snapshotter_folder(folder: &HostPath, name: &str) -> HostPath {
    folder.join(format!("io.containerd.snapshotter.v1.{name}"))
}

/// Whether a snapshotter of that name has a database there.
pub(crate) fn has_snapshotter(root: &Root, folder: &HostPath, name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && root.exists(&snapshotter_folder(folder, name).join("metadata.db"))
}

/// The bucket of a namespace.
pub(crate) fn namespace<'a, 'b>(database: &'b Database<'a>, name: &str) -> Option<&'b Bucket<'a>> {
    database.root.at([b"v1", name.as_bytes()])
}

/// The names of all namespaces, sorted.
pub(crate) fn namespaces(database: &Database) -> Vec<String> {
    let all = database.root.bucket("v1").into_iter().flat_map(Bucket::buckets);
    all.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

/// A bucket's labels, sorted by key.
pub(crate) fn labels(bucket: &Bucket) -> Vec<(String, String)> {
    let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
    let labels = bucket.bucket("labels").into_iter().flat_map(Bucket::values);
    labels.map(|(key, value)| (text(key), text(value))).collect()
}

/// A time as Go's `time.MarshalBinary` writes it (Go 1.22 src/time/time.go): version, seconds since year 1, nanoseconds,
/// offset in minutes, which changes only how it is shown. `None` for the zero time, and for what is none.
pub(crate) fn time(raw: &[u8]) -> Option<Timestamp> {
    let (version, rest) = raw.split_first()?;
    let (seconds, rest) = rest.split_first_chunk::<8>()?;
    let (nanos, rest) = rest.split_first_chunk::<4>()?;
    let is_right = matches!((version, rest.len()), (1, 2) | (2, 3));
    let seconds = i64::from_be_bytes(*seconds).checked_add(Timestamp::ZERO.seconds)?;
    let time = Timestamp::new(seconds, u32::from_be_bytes(*nanos));
    (is_right && !time.is_zero()).then_some(time)
}

/// The time that stands under a key.
pub(crate) fn time_of(bucket: &Bucket, key: &str) -> Option<Timestamp> {
    time(bucket.get(key)?)
}

/// A size, which containerd writes as a signed varint.
pub(crate) fn size_of(bucket: &Bucket, key: &str) -> Option<u64> {
    u64::try_from(protobuf::signed_varint(bucket.get(key)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_go_are_read() {
        let zero = b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff";
        let new = b"\x01\0\0\0\x0e\xd5\x9d\xd8\0\0\0\0\x7b\xff\xff";
        assert_eq!(time(new).unwrap().rfc3339(), "2020-01-01T00:00:00.000000123Z");
        for bad in [&zero[..], &new[..14], b"", b"\x03\0\0\0\x0e\xd5\x9d\xd8\0\0\0\0\x7b\xff\xff"] {
            assert_eq!(time(bad), None, "{bad:?}");
        }
    }
}
