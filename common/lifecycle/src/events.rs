//! What happens to containers, their volumes and networks, written down as it happens: a journal in the data root, in the form of
//! docker's own events.
//!
//! One JSON object a line, as docker's API gives them (moby v20.10.24 api/types/events). Whoever does a thing writes it; no
//! lock is needed, since a short line is added at once.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::Timestamp;
use serde_json::{Map, Value, json};

/// The journal below the root. dockerd does not look at it.
pub const JOURNAL: &str = "dockless.events";
/// Bytes after which it is turned over to `dockless.events.1`.
const FULL: u64 = 1 << 20;

/// Writes an event of a container; `record` is its `config.v2.json` or inspect JSON. Events are told, not promised: one that
/// cannot be written is lost.
pub fn tell(root: &Path, record: &Value, action: &str, more: &[(&str, String)]) {
    write(root, &event(record, action, more, launch::now()));
}

/// Writes an event of a volume of the root.
pub fn tell_volume(root: &Path, name: &str, action: &str, more: &[(&str, String)]) {
    let more = [&[("driver", "local".to_string())], more].concat();
    write(root, &of("volume", name, action, attributes(&more), launch::now()));
}

/// Writes an event of an image: `name` is the name it is about, or its id (moby v20.10.24 daemon/images/image_events.go).
pub fn tell_image(root: &Path, id: &str, action: &str, name: &str) {
    let mut event = of("image", id, action, attributes(&[("name", name.to_string())]), launch::now());
    (event["status"], event["id"]) = (json!(action), json!(id));
    write(root, &event);
}

/// Writes that a container is connected to its networks, or is not any more. `networks` is docker's `Networks` of its record.
pub fn tell_networks(root: &Path, container: &str, networks: &Value, action: &str) {
    for (name, endpoint) in networks.as_object().into_iter().flatten() {
        let text = |key: &str| endpoint[key].as_str().unwrap_or_default();
        // Docker's own bridge has no id where the root has no record of it.
        let id = text("NetworkID");
        if id.is_empty() && text("IPAddress").is_empty() && text("MacAddress").is_empty() {
            continue;
        }
        // A network of the user's that is no bridge says so where it is recorded, not here.
        let mut about = vec![("container", container.to_string()), ("name", name.clone())];
        about.extend((name == "bridge").then(|| ("type", "bridge".to_string())));
        write(root, &of("network", id, action, attributes(&about), launch::now()));
    }
}

/// Writes that a container has its volumes mounted, or has not any more. `points` is docker's `MountPoints` of its record.
pub fn tell_mounts(root: &Path, container: &str, points: &Value, mounted: bool) {
    for (destination, point) in points.as_object().into_iter().flatten() {
        let Some(name) = point["Name"].as_str().filter(|name| !name.is_empty()) else { continue };
        let mut about = vec![("container", container.to_string())];
        if mounted {
            let writable = point["RW"].as_bool().unwrap_or(true);
            about.push(("destination", destination.clone()));
            about.push(("propagation", point["Propagation"].as_str().unwrap_or_default().to_string()));
            about.push(("read/write", writable.to_string()));
        }
        tell_volume(root, name, if mounted { "mount" } else { "unmount" }, &about);
    }
}

/// Writes that a container is gone, and which of its volumes went with it. `points` is docker's `MountPoints` of its record.
pub fn tell_gone(root: &Path, record: &Value, points: &Value) {
    let names = points.as_object().into_iter().flatten().filter_map(|(_, point)| point["Name"].as_str());
    for name in names.filter(|name| !name.is_empty() && !root.join("volumes").join(name).exists()) {
        tell_volume(root, name, "destroy", &[]);
    }
    tell(root, record, "destroy", &[]);
}

fn write(root: &Path, event: &Value) {
    let line = format!("{event}\n");
    let path = root.join(JOURNAL);
    if path.metadata().is_ok_and(|stat| stat.len() > FULL) {
        let _ = std::fs::rename(&path, older(root));
    }
    // Not made anew for a container whose root is gone.
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).mode(0o600).open(&path) {
        let _ = file.write_all(line.as_bytes());
    }
}

