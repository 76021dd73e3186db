//! What CRI-O keeps beside a container: `userdata/state.json` and the runtime spec `userdata/config.json`
//! (cri-o internal/oci/container.go, `ContainerState` and `StatePath`, commit 009ccb65).

use hostfs::Root;
use model::{Container, State, Status, Store};
use serde_json::Value;

use super::containers::{time, userdata};
use crate::json::{self, Notes};
use crate::oci::spec::Spec;

/// Adds to a container that only containers/storage knows what CRI-O wrote of it. Buildah writes neither file.
pub(crate) fn complete(root: &Root, store: &Store, container: &mut Container, notes: &mut Notes) {
    let mut own = Notes::new(format!("container {}", container.id.short()), &container.record);
    let mut read = |name: &str| {
        let path = userdata(store, container.id.as_str())?.join(name);
        let raw = json::read_if_there(root, &path, &mut own)?;
        Some((json::value(&raw, own.at(&path))?, path))
    };
    if let Some((value, path)) = read("state.json") {
        container.state = state(&value);
        container.record = path;
    }
    if let Some((value, _)) = read("config.json") {
        let spec = Spec::new(&value);
        (container.path, container.args) = spec.command();
        container.mounts = spec.mounts();
    }
    notes.list.append(&mut own.list);
}

/// The words are the runtime spec's (runtime.md, State), and `paused`, which runc adds.
fn state(value: &Value) -> State {
    let status = match value.get("status").and_then(Value::as_str).unwrap_or_default() {
        "creating" | "created" => Status::Created,
        "running" => Status::Running,
        "paused" => Status::Paused,
        "stopped" => Status::Exited,
        _ => Status::Unknown,
    };
    let pid = ["initPid", "pid"].iter().find_map(|key| value.get(*key)?.as_i64()).unwrap_or(0);
    State {
        status,
        exit_code: value.get("exitCode").and_then(Value::as_i64),
        started: time(value.get("started")),
        finished: time(value.get("finished")),
        pid: if matches!(status, Status::Running | Status::Paused) { pid } else { 0 },
        error: value.get("error").and_then(Value::as_str).unwrap_or_default().to_string(),
        oom_killed: value.get("oomKilled").and_then(Value::as_bool).unwrap_or(false),
        health: None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{containers, detect};

    /// A storage as CRI-O leaves it, with what it writes beside a container.
    fn ps(state: &str) -> (Container, Vec<model::Finding>) {
        let id = "5b4f6dd5b0a36ba39e4d7e0ccd8a42cbbe9b5e7bfc9b1d6ee6ae53ba0a2cdeb9";
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("overlay-layers/layers.json", "[]");
        write("overlay-images/images.json", "[]");
        fs::create_dir_all(dir.path().join("overlay/l")).unwrap();
        let names = r#"["k8s_web_pod_default_1_0"]"#;
        write(
            "overlay-containers/containers.json",
            &format!(
                r#"[{{"id":"{id}","names":{names},"layer":"x","metadata":"{{}}","created":"2024-05-01T10:00:00Z"}}]"#
            ),
        );
        write(&format!("overlay-containers/{id}/userdata/state.json"), state);
        write(
            &format!("overlay-containers/{id}/userdata/config.json"),
            r#"{"ociVersion":"1.0.2","process":{"args":["/web","-v"]},"mounts":[{"destination":"/data","type":"bind","source":"/srv/data","options":["rbind","ro"]}]}"#,
        );
        let root = Root::open(dir.path()).unwrap();
        let (stores, _) = detect(&root);
        let (list, findings) = containers(&root, &stores, 0);
        (list.into_iter().next().unwrap(), findings)
    }

    #[test]
    fn a_container_of_cri_o_has_its_state_and_command() {
        let (container, _) = ps(
            r#"{"ociVersion":"1.0.2","status":"stopped","pid":0,"initPid":77,"created":"2024-05-01T10:00:00Z","started":"2024-05-01T10:00:01Z","finished":"2024-05-01T11:00:00Z","exitCode":137,"oomKilled":true}"#,
        );
        assert_eq!((container.state.status, container.state.exit_code), (Status::Exited, Some(137)));
        assert!(container.state.oom_killed && container.state.finished > container.state.started);
        assert_eq!(container.state.pid, 0);
        assert_eq!((container.path.as_str(), &container.args[..]), ("/web", &["-v".to_string()][..]));
        assert_eq!(container.mounts[0].destination, "/data");
    }

    #[test]
    fn a_damaged_state_costs_the_state_alone() {
        let (container, findings) = ps(r#"{"status":"runn"#);
        assert_eq!(container.state.status, Status::Unknown);
        assert_eq!(container.path, "/web");
        assert!(findings.iter().any(|finding| finding.code == "record-truncated"), "{findings:?}");
    }
}
