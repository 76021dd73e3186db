//! What a node tells of its swarm: that it is in one (`swarm/docker-state.json`, moby v20.10.24 daemon/cluster/cluster.go),
//! who leads it (`swarm/state.json`), and its own tasks with their networks (`swarm/worker/tasks.db`).
//!
//! GAP: what a manager knows beside that lies in its raft log, which is encrypted. A bolt database, `v1/tasks/<id>/data`, each a
//! protobuf Task (swarmkit agent/storage.go; api/objects.proto, specs.proto, types.proto, as vendored in moby v20.10.24).

use std::collections::BTreeMap;

use hostfs::Root;
use model::{HostPath, Store, Timestamp};
use serde_json::{Map, Value, json};

use crate::Found;
use crate::db::protobuf::{self, bytes_of, fields};
use crate::db::{self, bolt};
use crate::json::{self as record, Notes};

/// The tasks of a store's node.
pub(crate) fn database(store: &Store) -> HostPath {
    store.home.join("swarm/worker/tasks.db")
}

/// The swarm that a store's node was in; `None` where it was in none.
pub(crate) fn membership(root: &Root, store: &Store) -> Found<Option<Value>> {
    let home = store.home.join("swarm");
    let mut notes = Notes::new("swarm", &home);
    let mut read = |name: &str| {
        let path = home.join(name);
        if root.exists(&path) { record::read_value(root, &path, notes.at(&path)) } else { None }
    };
    let (state, managers) = (read("docker-state.json"), read("state.json"));
    if state.is_none() && !root.exists(&home.join("certificates")) && !root.exists(&database(store)) {
        return (None, notes.list);
    }
    let is_manager = root.is_dir(&home.join("raft"));
    let shown = json!({
        "Record": home.to_string(),
        "Role": if is_manager { "manager" } else { "worker" },
        "State": state,
        "Managers": managers,
        "Tasks": of_node(root, store, &mut notes),
        "Note": is_manager.then_some("services, secrets and configs stand in its raft log, which is encrypted"),
    });
    (Some(shown), notes.list)
}

/// A node's tasks: Task.{id 1, service_id 4, slot 5, node_id 6, service_annotations 8}, by id.
fn of_node(root: &Root, store: &Store, notes: &mut Notes) -> Vec<Value> {
    let mut out = Vec::new();
    each_task(root, store, notes, |task| {
        let service = bytes_of(task, 8).map(|it| text(it, 1)).unwrap_or_default();
        out.push(json!({ "ID": text(task, 1), "Service": service, "ServiceID": text(task, 4), "Slot": number(task, 5), "NodeID": text(task, 6) }));
    });
    out
}

/// The networks that tasks are attached to, by id, in the form that libnetwork records its own in.
pub(crate) fn networks(root: &Root, store: &Store, notes: &mut Notes) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    each_task(root, store, notes, |task| out.extend(of_task(task)));
    out
}

/// Each task of the database, where there is one.
fn each_task(root: &Root, store: &Store, notes: &mut Notes, take: impl FnMut(&[u8])) {
    let path = database(store);
    let raw = match root.read(&path, db::LIMIT) {
        Ok(raw) => raw,
        Err(error) => {
            if !error.is_missing() {
                notes.at(&path).add(record::code_of(&error), error.problem.to_string());
            }
            return;
        }
    };
    let database = match bolt::Database::read(&raw) {
        Ok(database) => database,
        Err(error) => return notes.at(&path).add("database-damaged", error.to_string()),
    };
    database.damage.iter().for_each(|damage| notes.at(&path).add("database-damaged", damage.clone()));
    let tasks = database.root.at([b"v1".as_slice(), b"tasks".as_slice()]);
    tasks.into_iter().flat_map(bolt::Bucket::buckets).filter_map(|(_, task)| task.get("data")).for_each(take);
}

/// Task.networks: field 11, each with its network in field 1.
fn of_task(task: &[u8]) -> Vec<(String, Value)> {
    messages(task, 11).filter_map(|attachment| network(bytes_of(attachment, 1)?)).collect()
}

