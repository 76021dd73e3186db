//! `--link`: takes a link away from the container that has it; the linked one stays (moby v20.10.24 daemon/delete.go rmLink).

use std::path::Path;

use anyhow::{Context, Result, bail};
use host::{Host, open_for_writing};
use lifecycle::begin;
use serde_json::Value;

/// Removes the link `CONTAINER/ALIAS`.
pub fn remove(root: &Path, name: &str, no_wait: bool) -> Result<()> {
    let Some((parent, alias)) = name.trim_matches('/').rsplit_once('/') else {
        bail!("Conflict, cannot remove the default name of the container");
    };
    let host = Host::open(root)?;
    let parent = host.container(parent).with_context(|| format!("Cannot get parent /{parent} for name {name}"))?.0;
    let mut config = begin::host_config(root, &parent.id);
    let links = config["Links"].as_array().cloned().unwrap_or_default();
    let of = |link: &Value| {
        let text = link.as_str().unwrap_or_default();
        text.rsplit([':', '/']).next() == Some(alias)
    };
    let (gone, left): (Vec<Value>, Vec<Value>) = links.into_iter().partition(of);
    if gone.is_empty() {
        bail!("No such container: {name}");
    }
    config["Links"] = left.into();
    Ok(open_for_writing(root, no_wait, cli::note)?.write_record(&parent.id, &config, true)?)
}
