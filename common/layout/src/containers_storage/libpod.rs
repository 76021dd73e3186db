//! libpod's database: podman's containers, pods and volumes, in bbolt until 4.7, in SQLite since (docs/layouts/
//! containers-storage.md; podman libpod/boltdb_state.go, libpod/sqlite_state_internal.go, v5.8.2).

use hostfs::Root;
use model::HostPath;
use rusqlite::types::ValueRef;
use serde_json::Value;

use super::age::{self, Age, SpecVersion};
use crate::db;
use crate::db::bolt;
use crate::db::rollback::roll_back;
use crate::db::sqlite::Database;
use crate::json::{self, Notes};

/// A container as the database has it: JSON of its config and of its state, and the networks that it is on.
pub(crate) struct Record {
    pub id: String,
    pub config: Vec<u8>,
    pub state: Vec<u8>,
    /// Name and JSON of the options. SQLite keeps them in the config.
    pub networks: Vec<(String, Vec<u8>)>,
}

/// What the database says of the store as a whole.
#[derive(Default, Clone, Debug)]
pub(crate) struct Setup {
    pub graph_root: String,
    pub graph_driver: String,
}

/// An opened database.
pub(crate) struct Libpod {
    pub path: HostPath,
    /// The newest runtime spec that a container of it was made with.
    pub spec: Option<SpecVersion>,
    /// Whether its network backend is CNI, which podman 5 no longer has (containers/common libnetwork/network/interface.go,
    /// v0.64: `defaultNetworkBackend`).
    cni: bool,
    kind: Kind,
}

enum Kind {
    Bolt(Vec<u8>),
    Sqlite(Box<Database>),
}

impl Libpod {
    /// Opens the database of a storage folder: SQLite's where there is one. `None` where there is none, and with a
    /// finding where it cannot be read.
    pub fn open(root: &Root, home: &HostPath, notes: &mut Notes) -> Option<Libpod> {
        let path = home.join("db.sql");
        if let Some(mut bytes) = file(root, &path, notes) {
            if let Some(journal) = file(root, &home.join("db.sql-journal"), notes) {
                roll_back(&mut bytes, &journal);
            }
            let wal = file(root, &home.join("db.sql-wal"), notes);
            match Database::read(bytes, wal.as_deref()) {
                Ok(database) => {
                    let backend = root.read(&home.join("defaultNetworkBackend"), 64).unwrap_or_default();
                    let cni = backend.starts_with(b"cni");
                    return Some(Libpod { path, spec: None, cni, kind: Kind::Sqlite(Box::new(database)) }.with_spec());
                }
                Err(error) => notes.at(&path).add("database-damaged", error.to_string()),
            }
        }
        let path = home.join("libpod/bolt_state.db");
        let bytes = file(root, &path, notes)?;
        Some(Libpod { path, spec: None, cni: false, kind: Kind::Bolt(bytes) }.with_spec())
    }

    fn with_spec(mut self) -> Libpod {
        // What is damaged is said where the containers themselves are asked for.
        let mut unsaid = Notes::new("", &self.path);
        self.spec = self.containers("", &mut unsaid).iter().filter_map(|it| age::spec_version(&it.config)).max();
        self
    }

    /// Which podman answers for it: that of the newest container. Where none tells, one with SQLite and without CNI is taken
    /// for the newest.
    pub fn age(&self) -> Age {
        match (self.spec, &self.kind) {
            (Some(spec), _) => Age::of(spec),
            (None, Kind::Sqlite(_)) if !self.cni => Age::From5_5,
            (None, _) => Age::Before5,
        }
    }

    /// What it says of the store as a whole.
    pub fn setup(&self, notes: &mut Notes) -> Setup {
        match &self.kind {
            Kind::Bolt(bytes) => self.bolt(bytes, notes, |root| {
                let config = root.bucket("runtime-config");
                let text = |key: &str| config.map(|config| config.text(key)).unwrap_or_default();
                Setup { graph_root: text("graph-root"), graph_driver: text("graph-driver-name") }
            }),
            Kind::Sqlite(database) => {
                let row = |row: &rusqlite::Row| Ok(Setup { graph_root: row.get(0)?, graph_driver: row.get(1)? });
                self.rows(database, "SELECT GraphRoot, GraphDriver FROM DBConfig", notes, row).pop().unwrap_or_default()
            }
        }
    }

    /// The containers whose id begins with `prefix`, by id.
    pub fn containers(&self, prefix: &str, notes: &mut Notes) -> Vec<Record> {
        match &self.kind {
            Kind::Bolt(bytes) => self.bolt(bytes, notes, |root| {
                let all = root.bucket("ctr").into_iter().flat_map(bolt::Bucket::buckets);
                all.filter(|(id, _)| id.starts_with(prefix.as_bytes())).map(|(id, bucket)| record(id, bucket)).collect()
            }),
            Kind::Sqlite(database) => {
                let wanted = prefix.replace('\'', "''");
                let sql = format!(
                    "SELECT c.ID, c.JSON, s.JSON FROM ContainerConfig c LEFT JOIN ContainerState s ON s.ID = c.ID \
                     WHERE substr(c.ID, 1, length('{wanted}')) = '{wanted}' ORDER BY c.ID"
                );
                self.rows(database, &sql, notes, |row| {
                    let (config, state) = (document(row, 1)?, document(row, 2)?);
                    Ok(Record { id: row.get(0)?, config, state, networks: Vec::new() })
                })
            }
        }
    }

    /// The config of each volume, by name.
    pub fn volumes(&self, notes: &mut Notes) -> Vec<Vec<u8>> {
        self.configs("vol", "SELECT JSON FROM VolumeConfig ORDER BY Name", notes)
    }

