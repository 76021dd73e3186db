//! `--bundle`: the container as a folder that any OCI runtime starts, and `config.json` for one of ours.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::Outcome;
use launch::oci::{self, Source};
use launch::spec::{MountSource, Spec};
use lifecycle::network;

use crate::plan::Plan;
use crate::run::{warn, write_out};

/// Writes the bundle: `config.json`, `rootfs/` with all files, and what its mounts need.
pub fn write(plan: &Plan, folder: &Path) -> Result<Outcome> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("'{}' is not empty", folder.display());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make '{}'", folder.display()))?;
    let folder = folder.canonicalize().with_context(|| format!("cannot find '{}'", folder.display()))?;
    plan.notes.iter().for_each(|note| warn(note));
    if network::is_wanted(&plan.inspect) {
        warn("the bundle's network is a new one with nothing in it: 'net' connects it");
    }
    for (name, text) in &plan.etc {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write '{}'", path.display()))?;
    }
    let findings = write_out(&plan.host, &plan.rootfs, &folder.join("rootfs"))?;
    let written = lifecycle::runtime::place(plan.id.as_str());
    describe(&plan.spec, &folder, "rootfs", &written)?;
    Ok(Outcome::from(findings))
}

/// Writes `config.json` and what mounts need into `folder`. Files that the spec has in `from` are in `folder` itself.
pub fn describe(spec: &Spec, folder: &Path, root: &str, from: &Path) -> Result<()> {
    let sources = sources(spec, folder, from)?;
    let config = oci::config(spec, root, &sources)?;
    let path = folder.join("config.json");
    fs::write(&path, cli::json::pretty(&config)).with_context(|| format!("cannot write '{}'", path.display()))
}

fn sources(spec: &Spec, folder: &Path, from: &Path) -> Result<Vec<Source>> {
    let mut all = Vec::new();
    for (at, mount) in spec.mounts.iter().enumerate() {
        all.push(match &mount.source {
            MountSource::Bind { path } => match path.strip_prefix(from) {
                Ok(name) => Source::Bind(folder.join(name)),
                Err(_) => Source::Own,
            },
            MountSource::BindOverlay { path } if path.is_dir() => {
                let own = folder.join("over").join(at.to_string());
                for name in ["upper", "work"] {
                    fs::create_dir_all(own.join(name)).with_context(|| format!("cannot make '{}'", own.display()))?;
                }
                Source::Overlay { lower: path.clone(), upper: own.join("upper"), work: own.join("work") }
            }
            MountSource::Init => {
                launch::init::write(folder).context("cannot write the container's init")?;
                Source::Bind(folder.join(launch::init::NAME))
            }
            MountSource::Inside { namespace, .. } => {
                bail!("the shared memory of '{}' cannot be handed to another runtime", namespace.display())
            }
            _ => Source::Own,
        });
    }
    Ok(all)
}
