//! The work.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use archive::config::{Imported, Words};
use cli::{Outcome, Progress, human};
use hostfs::Root;
use layout::docker_content::write::{EditError, StagedLayer, Writer};
use model::{Digest, Driver, Finding, HostPath};
use storage::unpack::{self, LayerForm, Meaning, Options, UnpackError, Unpacked};

use crate::filter::{Amount, Filter, Report};
use crate::input::{Input, Tar};
use crate::plan::{Plan, date};
use crate::tree;
use crate::walk::Walk;

/// Bytes of the file system that are left alone.
const MARGIN: u64 = 16 << 20;

/// Imports, or says what would be.
pub fn run(mut plan: Plan) -> anyhow::Result<Outcome> {
    let report = Arc::new(Mutex::new(Report::default()));
    if plan.args.dry_run {
        let findings = look(plan, &report)?;
        say_taken(&lock(&report))?;
        say_left_out(&lock(&report));
        return Ok(Outcome::from(findings));
    }
    let mut writer = host::make_for_writing(&plan.root, plan.args.no_wait, cli::note).map_err(hinted)?;
    if plan.args.sync {
        writer.wait_for_disk();
    }
    if let Input::Tar(Tar { size: Some(size), .. }) = &plan.input {
        writer.need(*size, 0).map_err(hinted)?;
    }
    let progress = plan.args.progress.start("Importing", size(&plan.input), plan.args.quiet);
    let staged = writer.stage_layer(None).map_err(hinted)?;
    let input = std::mem::replace(&mut plan.input, Input::Tar(Tar { stream: Box::new(io::empty()), size: None }));
    let (unpacked, mut findings) = fill(&plan, input, &writer, &staged, &report, &progress)?;
    progress.finish();
    findings.extend(unpacking_findings(&unpacked));
    findings.extend(orphans(&lock(&report)));
    let tree = Root::open(&writer.path(&staged.diff()))?;
    describe(&mut plan, &tree, &lock(&report));
    let config = image(&plan, &tree, unpacked.diff_id);
    writer.commit_layer(staged, unpacked.diff_id, unpacked.size).map_err(hinted)?;
    let id = writer.put_image(&config).map_err(hinted)?;
    if let Some(name) = &plan.name {
        writer.tag(name, &id).map_err(hinted)?;
    }
    say_left_out(&lock(&report));
    let mut out = cli::stdout();
    writeln!(out, "{id}").and_then(|()| out.flush())?;
    Ok(Outcome::from(findings))
}

fn size(input: &Input) -> Option<u64> {
    match input {
        Input::Tar(tar) => tar.size,
        Input::Directory(_) => None,
    }
}

/// Unpacks the input into the staged layer; what was odd with the input comes back.
fn fill(
    plan: &Plan,
    input: Input,
    writer: &Writer,
    staged: &StagedLayer,
    report: &Arc<Mutex<Report>>,
    progress: &Progress,
) -> anyhow::Result<(Unpacked, Vec<Finding>)> {
    match input {
        Input::Tar(tar) if plan.rules.are_none() => {
            Ok((unpack(plan, tar.stream, writer, staged, progress)?, Vec::new()))
        }
        Input::Tar(tar) => {
            let filtered = Filter::new(tar.stream, plan.rules.clone(), report.clone());
            Ok((unpack(plan, filtered, writer, staged, progress)?, Vec::new()))
        }
        Input::Directory(root) => {
            let walk = Walk::new(root, plan.rules.clone(), plan.args.one_file_system, report.clone())?;
            let (tar, out) = io::pipe()?;
            cli::pipe::widen(&out);
            std::thread::scope(|scope| {
                let walking = scope.spawn(move || walk.write(io::BufWriter::with_capacity(256 << 10, out)));
                let unpacked = unpack(plan, tar, writer, staged, progress);
                // A walk that fails cuts the tar: its own reason is the one to tell. The other way round, it finds its
                // pipe closed.
                match (walking.join().expect("walking does not panic"), unpacked) {
                    (Ok(findings), Ok(unpacked)) => Ok((unpacked, findings)),
                    (Err(error), Ok(_)) => Err(error.into()),
                    (Err(error), Err(unpacking)) if is_cut(&unpacking) => Err(error.into()),
                    (_, Err(unpacking)) => Err(unpacking),
                }
            })
        }
    }
}

fn is_cut(error: &anyhow::Error) -> bool {
    error.downcast_ref::<UnpackError>().is_some_and(UnpackError::is_truncated)
}