fn network(raw: &[u8]) -> Option<(String, Value)> {
    let id = text(raw, 1);
    let spec = bytes_of(raw, 3)?;
    let state = bytes_of(raw, 4).unwrap_or_default();
    let annotations = bytes_of(spec, 1).unwrap_or_default();
    let made = bytes_of(raw, 2).and_then(|meta| bytes_of(meta, 2)).unwrap_or_default();
    let created = Timestamp::new(number(made, 1) as i64, number(made, 2) as u32);
    let pools = bytes_of(raw, 5).unwrap_or_default();
    let pools: Vec<Value> = messages(pools, 3)
        .map(|pool| json!({"PreferredPool": text(pool, 2), "SubPool": text(pool, 3), "Gateway": text(pool, 4)}))
        .collect();
    let value = json!({
        "name": text(annotations, 1),
        "networkType": text(state, 1),
        "scope": "swarm",
        "created": created.rfc3339(),
        "labels": pairs(annotations, 2),
        "internal": number(spec, 4) != 0,
        "enableIPv6": number(spec, 3) != 0,
        "attachable": number(spec, 6) != 0,
        "ingress": number(spec, 7) != 0,
        "generic": {"com.docker.network.generic": pairs(state, 2)},
        "ipamV4Config": Value::from(pools).to_string(),
    });
    (!id.is_empty()).then_some((id, value))
}

fn messages(message: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |field| match field {
        (number, protobuf::Value::Bytes(bytes)) if number == wanted => Some(bytes),
        _ => None,
    })
}

fn text(message: &[u8], number: u64) -> String {
    String::from_utf8_lossy(bytes_of(message, number).unwrap_or_default()).into_owned()
}

fn number(message: &[u8], wanted: u64) -> u64 {
    let found = fields(message).filter_map(|field| match field {
        (number, protobuf::Value::Number(value)) if number == wanted => Some(value),
        _ => None,
    });
    found.last().unwrap_or(0)
}

/// A map of texts: messages of key (1) and value (2).
fn pairs(message: &[u8], number: u64) -> Map<String, Value> {
    messages(message, number).map(|pair| (text(pair, 1), text(pair, 2).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn varint(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    #[test]
    fn a_task_names_its_networks() {
        let pair = |key: &str, value: &str| [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
        let created = field(2, &varint(1, 9));
        let spec = [field(1, &[field(1, b"ov1"), field(2, &pair("a", "b"))].concat()), varint(6, 1)].concat();
        let state = [field(1, b"overlay"), field(2, &pair("vxlanid_list", "4097"))].concat();
        let pool = field(3, &[varint(1, 4), field(2, b"10.0.1.0/24"), field(4, b"10.0.1.1")].concat());
        let network =
            [field(1, b"qfee"), field(2, &created), field(3, &spec), field(4, &state), field(5, &pool)].concat();
        let task = [field(1, b"6e0n"), field(11, &field(1, &network)), field(11, b"")].concat();

        let found = of_task(&task);
        assert_eq!(found.len(), 1);
        let (id, value) = &found[0];
        assert_eq!(id, "qfee");
        let told = ["name", "networkType", "scope", "created", "attachable", "internal"].map(|key| value[key].clone());
        let wanted = json!(["ov1", "overlay", "swarm", "1970-01-01T00:00:09Z", true, false]);
        assert_eq!(Value::from(told.to_vec()), wanted);
        assert_eq!(value["labels"], json!({"a": "b"}));
        assert_eq!(value["ipamV4Config"], r#"[{"PreferredPool":"10.0.1.0/24","SubPool":"","Gateway":"10.0.1.1"}]"#);
    }

    #[test]
    fn a_cut_task_names_what_it_can() {
        assert_eq!(of_task(b"\x5a\x7f\x0a"), []);
        assert_eq!(of_task(b""), []);
    }
}
