//! containerd's records in the shape of docker's inspect. What docker has no key for stands under `Containerd`.

use model::{Container, Image, Mount, MountKind, State, Status, Timestamp};
use serde_json::{Map, Value, json};

use super::images::Named;
use super::metadata;
use crate::db::bolt::Bucket;
use crate::oci::config::ImageConfig;
use crate::oci::spec::{Spec, texts};

/// A container.
pub(crate) fn container(container: &Container, namespace: &str, bucket: &Bucket, spec: &Value) -> Value {
    let view = Spec::new(spec);
    json!({
        "Id": container.id.as_str(),
        "Created": time(container.created),
        "Path": container.path,
        "Args": container.args,
        "State": state(&container.state),
        "Image": container.image_id.as_ref().map_or(String::new(), |id| format!("sha256:{}", id.as_str())),
        "Name": container.names.first().map_or(String::new(), |name| format!("/{name}")),
        "RestartCount": 0,
        "Driver": &*container.driver,
        "Platform": "linux",
        "HostConfig": host_config(&view),
        "GraphDriver": {"Data": null, "Name": &*container.driver},
        "Mounts": container.mounts.iter().map(mount).collect::<Vec<_>>(),
        "Config": config(container, &view),
        "NetworkSettings": {"Networks": {}, "Ports": {}},
        "Containerd": own(namespace, bucket, spec),
    })
}

fn config(container: &Container, spec: &Spec) -> Value {
    let user = (spec.at("/process/user/uid").as_u64(), spec.at("/process/user/gid").as_u64());
    json!({
        "Hostname": spec.at("/hostname").as_str().unwrap_or_default(),
        "User": match user { (Some(0) | None, _) => String::new(), (Some(uid), gid) => format!("{uid}:{}", gid.unwrap_or(0)) },
        "Tty": spec.at("/process/terminal").as_bool().unwrap_or(false),
        "Env": texts(spec.at("/process/env")),
        "Cmd": texts(spec.at("/process/args")),
        "Image": container.image,
        "WorkingDir": spec.at("/process/cwd").as_str().unwrap_or_default(),
        "Entrypoint": null,
        "Labels": container.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>(),
    })
}

fn host_config(spec: &Spec) -> Value {
    let number = |path: &str| spec.at(path).as_i64().unwrap_or(0);
    json!({
        "Memory": number("/linux/resources/memory/limit"),
        "MemorySwap": number("/linux/resources/memory/swap"),
        "CpuShares": number("/linux/resources/cpu/shares"),
        "CpuQuota": number("/linux/resources/cpu/quota"),
        "CpuPeriod": number("/linux/resources/cpu/period"),
        "CpusetCpus": spec.at("/linux/resources/cpu/cpus").as_str().unwrap_or_default(),
        "PidsLimit": number("/linux/resources/pids/limit"),
        "ReadonlyRootfs": spec.at("/root/readonly").as_bool().unwrap_or(false),
        "OomScoreAdj": number("/process/oomScoreAdj"),
        "CgroupParent": spec.at("/linux/cgroupsPath").as_str().unwrap_or_default(),
    })
}

/// What only containerd has, as recorded.
fn own(namespace: &str, bucket: &Bucket, spec: &Value) -> Value {
    let extensions = bucket.bucket("extensions").into_iter().flat_map(Bucket::values);
    json!({
        "Namespace": namespace,
        "UpdatedAt": time(metadata::time_of(bucket, "updatedat")),
        "Runtime": bucket.bucket("runtime").map(|runtime| runtime.text("name")).unwrap_or_default(),
        "Snapshotter": bucket.text("snapshotter"),
        "SnapshotKey": bucket.text("snapshotKey"),
        "SandboxID": bucket.text("sandboxid"),
        "Extensions": extensions.map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), extension(value))).collect::<Map<_, _>>(),
        "Spec": spec,
    })
}

/// An extension: a protobuf `Any`, mostly around JSON.
fn extension(raw: &[u8]) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = crate::db::protobuf::bytes_of(raw, 2).unwrap_or_default();
    json!({
        "type_url": text(crate::db::protobuf::bytes_of(raw, 1).unwrap_or_default()),
        "value": serde_json::from_slice(value).unwrap_or_else(|_| Value::from(text(value))),
    })
}

/// An image, with the names that the engine shows. `stored` is the size of its blobs, which docker 28 and later show
/// here, while its list counts the snapshots too.
pub(crate) fn image(
    image: &Image,
    named: &Named,
    config: &ImageConfig,
    stored: u64,
    tags: &[String],
    digests: &[String],
) -> Value {
    let id = format!("sha256:{}", image.id.as_str());
    let mut out = Map::new();
    out.insert("Id".into(), id.clone().into());
    out.insert("RepoTags".into(), tags.into());
    out.insert("RepoDigests".into(), digests.into());
    out.insert(
        "Parent".into(),
        image.parent.as_ref().map_or(String::new(), |id| format!("sha256:{}", id.as_str())).into(),
    );
    out.append(&mut config.inspect());
    // Docker takes the last step's (moby daemon/containerd/image_inspect.go, v29.7.2).
    if out.get("Comment").is_none_or(|comment| comment == "") {
        out.insert("Comment".into(), config.last_comment().into());
    }
    out.insert("Size".into(), stored.into());
    let driver = image.layers.first().map_or("overlayfs", |layer| layer.driver.name());
    out.insert("GraphDriver".into(), json!({"Data": null, "Name": driver}));
    out.insert("Metadata".into(), json!({"LastTagTime": time(named.updated)}));
    out.insert("Descriptor".into(), json!({"mediaType": named.media_type, "digest": id, "size": named.size}));
    if !named.labels.is_empty() {
        let labels =
            named.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>();
        out.insert("Containerd".into(), json!({"Labels": labels, "Names": named.names}));
    }
    Value::Object(out)
}

/// A time as docker writes it; Go's zero time for none.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    time.unwrap_or(Timestamp::ZERO).rfc3339()
}

/// A state in docker's keys.
pub(crate) fn state(state: &State) -> Value {
    let is = |status| state.status == status;
    json!({
        "Status": state.status.word(),
        "Running": state.status.is_live(),
        "Paused": is(Status::Paused),
        "Restarting": is(Status::Restarting),
        "OOMKilled": state.oom_killed,
        "Dead": is(Status::Dead),
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(state.started),
        "FinishedAt": time(state.finished),
    })
}

/// A mount in docker's keys.
pub(crate) fn mount(mount: &Mount) -> Value {
    let kind = match mount.kind {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Tmpfs => "tmpfs",
        MountKind::Image => "image",
        MountKind::Other => "",
    };
    let mut out = Map::new();
    out.insert("Type".into(), kind.into());
    if !mount.name.is_empty() {
        out.insert("Name".into(), mount.name.as_str().into());
    }
    out.insert("Source".into(), mount.source.as_str().into());
    out.insert("Destination".into(), mount.destination.as_str().into());
    if !mount.driver.is_empty() {
        out.insert("Driver".into(), mount.driver.as_str().into());
    }
    out.insert("Mode".into(), "".into());
    out.insert("RW".into(), mount.writable.into());
    out.insert("Propagation".into(), if mount.kind == MountKind::Tmpfs { "" } else { "rprivate" }.into());
    Value::Object(out)
}
