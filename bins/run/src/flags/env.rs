//! The environment.

use anyhow::{Result, bail};
use serde_json::Value;

use super::text::{lines, list};
use crate::args::process::ProcessArgs;

/// Files, then flags, then what the image has besides, in docker's order (moby v20.10.24 daemon/commit.go merge). A bare
/// name takes this program's own value; one without a value stays bare, and takes the variable away at the start.
pub fn env(args: &ProcessArgs, base: &Value) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for text in lines(&args.env_file)?.iter().chain(&args.env) {
        if text.is_empty() || text.starts_with('=') {
            bail!("invalid argument \"{text}\" for \"-e, --env\" flag: invalid environment variable: {text}");
        }
        all.push(match std::env::var(text) {
            Ok(value) if !text.contains('=') => format!("{text}={value}"),
            _ => text.clone(),
        });
    }
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_string();
    for pair in list(base).iter().filter_map(Value::as_str) {
        if !all.iter().any(|own| name(own) == name(pair)) {
            all.push(pair.to_string());
        }
    }
    Ok(all)
}
