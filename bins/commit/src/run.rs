//! Makes the image.

use std::io::Write;

use anyhow::{Context, Result, bail};
use archive::config::{Committed, Created};
use cli::Outcome;
use host::open_for_writing;
use layout::docker_content::write::{EditError, Writer};
use lifecycle::{end, events};
use model::{Digest, Driver, Finding, HostPath};
use storage::unpack::Unpacked;

use crate::args::Args;
use crate::layer;
use crate::plan::Plan;

/// Makes the image and prints its id.
pub fn run(args: &Args, plan: Plan) -> Result<Outcome> {
    let root = args.root.path();
    let paused = args.pause && pause(&root, &plan)?;
    let made = make(args, &plan);
    if paused {
        end::freeze(&root, &plan.container.id, false)?;
    }
    let (id, findings) = made?;
    if plan.name.is_some() {
        events::tell_image(&root, &format!("sha256:{id}"), "tag", &said(&plan));
    }
    let comment = ("comment", args.message.clone());
    events::tell(&root, &plan.record, "commit", &[comment, ("imageID", id.to_string()), ("imageRef", said(&plan))]);
    let mut out = cli::stdout();
    writeln!(out, "{id}").and_then(|()| out.flush())?;
    Ok(Outcome::done().and_findings(plan.findings).and_findings(findings))
}

fn said(plan: &Plan) -> String {
    plan.name.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Halts a container that runs, so that its files are of one instant. Returns whether it has to go on later.
fn pause(root: &std::path::Path, plan: &Plan) -> Result<bool> {
    let runs = end::living(root, &plan.container.id)?.is_some_and(|living| living.record["State"]["Paused"] != true);
    Ok(runs && end::freeze(root, &plan.container.id, true)?)
}

fn make(args: &Args, plan: &Plan) -> Result<(Digest, Vec<Finding>)> {
    let mut writer = open_for_writing(&args.root.path(), args.no_wait, cli::note).map_err(hinted)?;
    let parent = plan.image.layers.first().map(|layer| layer.chain_id.context("the image's layer has no chain id"));
    let staged = writer.stage_layer(parent.transpose()?.as_ref()).map_err(hinted)?;
    let (unpacked, mut findings) = layer::fill(plan, &writer, &staged)?;
    findings.extend(lost(&unpacked));
    // The top folder stands in the tar of every layer that marks its changes; alone it is no change.
    let always = u64::from(*writer.driver() != Driver::Vfs);
    let diff_id = (unpacked.entries > always).then_some(unpacked.diff_id);
    match diff_id {
        Some(diff_id) => drop(writer.commit_layer(staged, diff_id, unpacked.size).map_err(hinted)?),
        None => writer.discard_layer(staged).map_err(hinted)?,
    }
    let config = config(args, plan, diff_id)?;
    Ok((put(plan, &mut writer, &config).map_err(hinted)?, findings))
}

fn config(args: &Args, plan: &Plan, diff_id: Option<Digest>) -> Result<Vec<u8>> {
    let Ok(below) = std::str::from_utf8(&plan.image.config) else { bail!("the image's config is no text") };
    let committed = Committed {
        below,
        config: plan.config.clone(),
        container_config: plan.container_config.clone(),
        container: plan.container.id.as_str(),
        created: Created::from(cli::human::now()),
        author: &args.author,
        comment: &args.message,
        diff_id,
    };
    committed.to_vec().context("cannot read the image's config")
}

fn put(plan: &Plan, writer: &mut Writer, config: &[u8]) -> Result<Digest, EditError> {
    let id = writer.put_image(config)?;
    if let Ok(below) = plan.image.id.as_str().parse::<Digest>() {
        writer.set_parent(&id, &below)?;
    }
    if let Some(name) = &plan.name {
        writer.tag(name, &id)?;
    }
    Ok(id)
}

/// What the layer's folder could not keep.
fn lost(unpacked: &Unpacked) -> Vec<Finding> {
    let (told, more) = &unpacked.lost;
    let mut findings: Vec<Finding> =
        told.iter().map(|(entry, why)| Finding::new("not-on-disk", why.clone()).at(HostPath::new(entry))).collect();
    if *more > 0 {
        findings.push(Finding::new("not-on-disk", format!("{more} entries more could not be kept as they are")));
    }
    findings
}

fn hinted(error: EditError) -> anyhow::Error {
    let hint = error.hint();
    cli::with_hint(error, hint)
}
