//! `--log-driver` and `--log-opt`.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::text::map;
use crate::args::life::LifeArgs;

/// Drivers that dockerd has (moby v20.10.24 and v28 daemon/logger/*), without plugins.
const DRIVERS: &[&str] =
    &["awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "none", "splunk", "syslog"];

/// Options of json-file (moby v20.10.24 daemon/logger/jsonfilelog/jsonfilelog.go ValidateLogOpt) and of all drivers.
const JSON_FILE: &[&str] = &[
    "compress",
    "env",
    "env-regex",
    "labels",
    "labels-regex",
    "max-buffer-size",
    "max-file",
    "max-size",
    "mode",
    "tag",
];
/// Options of local (moby v20.10.24 daemon/logger/local/config.go).
const LOCAL: &[&str] = &["compress", "max-buffer-size", "max-file", "max-size", "mode"];

/// Docker's `HostConfig.LogConfig`.
pub fn config(args: &LifeArgs) -> Result<Value> {
    let driver = args.log_driver.as_deref().unwrap_or("json-file");
    if !DRIVERS.contains(&driver) {
        bail!("logger: no log driver named '{driver}' is registered");
    }
    if driver == "none" && !args.log_opt.is_empty() {
        bail!("invalid logging opts for driver none");
    }
    let known = match driver {
        "json-file" => Some(JSON_FILE),
        "local" => Some(LOCAL),
        _ => None,
    };
    for option in &args.log_opt {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        if known.is_some_and(|known| !known.contains(&key)) {
            bail!("unknown log opt '{key}' for {driver} log driver");
        }
        check(key, value, args)?;
    }
    Ok(json!({"Type": driver, "Config": map(&args.log_opt, '=')}))
}

/// What the writer of the log could not use later.
fn check(key: &str, value: &str, args: &LifeArgs) -> Result<()> {
    match key {
        "max-size" if value != "-1" && launch::docker::bytes(value).is_none_or(|size| size == 0) => {
            bail!("invalid value for max-size: '{value}'")
        }
        "max-file" if value.parse::<u64>().is_ok_and(|most| most < 1) => bail!("max-file cannot be less than 1"),
        "max-file" if value.parse::<u64>().is_err() => bail!("invalid value for max-file: '{value}'"),
        "max-file" if !args.log_opt.iter().any(|option| option.starts_with("max-size=")) && !value.eq("1") => {
            bail!("max-size must be set to a value greater than 0 when max-file is set")
        }
        "compress" if super::text::truth(value).is_none() => bail!("invalid value for compress: '{value}'"),
        "mode" if !["blocking", "non-blocking"].contains(&value) => {
            bail!("logger: logging mode not supported: {value}")
        }
        _ => Ok(()),
    }
}
