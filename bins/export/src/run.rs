//! Writes the tree.

use std::io::{BufWriter, Write};

use anyhow::anyhow;
use cli::Outcome;
use model::{Entry, EntryPath, Kind, path::shown};
use tarball::write::{Form as Headers, Writer};

use crate::args::Form;
use crate::forms;
use crate::plan::Plan;

/// Bytes that are collected before they are written: small files make few writes, large ones go past it.
const BUFFER: usize = 256 << 10;

/// Writes the tree in its form; the output counts when all of it is there.
pub fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let Plan { mut tree, form, docker, output, progress, mut findings } = plan;
    let mut out = BufWriter::with_capacity(BUFFER, output);
    match form {
        Form::Tar => {
            let headers = if docker { Headers::Docker } else { Headers::Lossless };
            let mut writer = Writer::with_form(&mut out, headers);
            let seen = |entry: &Entry| progress.add(size(entry));
            let poured = storage::pour(&mut tree, &mut writer, seen).map_err(|error| anyhow!(error))?;
            say_sockets(&poured.sockets);
            findings.extend(poured.findings);
        }
        Form::Bodyfile => findings.extend(forms::bodyfile::write(tree.with_evidence(), &mut out)?),
        Form::Jsonl => findings.extend(forms::json_lines::write(tree.with_evidence(), &mut out)?),
        Form::Mtree => findings.extend(forms::mtree::write(tree.without_hard_links(), &mut out)?),
        Form::Sha256sum => findings.extend(forms::sums::write(tree.without_hard_links(), &mut out)?),
    }
    progress.finish();
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())?.finish()?;
    Ok(Outcome::done().and_findings(findings))
}

fn size(entry: &Entry) -> u64 {
    if let Kind::File { size } = entry.kind { size } else { 0 }
}

/// Docker drops sockets in silence; nobody misses one, but it is said.
fn say_sockets(sockets: &[EntryPath]) {
    for path in sockets {
        cli::note(&format!("'{}' is a socket, which tar cannot hold; it is left out", shown(path.as_bytes())));
    }
}
