//! A document of docker's by itself: a config.json, hostconfig.json or state.json that came without its store.

use model::{Driver, Generation, HostPath, Store};
use serde_json::{Map, Value, json};

use crate::Found;
use crate::docker::{inspect, inspect_image, settings};
use crate::json::{self, Notes};

/// What inspect shows of the bytes of one document; `Null` with a finding where they are none.
///
/// A container's record and an image's config come in docker's shape of today, a hostconfig.json under `HostConfig`, a
/// runtime's state.json under `State`; an array, such as inspect's own output, and any other object as they are.
pub(crate) fn inspect(raw: &[u8]) -> Found<Value> {
    let mut notes = Notes::new("", &HostPath::default());
    let shown = match json::value(raw, &mut notes) {
        Some(Value::Object(table)) => object(raw, table, &mut notes),
        Some(other) => other,
        None => Value::Null,
    };
    (shown, notes.list)
}

/// What a document is, by the keys that only it has.
fn object(raw: &[u8], table: Map<String, Value>, notes: &mut Notes) -> Value {
    let has = |key: &str| table.contains_key(key);
    if has("ID") && has("State") {
        return inspect::alone(table, &nowhere(), notes).into();
    }
    if has("rootfs") && has("architecture") || has("id") && has("container_config") {
        return inspect_image::alone(raw, table).into();
    }
    if has("init_pid") || has("init_process_pid") {
        return state(&table);
    }
    if (has("Binds") || has("PortBindings")) && !has("Id") {
        let mut host = table;
        settings::complete(&mut host);
        return json!({ "HostConfig": host });
    }
    table.into()
}

/// libcontainer's state.json, of either age.
fn state(table: &Map<String, Value>) -> Value {
    let pid = ["init_pid", "init_process_pid"].iter().find_map(|key| table.get(*key)).cloned().unwrap_or(0.into());
    json!({ "Id": table.get("id"), "State": { "Pid": pid }, "Dockless": { "Runtime": { "State": table } } })
}

/// A store for documents that are in none.
pub(crate) fn nowhere() -> Store {
    Store {
        generation: Generation::DockerContent,
        driver: Driver::Other("".into()),
        home: HostPath::default(),
        recorded: b"/var/lib/docker".as_slice().into(),
        namespace: "".into(),
        evidence: Vec::new(),
        host: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(raw: &str, path: &str, value: Value) {
        let (shown, findings) = inspect(raw.as_bytes());
        assert_eq!((shown.pointer(path), findings.len()), (Some(&value), 0), "{shown}");
    }

    #[test]
    fn documents_are_known_by_their_keys() {
        check(r#"{"ID":"4f1c","State":{"Running":true},"Config":{"Memory":5}}"#, "/HostConfig/Memory", json!(5));
        check(r#"{"ID":"4f1c","State":{"Running":true},"Config":{}}"#, "/Id", json!("4f1c"));
        check(r#"{"Binds":["/a:/b"],"PortBindings":null}"#, "/HostConfig/Binds/0", json!("/a:/b"));
        check(r#"{"init_pid":503,"init_start_time":"896130"}"#, "/State/Pid", json!(503));
        check(r#"{"architecture":"amd64","rootfs":{"diff_ids":[]}}"#, "/Architecture", json!("amd64"));
        check(r#"[{"Id":"x"}]"#, "/0/Id", json!("x"));
        check(r#"{"Other":1}"#, "/Other", json!(1));
    }

    #[test]
    fn depth_and_doubled_keys_are_findings() {
        let deep = format!("{{\"ID\":\"x\",\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(inspect(deep.as_bytes()).0, Value::Null);
        let (shown, findings) = inspect(br#"{"a":1,"a":2}"#);
        assert_eq!((shown, findings.len()), (json!({ "a": 2 }), 1));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = inspect(&raw);
        }

        #[test]
        fn no_document_makes_it_panic(raw in r#"\{("(ID|State|Config|NetworkSettings|PortMapping|Ports|PortSpecs|Binds|rootfs|architecture|Health)":(null|1|"x"|\[\]|\{\}|\[1\]|\{"a":1\}),){0,6}"z":0\}"#) {
            let _ = inspect(raw.as_bytes());
        }
    }
}
