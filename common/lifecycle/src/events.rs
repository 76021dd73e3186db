//! What happens to containers, written down as it happens: a journal in the data root, in the form of docker's own events.
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
    let line = format!("{}\n", event(record, action, more, launch::now()));
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
    let mut attributes: Map<String, Value> = record["Config"]["Labels"].as_object().cloned().unwrap_or_default();
    attributes.insert("image".into(), json!(image));
    attributes.insert("name".into(), json!(text(&record["Name"]).trim_start_matches('/')));
    attributes.extend(more.iter().map(|(key, value)| (key.to_string(), json!(value))));
    let mut names: Vec<_> = attributes.into_iter().collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    json!({
        "status": action, "id": id, "from": image, "Type": "container", "Action": action,
        "Actor": { "ID": id, "Attributes": Map::from_iter(names) }, "scope": "local",
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
    fn a_full_journal_is_turned_over() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(JOURNAL), vec![b'\n'; FULL as usize + 1]).unwrap();
        tell(root.path(), &json!({"ID": "a"}), "start", &[]);
        assert_eq!(std::fs::metadata(older(root.path())).unwrap().len(), FULL + 1);
        assert!(std::fs::read_to_string(root.path().join(JOURNAL)).unwrap().starts_with("{\"status\":\"start\""));
    }
}
