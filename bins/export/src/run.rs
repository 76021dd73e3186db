//! Writes the tree.

use std::io::{BufWriter, Write};

use anyhow::anyhow;
use cli::{Findings, Outcome, Output, Progress};
use model::{Entry, EntryPath, Kind, path::shown};
use storage::Merged;
use tarball::write::{Form as Headers, Writer};

use crate::args::Form;
use crate::destination::{Destination, NewFolder};
use crate::forms;
use crate::plan::Plan;

/// Bytes that are collected before they are written: small files make few writes, large ones go past it.
const BUFFER: usize = 256 << 10;

/// Writes the tree in its form; the output counts when all of it is there.
pub fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let Plan { tree, form, docker, output, progress, mut findings } = plan;
    match output {
        Destination::Folder(folder) => write_folder(tree, folder, &progress, &mut findings)?,
        Destination::Stream(output) => {
            let headers = if docker { Headers::Docker } else { Headers::Lossless };
            write_stream(tree, (form, headers), output, &progress, &mut findings)?;
        }
    }
    progress.finish();
    Ok(Outcome::done().and_findings(findings))
}

// GAP: an ordinary user cannot give files to others, so this is for root.
fn write_folder(
    mut tree: Merged,
    folder: NewFolder,
    progress: &Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut sink = storage::Folder::open(folder.part())?;
    let poured =
        storage::pour(&mut tree, &mut sink, |entry| progress.add(size(entry))).map_err(|error| anyhow!(error))?;
    say_sockets(&poured.sockets);
    findings.extend(poured.findings);
    folder.finish()
}

fn write_stream(
    mut tree: Merged,
    (form, headers): (Form, Headers),
    output: Output,
    progress: &Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, output);
    match form {
        Form::Bodyfile => findings.extend(forms::bodyfile::write(tree.with_evidence(), &mut out)?),
        Form::Jsonl => findings.extend(forms::json_lines::write(tree.with_evidence(), &mut out)?),
        Form::Mtree => findings.extend(forms::mtree::write(tree.without_hard_links(), &mut out)?),
        Form::Sha256sum => findings.extend(forms::sums::write(tree.without_hard_links(), &mut out)?),
        Form::Tar | Form::Dir => {
            let mut writer = Writer::with_form(&mut out, headers);
            let seen = |entry: &Entry| progress.add(size(entry));
            let poured = storage::pour(&mut tree, &mut writer, seen).map_err(|error| anyhow!(error))?;
            say_sockets(&poured.sockets);
            findings.extend(poured.findings);
        }
    }
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())?.finish()
}

fn size(entry: &Entry) -> u64 {
    if let Kind::File { size } = entry.kind { size } else { 0 }
}

/// Docker's tar drops sockets in silence; nobody misses one, but it is said.
fn say_sockets(sockets: &[EntryPath]) {
    for path in sockets {
        cli::note(&format!("'{}' is a socket, which no copy can hold; it is left out", shown(path.as_bytes())));
    }
}
