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
    let asked = |key: &str| {
        args.log_opt.iter().any(|option| option.split_once('=').is_some_and(|(own, value)| own == key && value != "1"))
    };
    match key {
        "max-size" if launch::docker::bytes(value).is_none_or(|size| size == 0) => {
            bail!("invalid value for max-size: '{value}'")
        }
        "max-file" if value.parse::<u64>().is_ok_and(|most| most < 1) => bail!("max-file cannot be less than 1"),
        "max-file" if value.parse::<u64>().is_err() => bail!("invalid value for max-file: '{value}'"),
        "compress" if super::text::truth(value).is_none() => bail!("invalid value for compress: '{value}'"),
        // local rotates anyway, json-file only where it is told to.
        "compress"
            if super::text::truth(value) == Some(true)
                && args.log_driver.as_deref().is_none_or(|driver| driver == "json-file")
                && !(asked("max-size") && asked("max-file")) =>
        {
            bail!("compress cannot be true when max-file is less than 2 or max-size is not set")
        }
        "mode" if !["blocking", "non-blocking"].contains(&value) => {
            bail!("logger: logging mode not supported: {value}")
        }
        _ => Ok(()),
    }
}
