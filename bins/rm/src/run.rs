//! Removes one container after the other; one that cannot be removed keeps no other from it.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use cli::Outcome;
use host::{Host, open_for_writing};
use layout::docker_content::write::EditError;
use lifecycle::{begin, end, events};
use model::Id;
use serde_json::Value;

use crate::args::Args;
use crate::link;

/// Removes the containers and prints their names as they were given, as docker does.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let bare = |name: &str| name.trim_matches('/').to_string();
    if args.containers.iter().any(|name| bare(name).is_empty()) {
        bail!("container name cannot be empty");
    }
    let root = args.root.path();
    if args.link {
        return links(&root, args);
    }
    lifecycle::sweep::all(&cli::note);
    let known: Vec<_> = args.containers.iter().map(|name| Known::find(&root, &bare(name))).collect();
    if args.force {
        known.iter().flatten().try_for_each(|known| end::finish(&root, &known.id))?;
    }
    let mut writer = open_for_writing(&args.root.path(), args.no_wait, cli::note).map_err(hinted)?;
    let mut out = cli::output::stdout();
    let mut failures = Vec::new();
    for (name, known) in args.containers.iter().zip(&known) {
        match writer.remove_container(&bare(name), args.volumes) {
            Ok(()) => {
                known.iter().for_each(|known| events::tell_gone(&root, &known.record, &known.record["MountPoints"]));
                writeln!(out, "{name}")?
            }
            Err(error) if args.force && error.is_missing() => cli::note(&error.to_string()),
            Err(error) => failures.push(hinted(error)),
        }
    }
    out.flush()?;
    Ok(Outcome::done().and_failures(failures))
}

fn links(root: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let mut failures = Vec::new();
    for name in &args.containers {
        match link::remove(root, name, args.no_wait) {
            Ok(()) => writeln!(cli::stdout(), "{name}")?,
            Err(error) => failures.push(error),
        }
    }
    Ok(Outcome::done().and_failures(failures))
}

/// A container of the root, as it is before it goes.
struct Known {
    id: Id,
    record: Value,
}

impl Known {
    fn find(root: &Path, name: &str) -> Option<Known> {
        let (container, _) = Host::open(root).ok()?.container(name).ok()?;
        let record = begin::raw(&root.join("containers").join(container.id.as_str())).ok()?;
        Some(Known { id: container.id, record })
    }
}

fn hinted(error: EditError) -> anyhow::Error {
    let hint = error.hint();
    cli::with_hint(error, hint)
}
