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

const TABLES: &str = include_str!("data/podman-tables.sql");
const SETUP: &str =
    "INSERT INTO DBConfig VALUES(1, 1, 'linux', '', '', '/var/lib/containers/storage', '', 'overlay', '')";

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
    database.execute_batch(SETUP).unwrap();
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

/// What a podman says that was built with a version of the runtime spec, of exposed ports, of a published one's address, of no
/// restart policy, and of a log's times.
fn check(spec: &str, listed: &[(u16, Option<&str>)], policy: &str, whole_seconds: bool) {
    let mut config = config();
    config["spec"]["ociVersion"] = spec.into();
    let said = answer(&config, &[]);
    let listed: Vec<_> = listed.iter().map(|&(port, host)| (port, host.map(String::from))).collect();
    assert_eq!(ports(&said.container), listed, "{spec}");
    assert_eq!(said.inspect.pointer("/HostConfig/RestartPolicy/Name"), Some(&json!(policy)), "{spec}");
    assert_eq!(said.whole_seconds, whole_seconds, "{spec}");
}

#[test]
fn each_age_of_podman_is_told_by_the_spec_of_its_containers() {
    check("1.0.2-dev", &[(80, Some(":8080"))], "", true);
    check("1.1.0+dev", &[(80, Some(":8080"))], "", true);
    check("1.2.0", &[(80, Some("0.0.0.0:8080"))], "no", true);
    check("1.2.1", &[(53, None), (80, Some("0.0.0.0:8080"))], "no", false);
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
