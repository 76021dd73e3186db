//! The config of an image in docker's own order and spelling, and what stands around it.
//!
//! Sources, moby v20.10.24: `api/types/container/config.go`, `image/image.go` (`Image`, `History`, `MarshalJSON`),
//! `image/rootfs.go`, `daemon/images/image_import.go`.

use std::collections::BTreeMap;

use model::Digest;
use serde::{Deserialize, Deserializer, Serialize};

use crate::gojson::Object;

/// An image of one layer that `import` makes.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the image's containers get.
    pub config: Config,
    /// When it was made.
    pub created: Created,
    /// The comment, also of the one step of its history.
    pub comment: String,
    /// Go's word for the machine.
    pub architecture: String,
    /// Which of that machine; mostly empty.
    pub variant: String,
    /// Go's word for the system.
    pub os: String,
    /// The layer.
    pub diff_id: Digest,
}

impl Imported {
    /// The image's config as dockerd writes it: keys sorted, Go's escapes. (It has no `docker_version`: no docker made
    /// it.)
    pub fn to_vec(&self) -> Vec<u8> {
        let history = History {
            created: self.created.clone(),
            author: String::new(),
            created_by: String::new(),
            comment: self.comment.clone(),
        };
        let mut object = Object::default();
        object.set("architecture", &self.architecture);
        if !self.comment.is_empty() {
            object.set("comment", &self.comment);
        }
        object.set("config", &self.config);
        object.set("container_config", &Config::default());
        object.set("created", &self.created);
        object.set("history", &[history]);
        object.set("os", &self.os);
        object.set("rootfs", &RootFs::new([self.diff_id].iter()));
        if !self.variant.is_empty() {
            object.set("variant", &self.variant);
        }
        object.to_vec()
    }
}

/// An image that is made of another one and of what a container changed.
#[derive(Clone, Debug)]
pub struct Committed<'a> {
    /// The config of the image below, as it lies.
    pub below: &'a str,
    /// What the image's containers get.
    pub config: Config,
    /// The config of the container itself.
    pub container_config: Config,
    /// The container's id.
    pub container: &'a str,
    /// When it was made.
    pub created: Created,
    /// Who made it.
    pub author: &'a str,
    /// The comment of this step.
    pub comment: &'a str,
    /// The layer; `None` where nothing was changed.
    pub diff_id: Option<Digest>,
}

impl Committed<'_> {
    /// The image's config as dockerd writes it (moby v20.10.24 image/image.go NewChildImage): history and layers of the image
    /// below with one more, and none of its other words.
    pub fn to_vec(&self) -> serde_json::Result<Vec<u8>> {
        #[derive(Deserialize)]
        struct Below {
            #[serde(default, deserialize_with = "or_default")]
            architecture: String,
            #[serde(default, deserialize_with = "or_default")]
            variant: String,
            #[serde(default, deserialize_with = "or_default")]
            os: String,
            #[serde(default, deserialize_with = "or_default")]
            history: Vec<serde_json::Value>,
            rootfs: BelowRootFs,
        }
        #[derive(Deserialize)]
        struct BelowRootFs {
            #[serde(default, deserialize_with = "or_default")]
            diff_ids: Vec<String>,
        }
        let mut below: Below = serde_json::from_str(self.below)?;
        let history = History {
            created: self.created.clone(),
            author: self.author.to_string(),
            created_by: self.container_config.cmd.0.clone().unwrap_or_default().join(" "),
            comment: self.comment.to_string(),
        };
        let mut step = serde_json::to_value(history)?;
        match self.diff_id {
            Some(diff_id) => below.rootfs.diff_ids.push(diff_id.to_string()),
            None => step["empty_layer"] = true.into(),
        }
        below.history.push(step);
        let mut object = Object::default();
        object.set("architecture", &below.architecture);
        if !self.author.is_empty() {
            object.set("author", &self.author);
        }
        object.set("config", &self.config);
        object.set("container", &self.container);
        object.set("container_config", &self.container_config);
        object.set("created", &self.created);
        object.set("history", &below.history);
        object.set("os", &below.os);
        object.set("rootfs", &RootFs { kind: "layers", diff_ids: below.rootfs.diff_ids });
        if !below.variant.is_empty() {
            object.set("variant", &below.variant);
        }
        Ok(object.to_vec())
    }
}

