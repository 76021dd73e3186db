//! Images of docker 1.9 and before: one JSON per layer, found by an id that says nothing about content.
//!
//! Sources, moby v20.10.24: `image/image.go` (`V1Image`, `History`), `image/rootfs.go`, `image/v1/imagev1.go`
//! (`CreateID`, `HistoryFromConfig`, `MakeConfigFromV1Config`), `image/tarexport/load.go` (`legacyLoadImage`) and
//! `save.go` (`saveImage`), `api/types/versions/compare.go`.

use std::borrow::Cow;

use model::Digest;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Created, History, RootFs, is_zero, or_default};
use crate::digest;
use crate::gojson::{self, Object};

/// What a v1 image's `json` holds, in the order in which docker writes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct V1Image {
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub id: String,
    /// The id of the image below; empty for the lowest.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub parent: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    comment: String,
    created: Created,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    container: String,
    #[serde(deserialize_with = "or_default")]
    container_config: Config,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    docker_version: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    author: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Config>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    architecture: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    variant: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    os: String,
    #[serde(rename = "Size", skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    size: i64,
}

/// A v1 chain's image as docker 1.10 and later make it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Converted {
    /// The image's id: the digest of `config`.
    pub id: Digest,
    /// Its config.
    pub config: Vec<u8>,
}

/// Makes configs of a v1 chain as docker 1.10–28 does when it loads an old archive: `jsons` and `diff_ids` lowest first.
/// Returns one image for each, lowest first; each is the parent of the next.
pub fn convert(jsons: &[impl AsRef<[u8]>], diff_ids: &[Digest]) -> serde_json::Result<Vec<Converted>> {
    let mut history = Vec::new();
    let mut images = Vec::new();
    for (n, raw) in jsons.iter().enumerate() {
        let text = String::from_utf8_lossy(raw.as_ref());
        let image: V1Image = serde_json::from_str(&text)?;
        history.push(step(&image));
        let mut config = Object::parse(&without_unknown(&text, &image))?;
        config.remove(&["id", "parent", "Size", "parent_id", "layer_id", "throwaway"]);
        config.set("rootfs", &RootFs::new(diff_ids[..=n].iter()));
        config.set("history", &history);
        let config = config.to_vec();
        images.push(Converted { id: digest(&config), config });
    }
    Ok(images)
}

/// docker before 1.8.3 wrote keys that are not to be kept, so from those only what docker knows is taken.
fn without_unknown<'a>(text: &'a str, image: &V1Image) -> Cow<'a, str> {
    if !is_before_1_8_3(&image.docker_version) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(String::from_utf8(gojson::to_vec(image)).expect("serde_json writes UTF-8"))
}

fn step(image: &V1Image) -> History {
    History {
        created: image.created.clone(),
        author: image.author.clone(),
        created_by: image.container_config.cmd.0.as_deref().unwrap_or_default().join(" "),
        comment: image.comment.clone(),
    }
}

fn is_before_1_8_3(version: &str) -> bool {
    let number = |part: Option<&str>| part.and_then(|p| p.parse::<i64>().ok()).unwrap_or(0);
    let mut parts = version.split('.');
    let known = [number(parts.next()), number(parts.next()), number(parts.next())];
    known < [1, 8, 3]
}

/// One folder of a docker-archive as docker 1.2 reads it: `<id>/json` and `<id>/layer.tar`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// The v1 id, 64 hex digits.
    pub id: String,
    /// The bytes of its `json`.
    pub json: Vec<u8>,
}

/// Makes the v1 folders of an image as docker 1.10–24 does on `save`, lowest first: only the top one carries the
/// config, the others a date of 1970. `diff_ids` lowest first. (docker writes that date in its own time zone, and so
/// names folders differently from zone to zone; here it is UTC.)
pub fn folders(config: &[u8], diff_ids: &[Digest]) -> serde_json::Result<Vec<Folder>> {
    let top: V1Image = serde_json::from_str(&String::from_utf8_lossy(config))?;
    let mut folders: Vec<Folder> = Vec::new();
    let mut chain: Option<Digest> = None;
    for (n, diff_id) in diff_ids.iter().enumerate() {
        let chain_id = chain_id(chain, diff_id);
        chain = Some(chain_id);
        let mut image = if n + 1 == diff_ids.len() {
            top.clone()
        } else {
            V1Image { created: Created::epoch(), ..V1Image::default() }
        };
        (image.id, image.parent) = (String::new(), String::new());
        let below = folders.last().map(|folder| folder.id.clone());
        image.id = v1_id(&image, &chain_id, below.as_deref())?;
        image.parent = below.unwrap_or_default();
        image.os.clone_from(&top.os);
        folders.push(Folder { id: image.id.clone(), json: gojson::to_vec(&image) });
    }
    Ok(folders)
}

fn v1_id(image: &V1Image, chain_id: &Digest, below: Option<&str>) -> serde_json::Result<String> {
    let text = String::from_utf8(gojson::to_vec(image)).expect("serde_json writes UTF-8");
    let mut object = Object::parse(&text)?;
    object.set("layer_id", &chain_id.to_string());
    if let Some(id) = below {
        object.set("parent", &format!("sha256:{id}"));
    }
    Ok(digest(&object.to_vec()).hex())
}

/// The chain id of a layer: its diff id where nothing lies below, else the digest over both.
pub fn chain_id(below: Option<Digest>, diff_id: &Digest) -> Digest {
    match below {
        None => *diff_id,
        Some(below) => digest(format!("{below} {diff_id}").as_bytes()),
    }
}