    /// The config of each pod, by id.
    pub fn pods(&self, notes: &mut Notes) -> Vec<Vec<u8>> {
        self.configs("pod", "SELECT JSON FROM PodConfig ORDER BY ID", notes)
    }

    fn configs(&self, bucket: &str, sql: &str, notes: &mut Notes) -> Vec<Vec<u8>> {
        match &self.kind {
            Kind::Bolt(bytes) => self.bolt(bytes, notes, |root| {
                let all = root.bucket(bucket).into_iter().flat_map(bolt::Bucket::buckets);
                all.filter_map(|(_, one)| Some(one.get("config")?.to_vec())).collect()
            }),
            Kind::Sqlite(database) => self.rows(database, sql, notes, |row| document(row, 0)),
        }
    }

    fn bolt<T: Default>(&self, bytes: &[u8], notes: &mut Notes, take: impl FnOnce(&bolt::Bucket) -> T) -> T {
        match bolt::Database::read(bytes) {
            Ok(database) => {
                database.damage.iter().for_each(|damage| notes.at(&self.path).add("database-damaged", damage.clone()));
                take(&database.root)
            }
            Err(error) => {
                notes.at(&self.path).add("database-damaged", error.to_string());
                T::default()
            }
        }
    }

    fn rows<T>(
        &self,
        database: &Database,
        sql: &str,
        notes: &mut Notes,
        map: impl FnMut(&rusqlite::Row) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        let (rows, ended) = database.rows(sql, map);
        if let Some(error) = ended {
            notes.at(&self.path).add("database-damaged", error.to_string());
        }
        rows
    }
}

/// A column `JSON`; empty where NULL. Podman declares it TEXT but hands SQLite bytes, which stay a BLOB there
/// (libpod/sqlite_state_internal.go addContainer, v5.8.2).
fn document(row: &rusqlite::Row, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    })
}

fn record(id: &[u8], bucket: &bolt::Bucket) -> Record {
    let bytes = |key: &str| bucket.get(key).unwrap_or_default().to_vec();
    let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
    let networks = bucket.bucket("networks").into_iter().flat_map(bolt::Bucket::values);
    Record {
        id: text(id),
        config: bytes("config"),
        state: bytes("state"),
        networks: networks.map(|(name, options)| (text(name), options.to_vec())).collect(),
    }
}

fn file(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<Vec<u8>> {
    match root.read(path, db::LIMIT) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.is_missing() => None,
        Err(error) => {
            notes.at(path).add(json::code_of(&error), error.problem.to_string());
            None
        }
    }
}

impl Record {
    /// Config and state as JSON; `None` with a finding where the config is none.
    pub fn values(&self, notes: &mut Notes) -> Option<(Value, Value)> {
        let config = json::value(&self.config, notes)?;
        let state =
            if self.state.is_empty() { Value::Null } else { json::value(&self.state, notes).unwrap_or_default() };
        Some((config, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = include_str!("../../tests/data/podman-tables.sql");

    fn open(statements: &str) -> (Libpod, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let connection = rusqlite::Connection::open(dir.path().join("db.sql")).unwrap();
        connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0").unwrap();
        connection.execute_batch(statements).unwrap();
        // Copied while podman has it open, so that all rows stand in the log.
        let copy = tempfile::tempdir().unwrap();
        for file in ["db.sql", "db.sql-wal"] {
            std::fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
        }
        let root = Root::open(copy.path()).unwrap();
        let libpod = Libpod::open(&root, &HostPath::default(), &mut Notes::new("", &HostPath::default())).unwrap();
        (libpod, copy)
    }

    #[test]
    fn tables_of_podman_5_are_read() {
        let rows = r#"
            INSERT INTO DBConfig VALUES(1, 1, 'linux', '', '', '/srv/storage', '', 'overlay', '');
            INSERT INTO ContainerConfig VALUES('ab12', 'web', NULL, '{"id":"ab12","name":"web"}'), ('ab34', 'db', NULL, '{"id":"ab34"}'), ('cd', 'x', NULL, '{}');
            INSERT INTO ContainerState VALUES('ab12', 3, NULL, CAST('{"state":3}' AS BLOB));
            INSERT INTO VolumeConfig VALUES('u', NULL, CAST('{"name":"u"}' AS BLOB)), ('v', NULL, '{"name":"v"}');"#;
        let (libpod, _copy) = open(&format!("{TABLES}{rows}"));
        let mut notes = Notes::new("", &libpod.path);
        let found: Vec<(String, String, String)> = libpod
            .containers("ab", &mut notes)
            .into_iter()
            .map(|record| {
                (record.id, String::from_utf8(record.config).unwrap(), String::from_utf8(record.state).unwrap())
            })
            .collect();
        let row = |id: &str, config: &str, state: &str| (id.to_string(), config.to_string(), state.to_string());
        assert_eq!(
            found,
            [row("ab12", r#"{"id":"ab12","name":"web"}"#, r#"{"state":3}"#), row("ab34", r#"{"id":"ab34"}"#, "")]
        );
        assert_eq!(libpod.containers("", &mut notes).len(), 3);
        assert_eq!(libpod.containers("a' OR '1'='1", &mut notes).len(), 0);
        assert_eq!(libpod.setup(&mut notes).graph_root, "/srv/storage");
        assert_eq!(libpod.volumes(&mut notes), [br#"{"name":"u"}"#, br#"{"name":"v"}"#]);
        assert_eq!(notes.list, []);
    }

    #[test]
    fn a_table_that_is_not_there_is_a_finding() {
        let (libpod, _copy) = open("CREATE TABLE DBConfig(GraphRoot TEXT, GraphDriver TEXT)");
        let mut notes = Notes::new("", &libpod.path);
        assert_eq!(libpod.containers("", &mut notes).len(), 0);
        assert_eq!(notes.list.len(), 1);
    }
}
