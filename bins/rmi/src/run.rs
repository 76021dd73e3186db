//! Removes one image after the other; what one name cannot have keeps no other from being removed.

use std::io::Write;

use cli::Outcome;
use host::open_for_writing;
use layout::docker_content::write::EditError;

use crate::args::Args;

/// Removes the images and prints what was done, as docker does.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut writer = open_for_writing(&args.root.path(), args.no_wait, cli::note).map_err(hinted)?;
    let mut out = cli::output::stdout();
    let mut failures = Vec::new();
    for image in &args.images {
        match writer.remove_image(image, args.force, !args.no_prune) {
            Ok(done) => done.iter().try_for_each(|step| writeln!(out, "{step}"))?,
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
