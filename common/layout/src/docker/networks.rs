//! Networks, in `network/files/local-kv.db` since docker 1.9.
//!
//! A bolt database with the bucket `libnetwork`; a value is eight bytes of index and JSON (libkv store/boltdb/
//! boltdb.go; libnetwork network.go MarshalJSON, endpoint.go, sandbox_store.go, as vendored in moby v20.10.24).

use std::collections::{BTreeMap, HashMap};

use hostfs::Root;
use model::{HostPath, Id, Network, Store, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Found;
use crate::db::{self, bolt};
use crate::docker::volumes::is_docker;
use crate::docker::{folders, swarm};
use crate::json::{self as record, Loose, Notes, Pairs};

const PREFIX: &str = "docker/network/v1.0/";
/// Bytes before the JSON of a value: the index of the change that wrote it.
const INDEX: usize = 8;

/// What a database of networks holds, as far as it is shown.
#[derive(Default)]
struct Tables {
    networks: BTreeMap<String, Value>,
    /// By network: its endpoints.
    endpoints: HashMap<String, Vec<Value>>,
    /// By sandbox: the container.
    sandboxes: HashMap<String, String>,
    /// By network: how the bridge driver made it.
    bridges: HashMap<String, Value>,
    /// Networks that only a swarm's tasks tell of.
    of_tasks: Vec<String>,
}

/// `network/files/local-kv.db` of a store.
pub(crate) fn database(store: &Store) -> HostPath {
    store.home.join("network/files/local-kv.db")
}

/// The networks of a home, by name; told by the first of docker's stores in it, since they share them.
pub(crate) fn read(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Network>> {
    let store = &stores[index];
    let shares = |other: &Store| other.home == store.home && is_docker(other.generation);
    if stores.iter().position(shares) != Some(index) || !root.exists(&database(store)) {
        return Default::default();
    }
    let mut notes = Notes::new("networks", &database(store));
    let tables = tables(root, store, &mut notes);
    let mut list: Vec<Network> =
        tables.networks.iter().filter_map(|(id, value)| network(id, value, index, store)).collect();
    for network in list.iter_mut().filter(|network| tables.of_tasks.iter().any(|id| id == network.id.as_str())) {
        network.record = swarm::database(store);
    }
    for name in ["none", "host"] {
        if !list.iter().any(|network| network.name == name) {
            list.extend(by_containers(root, store, index, name));
        }
    }
    list.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
    (list, notes.list)
}

/// Names of the interfaces made for containers, each with the container's id. Of a veth pair, libnetwork records the end
/// that it moved inside and renamed (`srcName`), not the one that stayed on the bridge.
pub(crate) fn interfaces(root: &Root, store: &Store) -> Found<Vec<(String, String)>> {
    if !root.exists(&database(store)) {
        return Default::default();
    }
    let mut notes = Notes::new("networks", &database(store));
    let tables = tables(root, store, &mut notes);
    let endpoints = tables.endpoints.values().flatten();
    let named = endpoints.filter_map(|endpoint| {
        let container = tables.sandboxes.get(text(endpoint, "sandbox"))?;
        let name = text(endpoint.get("ep_iface")?, "srcName");
        (!name.is_empty()).then(|| (name.to_string(), container.clone()))
    });
    (named.collect(), notes.list)
}

fn tables(root: &Root, store: &Store, notes: &mut Notes) -> Tables {
    let path = database(store);
    let raw = match root.read(&path, db::LIMIT) {
        Ok(raw) => raw,
        Err(error) => {
            notes.add(record::code_of(&error), format!("no network can be listed: {}", error.problem));
            return Tables::default();
        }
    };
    let database = match bolt::Database::read(&raw) {
        Ok(database) => database,
        Err(error) => {
            notes.add("database-damaged", format!("no network can be listed: {error}"));
            return Tables::default();
        }
    };
    for damage in &database.damage {
        notes.add("database-damaged", damage.clone());
    }
    let mut tables = Tables::default();
    for (key, value) in database.root.bucket("libnetwork").into_iter().flat_map(|bucket| bucket.values()) {
        tables.take(&String::from_utf8_lossy(key), value, notes);
    }
    for (id, value) in swarm::networks(root, store, notes) {
        if !tables.networks.contains_key(&id) {
            tables.networks.insert(id.clone(), value);
            tables.of_tasks.push(id);
        }
    }
    tables
}

impl Tables {
    fn take(&mut self, key: &str, value: &[u8], notes: &mut Notes) {
        let Some(rest) = key.strip_prefix(PREFIX) else { return };
        let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let wanted = matches!(parts[..], ["network" | "bridge" | "sandbox", _] | ["endpoint", _, _]);
        if !wanted || value.len() <= INDEX {
            return;
        }
        let Some(json) = record::value(&value[INDEX..], notes) else { return };
        match parts[..] {
            ["network", id] => drop(self.networks.insert(id.into(), json)),
            ["bridge", id] => drop(self.bridges.insert(id.into(), json)),
            ["endpoint", network, _] => self.endpoints.entry(network.into()).or_default().push(json),
            ["sandbox", id] => drop(self.sandboxes.insert(id.into(), text(&json, "Cid").into())),
            _ => {}
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn network(id: &str, value: &Value, index: usize, store: &Store) -> Option<Network> {
    let labels = value.get("labels").and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_string());
    Some(Network {
        id: Id::new(id)?,
        store: index,
        name: text(value, "name").into(),
        driver: text(value, "networkType").into(),
        // Docker 1.9 had no other scope for what it kept here.
        scope: if text(value, "scope").is_empty() { "local".into() } else { text(value, "scope").into() },
        created: Timestamp::parse_rfc3339(text(value, "created")).filter(|time| !time.is_zero()),
        labels: labels.into_iter().flatten().map(pair).collect(),
        internal: flag(value, "internal"),
        ipv6: flag(value, "enableIPv6"),
        record: database(store),
    })
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Record {
    network_settings: Loose<Settings>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Settings {
    networks: Loose<Pairs<Loose<Endpoint>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    network: Option<String>,
}

/// Docker 1.9 and 1.10 did not write the networks `none` and `host` down: a container on it still names its id (1.10).
fn by_containers(root: &Root, store: &Store, index: usize, name: &str) -> Option<Network> {
    let (ids, _) = folders::ids(root, &store.home);
    ids.iter().find_map(|id| {
        let path = folders::of(store, id).join(folders::SINCE_1_10);
        let mut notes = Notes::new("", &path);
        let record: Record = record::parse(&root.read(&path, record::RECORD_LIMIT).ok()?, &mut notes)?;
        let settings = record.network_settings.get("", &mut notes)?;
        let (_, endpoint) = settings.networks.take("", &mut notes).0.into_iter().find(|(key, _)| key == name)?;
        Some(Network {
            id: Id::new(&endpoint.get("", &mut notes)?.network?)?,
            store: index,
            name: name.into(),
            driver: if name == "none" { "null".into() } else { name.into() },
            scope: "local".into(),
            created: None,
            labels: Vec::new(),
            internal: false,
            ipv6: false,
            record: path,
        })
    })
}

/// A network in docker's shape of today (api/types/network Inspect, v28.5.2; daemon/network.go buildNetworkResource).
pub(crate) fn inspect(root: &Root, stores: &[Store], network: &Network) -> Found<Value> {
    let store = &stores[network.store];
    let mut notes = Notes::new(format!("network {}", network.name), &database(store));
    let is_recorded = [database(store), swarm::database(store)].contains(&network.record);
    let tables = if is_recorded { tables(root, store, &mut notes) } else { Tables::default() };
    let id = network.id.as_str();
    let none = Value::Null;
    let value = tables.networks.get(id).unwrap_or(&none);
    let labels: Map<String, Value> =
        network.labels.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let options =
        value.get("generic").and_then(|it| it.get("com.docker.network.generic")).cloned().unwrap_or_else(|| json!({}));
    let shown = json!({
        "Name": network.name,
        "Id": id,
        "Created": network.created.unwrap_or(Timestamp::ZERO).rfc3339(),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": value.get("enableIPv4").and_then(Value::as_bool).unwrap_or(true),
        "EnableIPv6": network.ipv6,
        "IPAM": ipam(value, &mut notes),
        "Internal": network.internal,
        "Attachable": flag(value, "attachable"),
        "Ingress": flag(value, "ingress"),
        "ConfigFrom": { "Network": text(value, "configFrom") },
        "ConfigOnly": flag(value, "configOnly"),
        "Containers": containers(&tables, id),
        "Options": options,
        "Labels": labels,
        "Dockless": {
            "Store": store.to_string(),
            "Records": [network.record.to_string()],
            "Bridge": tables.bridges.get(id),
            "Record": value,
        },
    });
    (shown, notes.list)
}

fn containers(tables: &Tables, network: &str) -> Value {
    let mut out = Map::new();
    for endpoint in tables.endpoints.get(network).into_iter().flatten() {
        let Some(container) = tables.sandboxes.get(text(endpoint, "sandbox")) else { continue };
        let interface = endpoint.get("ep_iface").unwrap_or(&Value::Null);
        let shown = json!({
            "Name": text(endpoint, "name"),
            "EndpointID": text(endpoint, "id"),
            "MacAddress": text(interface, "mac"),
            "IPv4Address": text(interface, "addr"),
            "IPv6Address": text(interface, "addrv6"),
        });
        out.insert(container.clone(), shown);
    }
    out.into()
}

/// `IPAM`: what was asked for, completed by what was given, as docker 29 shows it.
fn ipam(value: &Value, notes: &mut Notes) -> Value {
    let mut config = Vec::new();
    for (asked, given) in [("ipamV4Config", "ipamV4Info"), ("ipamV6Config", "ipamV6Info")] {
        let asked = inner(value, asked, notes);
        let given = inner(value, given, notes);
        for n in 0..asked.len().max(given.len()) {
            config.push(pool(asked.get(n), given.get(n), notes));
        }
    }
    json!({
        "Driver": if text(value, "ipamType").is_empty() { "default" } else { text(value, "ipamType") },
        "Options": value.get("ipamOptions").cloned().unwrap_or(Value::Null),
        "Config": config,
    })
}

/// A list that is JSON inside of a JSON string.
fn inner(value: &Value, key: &str, notes: &mut Notes) -> Vec<Value> {
    let raw = text(value, key);
    match raw {
        "" | "null" => Vec::new(),
        _ => match record::value(raw.as_bytes(), notes) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        },
    }
}

fn pool(asked: Option<&Value>, given: Option<&Value>, notes: &mut Notes) -> Value {
    let none = Value::Null;
    let asked = asked.unwrap_or(&none);
    let data = given.map(|it| text(it, "IPAMData")).filter(|it| !it.is_empty());
    let given = data.and_then(|data| record::value(data.as_bytes(), notes)).unwrap_or_default();
    let first = |a: &str, b: &str| if a.is_empty() { b.to_string() } else { a.to_string() };
    let mut out = Map::new();
    out.insert("Subnet".into(), first(text(asked, "PreferredPool"), text(&given, "Pool")).into());
    if !text(asked, "SubPool").is_empty() {
        out.insert("IPRange".into(), text(asked, "SubPool").into());
    }
    let gateway = first(text(asked, "Gateway"), text(&given, "Gateway").split('/').next().unwrap_or_default());
    if !gateway.is_empty() {
        out.insert("Gateway".into(), gateway.into());
    }
    if let Some(addresses) = asked.get("AuxAddresses").and_then(Value::as_object).filter(|table| !table.is_empty()) {
        out.insert("AuxiliaryAddresses".into(), addresses.clone().into());
    }
    out.into()
}
