//! What a container's record asks for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::files::Rotation;

/// Who keeps the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// `json-file`, docker's usual one.
    JsonFile,
    /// `local`.
    Local,
    /// None, or one that sends elsewhere.
    Other,
}

/// A log as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Who keeps it.
    pub driver: Driver,
    /// When its files are turned over.
    pub(super) rotation: Rotation,
    /// What stands in each record's `attrs`, as JSON.
    pub(super) attrs: Option<String>,
}

impl Options {
    /// Those of a container's inspect JSON. Defaults: json-file in one file that grows; `local` in five of 20 MB, compressed
    /// (moby v20.10.24 daemon/logger/jsonfilelog/jsonfilelog.go, daemon/logger/local/config.go).
    pub fn of(inspect: &Value) -> Options {
        let log = &inspect["HostConfig"]["LogConfig"];
        let option = |key: &str| log["Config"][key].as_str().filter(|text| !text.is_empty());
        let driver = match log["Type"].as_str().unwrap_or("") {
            "" | "json-file" => Driver::JsonFile,
            "local" => Driver::Local,
            _ => Driver::Other,
        };
        let (size, files, compress) = match driver {
            Driver::Local => (Some(20_000_000), 5, true),
            _ => (None, 1, false),
        };
        let rotation = Rotation {
            size: option("max-size").map_or(size, bytes),
            files: option("max-file").and_then(|text| text.parse().ok()).unwrap_or(files),
            compress: option("compress")
                .map_or(compress, |text| matches!(text, "true" | "1" | "t" | "T" | "TRUE" | "True")),
        };
        Options { driver, rotation, attrs: attrs(inspect, &option) }
    }
}

/// Bytes as docker takes them here, base 1000: `10m` (docker/go-units FromHumanSize). `-1` is without end.
fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = lower[number.len()..].trim().trim_end_matches('b').trim_end_matches('i');
    let factor = match unit {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        _ => return None,
    };
    number.parse::<f64>().ok().filter(|size| *size > 0.0).map(|size| (size * factor) as u64)
}

/// Labels and variables that are asked for by name, and the tag (moby v20.10.24 daemon/logger/loginfo.go ExtraAttributes).
// GAP: labels-regex and env-regex are not looked at.
fn attrs<'a>(inspect: &Value, option: &impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut out = BTreeMap::new();
    for name in option("labels").unwrap_or_default().split(',') {
        if let Some(value) = inspect["Config"]["Labels"][name].as_str() {
            out.insert(name.to_string(), value.to_string());
        }
    }
    let env = inspect["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let env: BTreeMap<&str, &str> = env.filter_map(|pair| pair.split_once('=')).collect();
    for name in option("env").unwrap_or_default().split(',') {
        if let Some(value) = env.get(name) {
            out.insert(name.to_string(), value.to_string());
        }
    }
    if let Some(tag) = option("tag") {
        out.insert("tag".to_string(), filled(tag, inspect));
    }
    (!out.is_empty()).then(|| serde_json::json!(out).to_string())
}

/// A tag's template with what docker documents for it.
fn filled(tag: &str, inspect: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let short = |text: &str| text.chars().take(12).collect::<String>();
    let (id, image) = (text(&inspect["Id"]), text(&inspect["Image"]));
    [
        ("ID", short(&id)),
        ("FullID", id.clone()),
        ("Name", text(&inspect["Name"]).trim_start_matches('/').to_string()),
        ("ImageID", short(image.trim_start_matches("sha256:"))),
        ("ImageFullID", image.clone()),
        ("ImageName", text(&inspect["Config"]["Image"])),
        ("DaemonName", "docker".to_string()),
    ]
    .iter()
    .fold(tag.to_string(), |tag, (name, value)| {
        tag.replace(&format!("{{{{.{name}}}}}"), value).replace(&format!("{{{{ .{name} }}}}"), value)
    })
}
