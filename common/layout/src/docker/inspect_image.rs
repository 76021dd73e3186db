//! An image's config of any age in the shape of docker's inspect of today (docs/layouts/inspect.md).
//!
//! The shape: api/types/image InspectResponse, moby v28.5.2; daemon/images/image_inspect.go.

use hostfs::Root;
use model::{Finding, Generation, HostPath, Id, Image, Store, Timestamp};
use serde_json::{Map, Value, json};

use crate::Found;
use crate::docker::graph_driver;
use crate::docker::inspect::ordered;
use crate::docker::settings::is_empty;
use crate::docker_content::read::metadata_of;
use crate::docker_content::records::sha256;
use crate::json::{self as record, Notes};

const ORDER: [&str; 22] = [
    "Id",
    "RepoTags",
    "RepoDigests",
    "Parent",
    "Comment",
    "Created",
    "Container",
    "ContainerConfig",
    "DockerVersion",
    "Author",
    "Config",
    "Architecture",
    "Variant",
    "Os",
    "OsVersion",
    "OsFeatures",
    "Size",
    "VirtualSize",
    "GraphDriver",
    "RootFS",
    "Metadata",
    "Descriptor",
];

/// Keys of a config, and of a v1 `json`, under the name that docker answers with.
const NAMES: [(&str, &str); 13] = [
    ("architecture", "Architecture"),
    ("author", "Author"),
    ("comment", "Comment"),
    ("config", "Config"),
    ("container", "Container"),
    ("container_config", "ContainerConfig"),
    ("created", "Created"),
    ("docker_version", "DockerVersion"),
    ("id", "Id"),
    ("os", "Os"),
    ("os.features", "OsFeatures"),
    ("os.version", "OsVersion"),
    ("variant", "Variant"),
];

/// An image of a store.
pub(crate) fn image(root: &Root, stores: &[Store], image: &Image) -> Found<Value> {
    let store = &stores[image.store];
    let mut notes = Notes::new(format!("image {}", image.id.short()), &image.record);
    let config = if image.config.is_empty() { None } else { record::value(&image.config, &mut notes) };
    let mut shown = shape(config.and_then(|it| it.as_object().cloned()).unwrap_or_default());
    let old = matches!(store.generation, Generation::DockerFirst | Generation::DockerGraph);
    let id = |id: &Id| if old { id.to_string() } else { format!("sha256:{id}") };
    shown.insert("Id".into(), id(&image.id).into());
    shown.insert("RepoTags".into(), image.tags.clone().into());
    shown.insert("RepoDigests".into(), image.digests.clone().into());
    shown.insert("Parent".into(), image.parent.as_ref().map(id).unwrap_or_default().into());
    // Bytes of all layers. Before 1.10 docker called this VirtualSize, and its own layer's Size.
    if let Some(size) = image.size {
        shown.insert("Size".into(), size.into());
        shown.insert("VirtualSize".into(), size.into());
    }
    shown.insert("GraphDriver".into(), graph_driver::image(root, store, image.layers.first()));
    shown.insert("Metadata".into(), json!({ "LastTagTime": last_tagged(root, store, image) }));
    let findings: Vec<String> = notes.list.iter().map(Finding::to_string).collect();
    let added = json!({ "Store": store.to_string(), "Record": image.record.to_string(), "OwnSize": image.layers.first().and_then(|layer| layer.size), "Findings": findings });
    shown.insert("Dockless".into(), added);
    (ordered(shown, &ORDER).into(), notes.list)
}

/// A config alone: its digest is its id.
pub(crate) fn alone(raw: &[u8], config: Map<String, Value>) -> Map<String, Value> {
    let is_v1 = config.contains_key("id");
    let mut shown = shape(config);
    if !is_v1 {
        shown.insert("Id".into(), sha256(raw).to_string().into());
    }
    ordered(shown, &ORDER)
}

/// A config under docker's names. Keys that docker has no name for are kept under their own.
fn shape(mut config: Map<String, Value>) -> Map<String, Value> {
    let history = config.shift_remove("history");
    let layers =
        config.shift_remove("rootfs").and_then(|mut it| it.get_mut("diff_ids").map(Value::take)).unwrap_or(Value::Null);
    let mut out = Map::new();
    for (key, value) in config {
        let name = NAMES.iter().find(|(old, _)| *old == key).map_or(key.as_str(), |(_, new)| new);
        out.insert(name.into(), value);
    }
    if out.get("Comment").and_then(Value::as_str).unwrap_or_default().is_empty() {
        let last = history.as_ref().and_then(|it| it.as_array()?.last()?.get("comment")).cloned();
        out.insert("Comment".into(), last.unwrap_or_else(|| "".into()));
    }
    for key in ["Author", "DockerVersion", "Architecture"] {
        out.entry(key).or_insert("".into());
    }
    out.entry("Os").or_insert("linux".into());
    let config = out.entry("Config").or_insert(Value::Null);
    // A config that says nothing at all is shown as 29 shows it, which drops what says nothing.
    if config.as_object().is_some_and(|table| table.values().all(is_empty)) {
        *config = json!({});
    }
    out.entry("Created").or_insert(Timestamp::ZERO.rfc3339().into());
    out.shift_remove("parent");
    out.insert("RootFS".into(), json!({ "Type": "layers", "Layers": layers }));
    out
}

/// When a tag last came to the image (image/fs.go lastUpdated, 17.07 on); Go's zero where never.
fn last_tagged(root: &Root, store: &Store, image: &Image) -> String {
    let path: HostPath = metadata_of(store, &image.id, "lastUpdated");
    let raw = if store.generation == Generation::DockerContent { root.read(&path, 256).ok() } else { None };
    let text = raw
        .map(|raw| String::from_utf8_lossy(&raw).trim().to_string())
        .filter(|text| Timestamp::parse_rfc3339(text).is_some());
    text.unwrap_or_else(|| Timestamp::ZERO.rfc3339())
}
