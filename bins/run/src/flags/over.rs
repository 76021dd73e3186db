//! What was typed over a container that is described already: an old one, or one from inspect JSON.

use anyhow::Result;
use clap::Parser;
use serde_json::{Value, json};

use super::record;
use crate::args::Args;

/// Puts what was typed into `inspect`. Returns whether anything was. Lists and variables are added, everything else
/// replaced; the streams are those of whoever runs it now.
pub fn over(args: &Args, inspect: &mut Value, id: &str) -> Result<bool> {
    let nothing = Args::parse_from(["run", "image"]);
    let command = ["true".to_string()];
    let typed = record(args, &Value::Null, "", &command, id)?;
    let plain = record(&nothing, &Value::Null, "", &command, id)?;
    let mut changed = false;
    for part in ["Config", "HostConfig"] {
        let keys = typed[part].as_object().into_iter().flatten();
        for (key, value) in keys.filter(|(key, value)| !OWN.contains(&key.as_str()) && plain[part][*key] != **value) {
            merge(&mut inspect[part][key], value, key == "Env");
            changed = true;
        }
    }
    if let Some(entrypoint) = &args.process.entrypoint {
        inspect["Config"]["Entrypoint"] = json!([entrypoint]);
        inspect["Path"] = json!(entrypoint);
        inspect["Args"] = json!([]);
        changed = true;
    }
    if !typed["NetworkSettings"].is_null() {
        inspect["NetworkSettings"]["Networks"] = typed["NetworkSettings"]["Networks"].clone();
    }
    for key in STREAMS {
        inspect["Config"][*key] = typed["Config"][*key].clone();
    }
    Ok(changed)
}

/// Whoever runs it decides on these.
const STREAMS: &[&str] = &["AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce"];
/// Those, and what is of this run, not of the container.
const OWN: &[&str] = &[
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Cmd",
    "Entrypoint",
    "Image",
    "AutoRemove",
    "ContainerIDFile",
    "Runtime",
];

fn merge(place: &mut Value, typed: &Value, variables: bool) {
    match (place, typed) {
        (Value::Array(old), Value::Array(new)) => {
            if variables {
                let name = |pair: &Value| pair.as_str().and_then(|pair| pair.split('=').next()).map(str::to_string);
                old.retain(|pair| !new.iter().any(|other| name(other) == name(pair)));
            }
            old.extend(new.iter().cloned());
        }
        (Value::Object(old), Value::Object(new)) => old.extend(new.clone()),
        (place, typed) => *place = typed.clone(),
    }
}
