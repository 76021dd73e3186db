//! What a container changed, as a layer of the root: its tar is written and unpacked again at once.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result};
use layout::docker_content::write::{StagedLayer, Writer};
use model::{Driver, Finding};
use storage::unpack::{self, LayerForm, Meaning, Options, Unpacked};
use storage::{LayerTar, Written};

use crate::plan::Plan;

/// Bytes of the file system that are left alone.
const MARGIN: u64 = 16 << 20;

/// Fills a staged layer with the container's changes. Returns what came, and what could not be read.
pub fn fill(plan: &Plan, writer: &Writer, staged: &StagedLayer) -> Result<(Unpacked, Vec<Finding>)> {
    let (tar, out) = io::pipe()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || write(plan, out));
        let unpacked = unpack(writer, staged, tar);
        match (writing.join().expect("writing a layer does not panic"), unpacked) {
            (Ok(written), Ok(unpacked)) => Ok((unpacked, written.findings)),
            // A tar that could not be written is cut: its own reason is the one to tell. The other way round, it finds its
            // pipe closed.
            (Err(error), Err(unpacking)) if is_cut(&unpacking) => Err(error),
            (_, Err(unpacking)) => Err(unpacking),
            (Err(error), Ok(_)) => Err(error),
        }
    })
}

fn is_cut(error: &anyhow::Error) -> bool {
    error.downcast_ref::<unpack::UnpackError>().is_some_and(unpack::UnpackError::is_truncated)
}

fn write(plan: &Plan, out: io::PipeWriter) -> Result<Written> {
    let mut out = BufWriter::with_capacity(256 << 10, out);
    let layer = LayerTar::plan(plan.host.root(), &plan.rootfs).context("cannot read the container's changes")?;
    let written = layer.write(&mut out).context("cannot read the container's changes")?;
    out.flush()?;
    Ok(written)
}

fn unpack(writer: &Writer, staged: &StagedLayer, tar: io::PipeReader) -> Result<Unpacked> {
    let form = if *writer.driver() == Driver::Vfs { LayerForm::Vfs } else { LayerForm::Overlay2 };
    let place = unpack::Place {
        files: writer.open_diff(staged)?,
        split: writer.target().create_file(&staged.tar_split(), 0o644)?,
    };
    let mut watch = |_| Ok(writer.need(MARGIN, 64)?);
    Ok(unpack::unpack(tar, place, &Options::new(form, Meaning::Layer), &mut watch)?)
}
