//! An image's config: bytes to what lists, history and inspect show of it.
//!
//! The keys are those of the OCI image spec v1.1 (config.md) and of docker's own form, which differs in more keys only
//! (moby image/image.go, v20.10.24).

use model::{Digest, Image, Timestamp};
use serde_json::{Map, Value, json};

pub(crate) use crate::docker_content::records::{chain_ids, sha256};
use crate::json::{self, Notes};
use crate::{Found, HistoryEntry};

/// A config, taken apart as far as it is what it should be.
pub(crate) struct ImageConfig {
    value: Value,
}

impl ImageConfig {
    pub fn new(value: Value) -> ImageConfig {
        ImageConfig { value }
    }

    /// The config of an image, from the bytes that it holds.
    pub fn of(image: &Image, notes: &mut Notes) -> ImageConfig {
        let value = if image.config.is_empty() { None } else { json::value(&image.config, notes) };
        ImageConfig::new(value.unwrap_or_default())
    }

    fn text(&self, key: &str) -> &str {
        self.value.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// When the image was made; `None` where not recorded, as docker 25 and later allow.
    pub fn created(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(self.text("created")).filter(|time| !time.is_zero())
    }

    /// Digests of the uncompressed layers, lowest first.
    pub fn diff_ids(&self) -> Vec<Digest> {
        let ids = self.value.pointer("/rootfs/diff_ids").and_then(Value::as_array);
        ids.into_iter().flatten().filter_map(|id| id.as_str()?.parse().ok()).collect()
    }

    /// The steps by which it was made, newest first. `sizes` are those of the layers, lowest first.
    pub fn history(&self, sizes: &[Option<u64>]) -> Vec<HistoryEntry> {
        let mut sizes = sizes.iter();
        let steps = self.value.get("history").and_then(Value::as_array);
        let mut out: Vec<HistoryEntry> =
            steps.into_iter().flatten().map(|step| history_entry(step, &mut sizes)).collect();
        out.reverse();
        out
    }

    /// The remark of the first step.
    pub fn first_comment(&self) -> &str {
        self.value.pointer("/history/0/comment").and_then(Value::as_str).unwrap_or_default()
    }

    /// The remark of the last step.
    pub fn last_comment(&self) -> &str {
        let steps = self.value.get("history").and_then(Value::as_array);
        steps.and_then(|steps| steps.last()?.get("comment")?.as_str()).unwrap_or_default()
    }

    /// Docker's inspect of an image without what the store adds (`Id`, `RepoTags`, `Size`, …). Keys of the config that
    /// docker does not show are kept under their own names.
    pub fn inspect(&self) -> Map<String, Value> {
        let mut out = Map::new();
        for (shown, key) in SHOWN {
            let value = self.value.get(*key).cloned().unwrap_or(Value::Null);
            if *shown == "Created" || !value.is_null() {
                out.insert((*shown).to_string(), value);
            } else if matches!(*shown, "Comment" | "Author" | "Architecture" | "Os") {
                out.insert((*shown).to_string(), "".into());
            }
        }
        let layers: Vec<Value> = self.diff_ids().iter().map(|id| id.to_string().into()).collect();
        out.insert(
            "RootFS".into(),
            json!({"Type": self.value.pointer("/rootfs/type").cloned().unwrap_or("layers".into()), "Layers": layers}),
        );
        for (key, value) in self.value.as_object().into_iter().flatten() {
            if !SHOWN.iter().any(|(_, known)| known == key) && !matches!(key.as_str(), "rootfs" | "history") {
                out.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        out
    }
}

/// Docker's name of a key in inspect, and that in the config, in docker's order.
const SHOWN: &[(&str, &str)] = &[
    ("Comment", "comment"),
    ("Created", "created"),
    ("Container", "container"),
    ("ContainerConfig", "container_config"),
    ("DockerVersion", "docker_version"),
    ("Author", "author"),
    ("Config", "config"),
    ("Architecture", "architecture"),
    ("Variant", "variant"),
    ("Os", "os"),
    ("OsVersion", "os.version"),
    ("OsFeatures", "os.features"),
];

fn history_entry<'a>(step: &Value, sizes: &mut impl Iterator<Item = &'a Option<u64>>) -> HistoryEntry {
    let text = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let is_empty = step.get("empty_layer").and_then(Value::as_bool).unwrap_or(false);
    HistoryEntry {
        created: Timestamp::parse_rfc3339(&text("created")),
        created_by: text("created_by"),
        size: if is_empty { Some(0) } else { sizes.next().copied().flatten() },
        comment: text("comment"),
        ..HistoryEntry::default()
    }
}

/// An object whose values are text, as pairs in the record's order.
pub(crate) fn pairs(object: Option<&Value>) -> Vec<(String, String)> {
    let map = object.and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string()))).collect()
}

/// The steps of an image whose config says all of them, newest first; the newest has the image's id and tags.
pub(crate) fn history(image: &Image) -> Found<Vec<HistoryEntry>> {
    let mut notes = Notes::new(format!("image {}", image.id.short()), &image.record);
    let sizes: Vec<Option<u64>> = image.layers.iter().rev().map(|layer| layer.size).collect();
    let mut steps = ImageConfig::of(image, &mut notes).history(&sizes);
    if let Some(top) = steps.first_mut() {
        top.id = Some(image.id.clone());
        top.tags = image.tags.clone();
    }
    (steps, notes.list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_are_those_that_docker_computed() {
        let ids = |texts: [&str; 3]| texts.map(|text| text.parse::<Digest>().unwrap());
        let layers = ids([
            "1a7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f",
            "e036f8db5e80539ad3bec39807bd3bb846cc9edd19a34dc49d385559bc683481",
            "51a3e28313174625b1214a9ea5b0c7644cad5fdeb426a3eabed5064b6db794be",
        ]);
        let chain = ids([
            "1a7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f",
            "8e70ba8ba0a2ad1d52d1d23e819e2ba332467f45e1862715e02c121a75141705",
            "1b1dbc04ac3838e8b220aac772b17339d8f85fe6b37e7804f25d088159fe1b0e",
        ]);
        assert_eq!(chain_ids(&layers), chain);
        assert_eq!(chain_ids(&[]), []);
    }

    #[test]
    fn steps_without_a_layer_take_no_size() {
        let config = ImageConfig::new(
            json!({"history": [{"created_by": "a"}, {"created_by": "b", "empty_layer": true}, {"comment": "c"}]}),
        );
        let read: Vec<_> = config
            .history(&[Some(5), Some(7)])
            .into_iter()
            .map(|step| (step.created_by, step.comment, step.size))
            .collect();
        let step = |by: &str, comment: &str, size| (by.to_string(), comment.to_string(), Some(size));
        assert_eq!(read, [step("", "c", 7), step("b", "", 0), step("a", "", 5)]);
    }

    #[test]
    fn keys_that_docker_does_not_show_are_kept() {
        let shown =
            ImageConfig::new(json!({"os": "linux", "config": {"Cmd": ["x"]}, "moby.buildkit.cache.v0": "eA=="}))
                .inspect();
        assert_eq!(shown["Os"], "linux");
        assert_eq!(shown["Config"], json!({"Cmd": ["x"]}));
        assert_eq!(shown["Created"], Value::Null);
        assert_eq!(shown["moby.buildkit.cache.v0"], "eA==");
    }
}
