//! The environment.

use anyhow::Result;
use serde_json::Value;

use super::text::list;
use crate::args::process::ProcessArgs;

/// Files, then flags, then what the image has besides, in docker's order (moby v20.10.24 daemon/commit.go merge). A bare
/// name takes this program's own value; one without a value stays bare, and takes the variable away at the start.
pub fn env(args: &ProcessArgs, base: &Value) -> Result<Vec<String>> {
    let mut all = cli::variables::read(&args.env_file, &args.env)?;
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_string();
    for pair in list(base).iter().filter_map(Value::as_str) {
        if !all.iter().any(|own| name(own) == name(pair)) {
            all.push(pair.to_string());
        }
    }
    Ok(all)
}
