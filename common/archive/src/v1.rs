//! Images of docker 1.9 and before: one JSON per layer, found by an id that says nothing about content.
//!
//! Sources, moby v20.10.24: `image/image.go` (`V1Image`, `History`), `image/rootfs.go`, `image/v1/imagev1.go`
//! (`CreateID`, `HistoryFromConfig`, `MakeConfigFromV1Config`), `image/tarexport/load.go` (`legacyLoadImage`) and
//! `save.go` (`saveImage`), `api/types/container/config.go`, `api/types/versions/compare.go`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::Digest;
use serde::{Deserialize, Deserializer, Serialize};

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

/// docker's `container.Config` of 20.10, in the order in which Go writes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    #[serde(deserialize_with = "or_default")]
    hostname: String,
    #[serde(deserialize_with = "or_default")]
    domainname: String,
    #[serde(deserialize_with = "or_default")]
    user: String,
    #[serde(deserialize_with = "or_default")]
    attach_stdin: bool,
    #[serde(deserialize_with = "or_default")]
    attach_stdout: bool,
    #[serde(deserialize_with = "or_default")]
    attach_stderr: bool,
    #[serde(skip_serializing_if = "is_none_or_empty")]
    exposed_ports: Option<BTreeMap<String, Empty>>,
    #[serde(deserialize_with = "or_default")]
    tty: bool,
    #[serde(deserialize_with = "or_default")]
    open_stdin: bool,
    #[serde(deserialize_with = "or_default")]
    stdin_once: bool,
    env: Option<Vec<String>>,
    cmd: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    args_escaped: bool,
    #[serde(deserialize_with = "or_default")]
    image: String,
    volumes: Option<BTreeMap<String, Empty>>,
    #[serde(deserialize_with = "or_default")]
    working_dir: String,
    entrypoint: Words,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    network_disabled: bool,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    mac_address: String,
    on_build: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Words::is_empty")]
    shell: Words,
}

/// docker's `HealthConfig`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Healthcheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    interval: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    timeout: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    start_period: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    retries: i64,
}

/// An object without members, as Go's `struct{}` is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Empty {}

/// One step of an image's history, as docker writes it.
#[derive(Clone, Debug, Serialize)]
struct History {
    created: Created,
    #[serde(skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    created_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
}

/// The layers of an image by their diff ids, lowest first, as docker writes them.
#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diff_ids: Vec<String>,
}

impl RootFs {
    fn new<'a>(diff_ids: impl Iterator<Item = &'a Digest>) -> RootFs {
        RootFs { kind: "layers", diff_ids: diff_ids.map(Digest::to_string).collect() }
    }
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
        let mut image = if n + 1 == diff_ids.len() { top.clone() } else { V1Image { created: Created::epoch(), ..V1Image::default() } };
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

/// A date as Go writes back what it read: the fraction without zeros at its end, no offset as `Z`, other offsets kept.
#[derive(Clone, Debug, Serialize)]
struct Created(String);

impl Default for Created {
    fn default() -> Created {
        Created("0001-01-01T00:00:00Z".to_string())
    }
}

impl Created {
    fn epoch() -> Created {
        Created("1970-01-01T00:00:00Z".to_string())
    }
}

impl<'de> Deserialize<'de> for Created {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Created, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(Created::default()) };
        if model::Timestamp::parse_rfc3339(&text).is_none() || text.len() < 20 {
            return Err(serde::de::Error::custom("'created' is no RFC 3339 date"));
        }
        let digits = text[19..].bytes().take_while(|b| *b == b'.' || b.is_ascii_digit()).count();
        let (fraction, zone) = text[19..].split_at(digits);
        let nanos = fraction.get(..10.min(fraction.len())).unwrap_or_default().trim_end_matches('0').trim_end_matches('.');
        let zone = if matches!(zone, "+00:00" | "-00:00") { "Z" } else { zone };
        Ok(Created(format!("{}{nanos}{zone}", &text[..19])))
    }
}

/// A list of words that old images also hold as one text; absent and null are the same.
#[derive(Clone, Debug, Default, Serialize)]
struct Words(Option<Vec<String>>);

impl Words {
    fn is_empty(&self) -> bool {
        self.0.as_deref().unwrap_or_default().is_empty()
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            List(Vec<String>),
            One(String),
        }
        Ok(Words(Option::<Form>::deserialize(deserializer)?.map(|form| match form {
            Form::List(words) => words,
            Form::One(word) => vec![word],
        })))
    }
}

/// Go leaves a field at zero where JSON says `null`.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

fn is_false(b: &bool) -> bool {
    !*b
}

fn is_none_or_empty(map: &Option<BTreeMap<String, Empty>>) -> bool {
    map.as_ref().is_none_or(BTreeMap::is_empty)
}