fn unpack(
    plan: &Plan,
    tar: impl Read + Send,
    writer: &Writer,
    staged: &StagedLayer,
    progress: &Progress,
) -> anyhow::Result<Unpacked> {
    let form = if *writer.driver() == Driver::Vfs { LayerForm::Vfs } else { LayerForm::Overlay2 };
    let place = unpack::Place {
        files: writer.open_diff(staged)?,
        split: writer.target().create_file(&staged.tar_split(), 0o644)?,
    };
    let options = Options { allow_truncated: plan.args.allow_truncated, ..Options::new(form, Meaning::Rootfs) };
    let mut seen = 0;
    let mut watch = |now: unpack::Progress| {
        progress.add(now.read - std::mem::replace(&mut seen, now.read));
        Ok(writer.need(MARGIN, 64)?)
    };
    match unpack::unpack(tar, place, &options, &mut watch) {
        Ok(unpacked) => Ok(unpacked),
        Err(error) if error.is_truncated() => {
            let hint = if plan.args.allow_truncated { None } else { Some("--allow-truncated takes what came") };
            Err(cli::with_hint(error, hint))
        }
        Err(error) if error.is_full() => {
            // The file system has less than the watch leaves alone: another program was faster.
            writer.need(seen.max(MARGIN), 64)?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What the folder or the archive could not be.
fn unpacking_findings(unpacked: &Unpacked) -> Vec<Finding> {
    let (told, more) = &unpacked.lost;
    let mut findings: Vec<Finding> =
        told.iter().map(|(entry, why)| Finding::new("not-on-disk", why.clone()).at(HostPath::new(entry))).collect();
    if *more > 0 {
        findings.push(Finding::new("not-on-disk", format!("{more} entries more could not be kept as they are")));
    }
    findings.extend(unpacked.truncated.iter().map(|place| Finding::new("truncated", place.clone())));
    findings
}

/// Names whose content came under a name that is left out: the first few, and how many.
fn orphans(report: &Report) -> Vec<Finding> {
    const TOLD: usize = 10;
    let left = |path: &model::EntryPath| {
        let why = "another name of a file that is left out, so left out too; 'import DIR' keeps such names";
        Finding::new("hard-link-left-out", why).at(HostPath::new(path.as_bytes()))
    };
    let mut findings: Vec<Finding> = report.orphans.iter().take(TOLD).map(left).collect();
    if let Some(more @ 1..) = report.orphans.len().checked_sub(TOLD) {
        findings.push(Finding::new("hard-link-left-out", format!("{more} names more of files that are left out")));
    }
    findings
}

/// Adds to the config what the tree tells, and warns of what should not be in it.
fn describe(plan: &mut Plan, tree: &Root, report: &Report) {
    if !plan.args.host {
        if tree::is_live(tree) {
            cli::warning("the archive holds /proc or /sys of a running host; import --host leaves such things out");
        }
        return;
    }
    if plan.config.cmd.is_empty() && plan.config.entrypoint.is_empty() {
        plan.config.cmd = Words(Some(vec![tree::shell(tree).to_string()]));
    }
    let left_out: Vec<&str> = report.left_out.keys().map(String::as_str).collect();
    let labels = plan.config.labels.get_or_insert_default();
    for (name, text) in tree::origin(tree, &plan.created.rfc3339(), &left_out.join(" ")) {
        labels.entry(name).or_insert(text);
    }
}

/// The image's config.
fn image(plan: &Plan, tree: &Root, diff_id: Digest) -> Vec<u8> {
    let here = archive::catalogue::this_machine();
    let platform = plan.platform.clone().or_else(|| tree::platform(tree));
    let platform =
        platform.unwrap_or(tree::Platform { os: here.os, architecture: here.architecture, variant: here.variant });
    let imported = Imported {
        config: plan.config.clone(),
        created: date(plan.created),
        comment: plan.comment.clone(),
        architecture: platform.architecture,
        variant: platform.variant,
        os: platform.os,
        diff_id,
    };
    imported.to_vec()
}

/// Reads everything and writes nothing.
fn look(plan: Plan, report: &Arc<Mutex<Report>>) -> anyhow::Result<Vec<Finding>> {
    match plan.input {
        Input::Tar(tar) => Filter::new(tar.stream, plan.rules, report.clone())
            .count()
            .map(|()| Vec::new())
            .context("cannot read the archive"),
        Input::Directory(root) => Ok(Walk::new(root, plan.rules, plan.args.one_file_system, report.clone())?.count()?),
    }
}

fn say_taken(report: &Report) -> anyhow::Result<()> {
    let mut out = cli::stdout();
    let mut total = Amount::default();
    for (folder, amount) in &report.taken {
        writeln!(out, "{:>12}  {:>8} entries  {folder}", amount.bytes, amount.entries)?;
        total = Amount { entries: total.entries + amount.entries, bytes: total.bytes + amount.bytes };
    }
    writeln!(out, "{:>12}  {:>8} entries  in all ({})", total.bytes, total.entries, human::size(total.bytes))?;
    Ok(out.flush()?)
}

fn say_left_out(report: &Report) {
    for (folder, amount) in &report.left_out {
        let plural = if amount.entries == 1 { "entry" } else { "entries" };
        cli::note(&format!("left out of {folder}: {} in {} {plural}", human::size(amount.bytes), amount.entries));
    }
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hinted(error: EditError) -> anyhow::Error {
    let hint = error.hint();
    cli::with_hint(error, hint)
}
