//! Containers of a namespace: their records stand in `meta.db` as a runtime spec with a few words around it.
//!
//! containerd records no state: a task lives in memory only. What Kubernetes' part of it wrote down is taken from
//! there (containerd internal/cri/store/container/status.go, v2.3.3).

use hostfs::Root;
use model::{Container, HostPath, Id, State, Status, Timestamp};
use serde_json::Value;

use super::content;
use super::metadata;
use crate::db::bolt::Bucket;
use crate::db::protobuf;
use crate::json::{self, Notes};
use crate::oci::spec::Spec;

/// All containers of a namespace, newest first; with a prefix, those whose id begins with it.
pub(crate) fn read(
    root: &Root,
    folder: &HostPath,
    namespace: &Bucket,
    store: usize,
    prefix: &str,
    notes: &mut Notes,
) -> Vec<Container> {
    let all = namespace.bucket("containers").into_iter().flat_map(Bucket::buckets);
    let mut out = Vec::new();
    for (raw_id, bucket) in all.filter(|(id, _)| id.starts_with(prefix.as_bytes())) {
        let text = String::from_utf8_lossy(raw_id);
        let Some(id) = Id::new(&text) else {
            notes.add("id-odd", format!("container '{text}' has an id that no path can hold; it is left out"));
            continue;
        };
        let mut own = Notes::new(format!("container {}", id.short()), &metadata::path(folder));
        let spec = spec(bucket, &mut own);
        out.push(container(root, folder, namespace, bucket, id, &Spec::new(&spec), store, &mut own));
        notes.list.append(&mut own.list);
    }
    out.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    out
}

/// The runtime spec: a protobuf `Any` around JSON. Null with a finding where it cannot be read.
pub(crate) fn spec(bucket: &Bucket, notes: &mut Notes) -> Value {
    let raw = bucket.get("spec").unwrap_or_default();
    if raw.is_empty() {
        return Value::Null;
    }
    match protobuf::bytes_of(raw, 2) {
        Some(spec) => json::value(spec, notes).unwrap_or_default(),
        None => {
            notes.add("record-damaged", "its spec is no message with a value");
            Value::Null
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "each is another part of the store, and there is one caller")]
fn container(
    root: &Root,
    folder: &HostPath,
    namespace: &Bucket,
    bucket: &Bucket,
    id: Id,
    spec: &Spec,
    store: usize,
    notes: &mut Notes,
) -> Container {
    let labels = metadata::labels(bucket);
    let image = bucket.text("image");
    let (path, args) = spec.command();
    Container {
        store,
        names: name(&labels).into_iter().collect(),
        image_id: namespace
            .at([b"images", image.as_bytes()])
            .and_then(content::target)
            .map(|(digest, ..)| digest.into()),
        image,
        path,
        args,
        created: metadata::time_of(bucket, "createdat"),
        state: state(root, folder, &id, notes),
        labels,
        ports: Vec::new(),
        mounts: spec.mounts(),
        networks: Vec::new(),
        driver: bucket.text("snapshotter").into(),
        record: metadata::path(folder),
        id,
    }
}

/// A name that a person gave it: nerdctl's, or that of Kubernetes, put together as dockershim did
/// (`k8s_CONTAINER_POD_NAMESPACE`).
fn name(labels: &[(String, String)]) -> Option<String> {
    let label = |key: &str| {
        labels.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    if let Some(name) = label("nerdctl/name") {
        return Some(name.to_string());
    }
    let pod = label("io.kubernetes.pod.name")?;
    let is_sandbox = label("io.cri-containerd.kind") == Some("sandbox");
    let container = if is_sandbox { "POD" } else { label("io.kubernetes.container.name")? };
    Some(format!("k8s_{container}_{pod}_{}", label("io.kubernetes.pod.namespace").unwrap_or_default()))
}

/// The state that Kubernetes' part of containerd wrote down; unknown where it did not make the container.
fn state(root: &Root, folder: &HostPath, id: &Id, notes: &mut Notes) -> State {
    let path = folder.join(format!("io.containerd.grpc.v1.cri/containers/{}/status", id.as_str()));
    let Some(raw) = json::read_if_there(root, &path, notes) else { return State::default() };
    let Some(status) = json::value(&raw, notes.at(&path)) else { return State::default() };
    let number = |key: &str| status.get(key).and_then(Value::as_i64);
    let time = |key: &str| {
        number(key).filter(|&nanos| nanos > 0).map(|nanos| {
            Timestamp::new(nanos.div_euclid(1_000_000_000), u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0))
        })
    };
    let (started, finished) = (time("StartedAt"), time("FinishedAt"));
    State {
        status: match (started, finished) {
            (_, Some(_)) => Status::Exited,
            (Some(_), None) => Status::Running,
            (None, None) => Status::Created,
        },
        exit_code: finished.and(number("ExitCode")),
        started,
        finished,
        pid: number("Pid").unwrap_or(0),
        error: status.get("Message").and_then(Value::as_str).unwrap_or_default().to_string(),
        oom_killed: status.get("Reason").and_then(Value::as_str) == Some("OOMKilled"),
        health: None,
    }
}
