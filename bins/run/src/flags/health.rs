//! `--health-*` over the image's own check.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::text::duration;
use crate::args::health::HealthArgs;

/// Docker's `Config.Healthcheck` (docker/cli v28 cli/command/container/opts.go; moby v20.10.24 daemon/commit.go merge).
pub fn healthcheck(args: &HealthArgs, base: &Value) -> Result<Value> {
    let durations = [
        ("Interval", "--health-interval", &args.health_interval),
        ("Timeout", "--health-timeout", &args.health_timeout),
        ("StartPeriod", "--health-start-period", &args.health_start_period),
        ("StartInterval", "--health-start-interval", &args.health_start_interval),
    ];
    let any = args.health_cmd.is_some()
        || args.health_retries.is_some()
        || durations.iter().any(|(_, _, text)| text.is_some());
    if args.no_healthcheck {
        if any {
            bail!("--no-healthcheck conflicts with --health-* options");
        }
        // The image's other words stay beside it, as in docker's merge.
        let mut check = base.as_object().cloned().unwrap_or_default();
        check.insert("Test".into(), json!(["NONE"]));
        return Ok(Value::Object(check));
    }
    if !any {
        return Ok(base.clone());
    }
    let mut check: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    if let Some(command) = &args.health_cmd {
        check.insert("Test".into(), json!(["CMD-SHELL", command]));
    }
    for (key, flag, text) in durations {
        let Some(text) = text else { continue };
        let nanoseconds = duration(text, flag)?;
        if nanoseconds < 0 {
            bail!("{flag} cannot be negative");
        }
        if (1..1_000_000).contains(&nanoseconds) {
            bail!("{key} in Healthcheck cannot be less than 1ms");
        }
        if nanoseconds > 0 {
            check.insert(key.into(), json!(nanoseconds));
        }
    }
    match args.health_retries {
        Some(retries) if retries < 0 => bail!("--health-retries cannot be negative"),
        Some(retries) if retries > 0 => drop(check.insert("Retries".into(), json!(retries))),
        _ => {}
    }
    Ok(Value::Object(check))
}