/// docker's `container.Config` of 20.10, in the order in which Go writes it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Config {
    /// The host name.
    #[serde(deserialize_with = "or_default")]
    pub hostname: String,
    /// The domain name.
    #[serde(deserialize_with = "or_default")]
    pub domainname: String,
    /// Who runs the program.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// Whether stdin is attached.
    #[serde(deserialize_with = "or_default")]
    pub attach_stdin: bool,
    /// Whether stdout is attached.
    #[serde(deserialize_with = "or_default")]
    pub attach_stdout: bool,
    /// Whether stderr is attached.
    #[serde(deserialize_with = "or_default")]
    pub attach_stderr: bool,
    /// Ports, as `80/tcp`.
    #[serde(skip_serializing_if = "is_none_or_empty")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Whether there is a terminal.
    #[serde(deserialize_with = "or_default")]
    pub tty: bool,
    /// Whether stdin stays open.
    #[serde(deserialize_with = "or_default")]
    pub open_stdin: bool,
    /// Whether stdin closes after the first client.
    #[serde(deserialize_with = "or_default")]
    pub stdin_once: bool,
    /// `NAME=value`.
    pub env: Option<Vec<String>>,
    /// The program, or arguments for the entry point.
    pub cmd: Words,
    /// How its health is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// For Windows.
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub args_escaped: bool,
    /// The image that it was made from.
    #[serde(deserialize_with = "or_default")]
    pub image: String,
    /// Where volumes go.
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// The working folder.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// The program.
    pub entrypoint: Words,
    /// Whether there is no network.
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub network_disabled: bool,
    /// The hardware address.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub mac_address: String,
    /// Instructions for builds on top of it.
    pub on_build: Option<Vec<String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub stop_signal: String,
    /// Seconds between that signal and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// The shell of instructions in shell form.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub shell: Words,
}

/// docker's `HealthConfig`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    /// Nanoseconds between checks.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub interval: i64,
    /// Nanoseconds for one check.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub timeout: i64,
    /// Nanoseconds in which failures do not count.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub start_period: i64,
    /// Failures in a row that count as unhealthy.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub retries: i64,
}

/// An object without members, as Go's `struct{}` is written.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Empty {}

/// One step of an image's history, as docker writes it.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// When.
    pub created: Created,
    /// By whom.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// With which command.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// The layers of an image by their diff ids, lowest first, as docker writes them.
#[derive(Serialize)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The digests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff_ids: Vec<String>,
}

impl RootFs {
    /// Of these layers.
    pub fn new<'a>(diff_ids: impl Iterator<Item = &'a Digest>) -> RootFs {
        RootFs { kind: "layers", diff_ids: diff_ids.map(Digest::to_string).collect() }
    }
}

/// A date as Go writes back what it read: the fraction without zeros at its end, no offset as `Z`, other offsets kept.
#[derive(Clone, Debug, Serialize)]
pub struct Created(String);

impl Default for Created {
    fn default() -> Created {
        Created("0001-01-01T00:00:00Z".to_string())
    }
}

impl Created {
    /// 1970, as docker writes it where it does not know.
    pub fn epoch() -> Created {
        Created("1970-01-01T00:00:00Z".to_string())
    }
}

impl From<model::Timestamp> for Created {
    fn from(time: model::Timestamp) -> Created {
        Created(time.rfc3339())
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
        let nanos =
            fraction.get(..10.min(fraction.len())).unwrap_or_default().trim_end_matches('0').trim_end_matches('.');
        let zone = if matches!(zone, "+00:00" | "-00:00") { "Z" } else { zone };
        Ok(Created(format!("{}{nanos}{zone}", &text[..19])))
    }
}

/// A list of words that old images also hold as one text; absent and null are the same.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Words(pub Option<Vec<String>>);

impl Words {
    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
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
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(crate) fn is_zero(n: &i64) -> bool {
    *n == 0
}

fn is_false(b: &bool) -> bool {
    !*b
}

fn is_none_or_empty(map: &Option<BTreeMap<String, Empty>>) -> bool {
    map.as_ref().is_none_or(BTreeMap::is_empty)
}
