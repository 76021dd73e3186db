//! What is written of a container: docker's `config.v2.json`, and how its state changes.
//!
//! Keys as dockerd 20.10 writes them (container/container.go, container/state.go); a later dockerd opens them, an earlier
//! one of 1.13 and on too.

use model::{Id, Timestamp};
use serde_json::{Map, Value, json};

/// What a new container's record is made of.
pub struct New<'a> {
    /// Its id.
    pub id: &'a Id,
    /// Its name, without a slash.
    pub name: &'a str,
    /// Docker's inspect JSON: `Path`, `Args`, `Config`.
    pub inspect: &'a Value,
    /// The image's id, `sha256:` and hex digits.
    pub image: String,
    /// The graph driver by name.
    pub driver: &'a str,
    /// The data root on this machine, absolute.
    pub root: &'a str,
    /// Docker's `MountPoints`.
    pub mount_points: Map<String, Value>,
}

/// A record before the first start.
pub fn created(new: &New, now: Timestamp) -> Value {
    let folder = format!("{}/containers/{}", new.root, new.id);
    let network =
        new.inspect["HostConfig"]["NetworkMode"].as_str().filter(|mode| *mode != "default").unwrap_or("bridge");
    let asked = new.inspect["NetworkSettings"]["Networks"].as_object().cloned();
    let network = match asked {
        Some(asked) => asked.into_iter().map(|(name, asked)| (name, over(endpoint(), asked))).collect(),
        None if network.starts_with("container:") => Map::new(),
        None => Map::from_iter([(network.to_string(), endpoint())]),
    };
    json!({
        "StreamConfig": {},
        "State": state(),
        "ID": new.id.as_str(),
        "Created": now.rfc3339(),
        "Managed": false,
        "Path": new.inspect["Path"],
        "Args": new.inspect["Args"],
        "Config": new.inspect["Config"],
        "Image": new.image,
        "NetworkSettings": {
            "Bridge": "", "SandboxID": "", "HairpinMode": false, "LinkLocalIPv6Address": "", "LinkLocalIPv6PrefixLen": 0,
            "Networks": network,
            "Service": Value::Null, "Ports": Value::Null, "SandboxKey": "", "SecondaryIPAddresses": Value::Null,
            "SecondaryIPv6Addresses": Value::Null, "IsAnonymousEndpoint": false, "HasSwarmEndpoint": false,
        },
        "LogPath": format!("{folder}/{}-json.log", new.id),
        "Name": format!("/{}", new.name),
        "Driver": new.driver,
        "OS": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "RestartCount": 0,
        "HasBeenStartedBefore": false,
        "HasBeenManuallyStopped": false,
        "MountPoints": new.mount_points,
        "SecretReferences": Value::Null,
        "ConfigReferences": Value::Null,
        "AppArmorProfile": "",
        "HostnamePath": format!("{folder}/hostname"),
        "HostsPath": format!("{folder}/hosts"),
        "ShmPath": "",
        "ResolvConfPath": format!("{folder}/resolv.conf"),
        "SeccompProfile": "",
        "NoNewPrivileges": false,
        "LocalLogCacheMeta": {"HaveNotifyEnabled": false},
    })
}

fn state() -> Value {
    json!({
        "Running": false, "Paused": false, "Restarting": false, "OOMKilled": false, "RemovalInProgress": false, "Dead": false,
        "Pid": 0, "ExitCode": 0, "Error": "", "StartedAt": Timestamp::ZERO.rfc3339(), "FinishedAt": Timestamp::ZERO.rfc3339(),
        "Health": Value::Null,
    })
}

/// An endpoint without an address. dockerd panics on an empty object here.
fn endpoint() -> Value {
    json!({
        "IPAMConfig": Value::Null, "Links": Value::Null, "Aliases": Value::Null, "NetworkID": "", "EndpointID": "", "Gateway": "",
        "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
        "MacAddress": "", "DriverOpts": Value::Null, "IPAMOperational": false,
    })
}

/// One object's keys over another's.
fn over(mut below: Value, above: Value) -> Value {
    if let (Value::Object(below), Value::Object(above)) = (&mut below, above) {
        below.extend(above);
    }
    below
}

/// The first process runs.
pub fn started(record: &mut Value, pid: i32, now: Timestamp) {
    let state = &mut record["State"];
    for (key, value) in [
        ("Running", json!(true)),
        ("Restarting", json!(false)),
        ("Paused", json!(false)),
        ("Dead", json!(false)),
        ("OOMKilled", json!(false)),
        ("Pid", json!(pid)),
        ("ExitCode", json!(0)),
        ("Error", json!("")),
        ("StartedAt", json!(now.rfc3339())),
    ] {
        state[key] = value;
    }
    record["HasBeenStartedBefore"] = json!(true);
    record["HasBeenManuallyStopped"] = json!(false);
}

/// It is connected: addresses and ports.
pub fn connected(record: &mut Value, connected: &crate::network::Connected) {
    if connected.networks.is_empty() {
        return;
    }
    for (name, now) in &connected.networks {
        // What was asked of the network stays beside what it came to.
        let asked = record["NetworkSettings"]["Networks"][name].clone();
        let mut merged = over(asked.clone(), now.clone());
        for key in ["IPAMConfig", "Aliases", "Links", "DriverOpts"] {
            merged[key] = asked[key].clone();
        }
        record["NetworkSettings"]["Networks"][name] = if asked.is_object() { merged } else { now.clone() };
    }
    record["NetworkSettings"]["Ports"] = Value::Object(connected.ports.clone());
}

/// It is connected no more. The names of its networks stay, as docker keeps them.
pub fn disconnected(record: &mut Value) {
    let settings = &mut record["NetworkSettings"];
    settings["Ports"] = json!({});
    for endpoint in settings["Networks"].as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        for (key, value) in [
            ("IPAddress", json!("")),
            ("Gateway", json!("")),
            ("MacAddress", json!("")),
            ("IPPrefixLen", json!(0)),
            ("GlobalIPv6Address", json!("")),
            ("IPv6Gateway", json!("")),
            ("GlobalIPv6PrefixLen", json!(0)),
        ] {
            endpoint[key] = value;
        }
    }
}

/// The first process has ended.
pub fn ended(record: &mut Value, code: u8, oom: bool, now: Timestamp) {
    let state = &mut record["State"];
    for (key, value) in [
        ("Running", json!(false)),
        ("Restarting", json!(false)),
        ("Paused", json!(false)),
        ("OOMKilled", json!(oom)),
        ("Pid", json!(0)),
        ("ExitCode", json!(code)),
        ("FinishedAt", json!(now.rfc3339())),
    ] {
        state[key] = value;
    }
}

/// It has ended and will be started again: docker has it run all the while.
pub fn restarting(record: &mut Value, count: i64) {
    record["State"]["Running"] = json!(true);
    record["State"]["Restarting"] = json!(true);
    record["RestartCount"] = json!(count);
}

/// It has ended before, and will not be started again after all.
pub fn rests(record: &mut Value) {
    record["State"]["Running"] = json!(false);
    record["State"]["Restarting"] = json!(false);
}

/// It could not be started.
pub fn refused(record: &mut Value, code: u8, why: &str) {
    record["State"]["ExitCode"] = json!(code);
    record["State"]["Error"] = json!(why);
}