/// Where the journal lies that was turned over last.
pub fn older(root: &Path) -> PathBuf {
    root.join(format!("{JOURNAL}.1"))
}

/// A container's event in docker's form.
pub fn event(record: &Value, action: &str, more: &[(&str, String)], time: Timestamp) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let id = text(if record["ID"].is_null() { &record["Id"] } else { &record["ID"] });
    let image = text(&record["Config"]["Image"]);
    let mut all: Map<String, Value> = record["Config"]["Labels"].as_object().cloned().unwrap_or_default();
    all.insert("image".into(), json!(image));
    all.insert("name".into(), json!(text(&record["Name"]).trim_start_matches('/')));
    all.extend(attributes(more));
    let mut event = json!({ "status": action, "id": id, "from": image });
    if let (Some(event), Value::Object(rest)) = (event.as_object_mut(), of("container", &id, action, all, time)) {
        event.extend(rest);
    }
    event
}

fn attributes(list: &[(&str, String)]) -> Map<String, Value> {
    list.iter().map(|(key, value)| (key.to_string(), json!(value))).collect()
}

/// An event of anything, its attributes by name.
fn of(kind: &str, id: &str, action: &str, attributes: Map<String, Value>, time: Timestamp) -> Value {
    let mut names: Vec<_> = attributes.into_iter().collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    json!({
        "Type": kind, "Action": action, "Actor": { "ID": id, "Attributes": Map::from_iter(names) }, "scope": "local",
        "time": time.seconds, "timeNano": time.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nanos)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_dockers_own() {
        let record = json!({"ID": "abc", "Name": "/web", "Config": {"Image": "base:1", "Labels": {"b": "x"}}});
        let event = event(&record, "die", &[("exitCode", "3".to_string())], Timestamp::new(5, 7));
        assert_eq!(
            event.to_string(),
            r#"{"status":"die","id":"abc","from":"base:1","Type":"container","Action":"die","Actor":{"ID":"abc","Attributes":{"b":"x","exitCode":"3","image":"base:1","name":"web"}},"scope":"local","time":5,"timeNano":5000000007}"#
        );
    }

    #[test]
    fn volumes_and_networks_have_dockers_events_too() {
        let root = tempfile::tempdir().unwrap();
        let points =
            json!({"/data": {"Name": "v", "RW": false, "Propagation": ""}, "/bind": {"Name": "", "Source": "/x"}});
        tell_mounts(root.path(), "abc", &points, true);
        tell_mounts(root.path(), "abc", &points, false);
        tell_networks(root.path(), "abc", &json!({"bridge": {"NetworkID": "n1"}}), "connect");
        tell_image(root.path(), "sha256:1", "tag", "a:b");
        let text = std::fs::read_to_string(root.path().join(JOURNAL)).unwrap();
        let said: Vec<String> = text.lines().map(|line| line.split(",\"scope\"").next().unwrap().to_string()).collect();
        assert_eq!(
            said,
            [
                r#"{"Type":"volume","Action":"mount","Actor":{"ID":"v","Attributes":{"container":"abc","destination":"/data","driver":"local","propagation":"","read/write":"false"}}"#,
                r#"{"Type":"volume","Action":"unmount","Actor":{"ID":"v","Attributes":{"container":"abc","driver":"local"}}"#,
                r#"{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"abc","name":"bridge","type":"bridge"}}"#,
                r#"{"Type":"image","Action":"tag","Actor":{"ID":"sha256:1","Attributes":{"name":"a:b"}}"#,
            ]
        );
    }

    #[test]
    fn a_full_journal_is_turned_over() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(JOURNAL), vec![b'\n'; FULL as usize + 1]).unwrap();
        tell(root.path(), &json!({"ID": "a"}), "start", &[]);
        assert_eq!(std::fs::metadata(older(root.path())).unwrap().len(), FULL + 1);
        assert!(std::fs::read_to_string(root.path().join(JOURNAL)).unwrap().starts_with("{\"status\":\"start\""));
    }
}
