//! Podman 5's answers, on a database as podman 5.8.2 writes it: statements and BLOBs are its own
//! (libpod/sqlite_state_internal.go), the records cut down to what is looked at.

use std::fs;
use std::path::Path;

use hostfs::Root;
use layout::Found;
use model::{Container, PortBinding};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

const ID: &str = "ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34";

const TABLES: &str = "
    CREATE TABLE DBConfig(ID INTEGER PRIMARY KEY NOT NULL, SchemaVersion INTEGER NOT NULL, OS TEXT NOT NULL, StaticDir TEXT NOT NULL,
        TmpDir TEXT NOT NULL, GraphRoot TEXT NOT NULL, RunRoot TEXT NOT NULL, GraphDriver TEXT NOT NULL, VolumeDir TEXT NOT NULL);
    CREATE TABLE ContainerConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, PodID TEXT, JSON TEXT NOT NULL);
    CREATE TABLE ContainerState(ID TEXT PRIMARY KEY NOT NULL, State INTEGER NOT NULL, ExitCode INTEGER, JSON TEXT NOT NULL);
    CREATE TABLE PodConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, JSON TEXT NOT NULL);
    CREATE TABLE VolumeConfig(Name TEXT PRIMARY KEY NOT NULL, StorageID TEXT, JSON TEXT NOT NULL);
    INSERT INTO DBConfig VALUES(1, 1, 'linux', '', '', '/var/lib/containers/storage', '', 'overlay', '');";

/// A storage with one container; `marks` are further files of it.
fn storage(at: &Path, config: &Value, marks: &[&str]) {
    for (folder, file) in [("images", "images.json"), ("layers", "layers.json"), ("containers", "containers.json")] {
        let folder = at.join(format!("overlay-{folder}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), "[]").unwrap();
    }
    for mark in marks {
        fs::write(at.join(mark), "cni").unwrap();
    }
    let database = Connection::open(at.join("db.sql")).unwrap();
    database.execute_batch(TABLES).unwrap();
    let state = json!({"state": 6, "exitCode": 7}).to_string().into_bytes();
    let config = config.to_string().into_bytes();
    database.execute("INSERT INTO ContainerConfig VALUES(?, 'web', NULL, ?)", params![ID, config]).unwrap();
    database.execute("INSERT INTO ContainerState VALUES(?, 6, 7, ?)", params![ID, state]).unwrap();
    let volume = json!({"name": "img", "volumeDriver": "image", "mountPoint": "/x"}).to_string().into_bytes();
    database.execute("INSERT INTO VolumeConfig VALUES('img', NULL, ?)", params![volume]).unwrap();
}

fn config() -> Value {
    json!({
        "id": ID, "name": "web", "createdTime": "2026-11-21T18:32:39Z", "logDriver": "k8s-file", "logPath": "/var/lib/containers/storage/ctr.log",
        "newPortMappings": [{"host_ip": "", "container_port": 80, "host_port": 8080, "range": 1, "protocol": "tcp"}],
        "exposedPorts": {"80": ["tcp"], "53": ["udp"]},
        "secret_env": {"PASSWORD": {"name": "sec1"}},
        "spec": {"process": {"args": ["sh"], "env": ["A=1", "PASSWORD=s3cret"]}},
    })
}

struct Answer {
    container: Container,
    inspect: Value,
    whole_seconds: bool,
}

fn answer(config: &Value, marks: &[&str]) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    storage(folder.path(), config, marks);
    let root = Root::open(folder.path()).unwrap();
    let whole = |(value, findings): Found<Vec<Container>>| {
        assert_eq!(findings, []);
        value
    };
    let (stores, findings) = layout::detect(&root);
    assert_eq!(findings, []);
    let container = whole(layout::containers(&root, &stores, 0)).pop().unwrap();
    let inspect = layout::inspect_container(&root, &stores, &container).0;
    let whole_seconds = layout::log_place(&root, &stores[0], &container).0.whole_seconds;
    Answer { container, inspect, whole_seconds }
}

fn ports(container: &Container) -> Vec<(u16, Option<String>)> {
    let host = |binding: &PortBinding| {
        let (address, port) = binding.host?;
        Some(format!("{}:{port}", address.map(|it| it.to_string()).unwrap_or_default()))
    };
    container.ports.iter().map(|binding| (binding.port, host(binding))).collect()
}

#[test]
fn podman_5_says_what_podman_4_left_out() {
    let five = answer(&config(), &[]);
    assert_eq!((five.container.state.status.word(), five.container.state.exit_code), ("exited", Some(7)));
    assert_eq!(ports(&five.container), [(53, None), (80, Some("0.0.0.0:8080".into()))]);
    assert_eq!(five.inspect.pointer("/HostConfig/RestartPolicy/Name"), Some(&json!("no")));
    assert_eq!(five.inspect.pointer("/NetworkSettings/Ports/80~1tcp/0/HostIp"), Some(&json!("0.0.0.0")));
    assert!(!five.whole_seconds);

    let four = answer(&config(), &["defaultNetworkBackend"]);
    assert_eq!(four.container.state.exit_code, Some(7));
    assert_eq!(ports(&four.container), [(80, Some(":8080".into()))]);
    assert_eq!(four.inspect.pointer("/HostConfig/RestartPolicy/Name"), Some(&json!("")));
    assert!(four.whole_seconds);
}

#[test]
fn exposed_ports_of_a_network_that_is_another_ones_are_not_listed() {
    let mut host = config();
    host["networkMode"] = "host".into();
    assert_eq!(ports(&answer(&host, &[]).container), [(80, Some("0.0.0.0:8080".into()))]);
}

#[test]
fn a_secret_in_the_environment_is_shown_by_its_name() {
    let env = answer(&config(), &[]).inspect.pointer("/Config/Env").cloned();
    assert_eq!(env, Some(json!(["A=1", "sec1=*******"])));
}

#[test]
fn a_volume_of_an_image_has_no_place_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    storage(folder.path(), &config(), &[]);
    let root = Root::open(folder.path()).unwrap();
    let stores = layout::detect(&root).0;
    let (volumes, findings) = layout::volumes(&root, &stores, 0);
    assert_eq!(findings, []);
    assert_eq!((volumes[0].driver.as_str(), volumes[0].mountpoint.as_str()), ("image", ""));
}
