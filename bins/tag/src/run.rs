//! Checks both names, then writes the new one.

use anyhow::{Context, anyhow, bail};
use cli::Outcome;
use host::open_for_writing;
use layout::docker_content::write::EditError;
use model::{Digest, Reference};

use crate::args::Args;

/// Finds the source and writes the target. Nothing is opened before both names are well-formed.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    if args.source.parse::<Digest>().is_err() {
        parse(&args.source)?;
    }
    let target = target(args)?;
    let mut writer = open_for_writing(&args.root.path(), args.no_wait, cli::note).map_err(hinted)?;
    let id = writer.find_image(&args.source).map_err(hinted)?;
    writer.tag(&target, &id).map_err(hinted)?;
    Ok(Outcome::done())
}

fn target(args: &Args) -> anyhow::Result<Reference> {
    let text = match &args.tag {
        Some(tag) => format!("{}:{tag}", args.target),
        None => args.target.clone(),
    };
    let target = parse(&text)?;
    if target.digest().is_some() {
        bail!("refusing to create a tag with a digest reference");
    }
    Ok(target)
}

/// Docker's words around what is wrong with a name (client/image_tag.go, moby v20.10.24).
fn parse(text: &str) -> anyhow::Result<Reference> {
    let around = || anyhow!("Error parsing reference: {text:?} is not a valid repository/tag");
    Reference::parse(text).map_err(anyhow::Error::new).with_context(around)
}

fn hinted(error: EditError) -> anyhow::Error {
    let hint = error.hint();
    cli::with_hint(error, hint)
}
