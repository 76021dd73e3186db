//! Removes one container after the other; one that cannot be removed keeps no other from it.

use std::io::Write;

use anyhow::bail;
use cli::Outcome;
use host::open_for_writing;
use layout::docker_content::write::EditError;

use crate::args::Args;

/// Removes the containers and prints their names as they were given, as docker does.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let bare = |name: &str| name.trim_matches('/').to_string();
    if args.containers.iter().any(|name| bare(name).is_empty()) {
        bail!("container name cannot be empty");
    }
    let mut writer = open_for_writing(&args.root.path(), args.no_wait, cli::note).map_err(hinted)?;
    let mut out = cli::output::stdout();
    let mut failures = Vec::new();
    for name in &args.containers {
        match writer.remove_container(&bare(name), args.volumes) {
            Ok(()) => writeln!(out, "{name}")?,
            Err(error) if args.force && error.is_missing() => cli::note(&error.to_string()),
            Err(error) => failures.push(hinted(error)),
        }
    }
    out.flush()?;
    Ok(Outcome::done().and_failures(failures))
}

fn hinted(error: EditError) -> anyhow::Error {
    let hint = error.hint();
    cli::with_hint(error, hint)
}
