//! The work.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use archive::Plan as Members;
use archive::write::{Layers, Member};
use cli::{Outcome, Output, Progress};
use model::Finding;
use tarball::compress::{self, Compression};

use crate::args::{Args, Form};
use crate::layers::Source;
use crate::plan::Plan;

/// Writes the archive.
pub fn run(args: &Args, plan: Plan) -> anyhow::Result<Outcome> {
    // A terminal is refused before anything shows on it.
    let output = match args.format {
        Form::OciDir => None,
        _ => Some(Output::binary(args.output.as_deref())?),
    };
    let members = Members::new(plan.format, &plan.images);
    let mut bytes = Bytes {
        sources: plan.sources,
        findings: Vec::new(),
        progress: args.progress.start("Saving", members.size(), args.quiet),
    };
    match output {
        Some(output) => stream(args, output, &members, &mut bytes)?,
        None => directory(args, &members, &mut bytes)?,
    }
    bytes.progress.finish();
    let mut findings = plan.findings;
    findings.extend(bytes.findings);
    Ok(Outcome::from(findings))
}

fn stream(args: &Args, output: Output, members: &Members, bytes: &mut Bytes) -> anyhow::Result<()> {
    let (compression, level) = args.compress.unwrap_or((Compression::None, None));
    if compression == Compression::None {
        let mut output = Counted { out: output, progress: bytes.progress.clone() };
        members.write(&mut output, bytes)?;
        return output.out.finish();
    }
    // The encoder keeps its output, and the output must be finished after it.
    let shared = Shared(Arc::new(Mutex::new(Some(output))));
    let mut encoder = compress::encoder(compression, level, Box::new(shared.clone()))?;
    members.write(&mut Counted { out: &mut encoder, progress: bytes.progress.clone() }, bytes)?;
    encoder.finish()?;
    shared.0.lock().unwrap_or_else(PoisonError::into_inner).take().context("the output is gone")?.finish()
}

/// Writes the members as files. The index comes last: without it the directory is no layout.
fn directory(args: &Args, members: &Members, bytes: &mut Bytes) -> anyhow::Result<()> {
    let Some(top) = &args.output else { bail!("oci-dir needs -o DIR") };
    fs::create_dir_all(top)
        .and_then(|()| fs::read_dir(top))
        .with_context(|| format!("cannot make '{}'", top.display()))
        .and_then(|mut names| match names.next() {
            Some(_) => bail!("'{}' is not empty", top.display()),
            None => Ok(()),
        })?;
    let written = write_files(top, members, bytes);
    if written.is_err() {
        let _ = fs::remove_dir_all(top);
    }
    written
}

fn write_files(top: &Path, members: &Members, bytes: &mut Bytes) -> anyhow::Result<()> {
    let (index, others): (Vec<_>, Vec<_>) = members.members().iter().partition(|(name, _)| name == "index.json");
    for (name, member) in others.into_iter().chain(index) {
        let path = top.join(name);
        let cannot = || format!("cannot write '{}'", path.display());
        match member {
            Member::Directory => fs::create_dir_all(&path).with_context(cannot)?,
            Member::Document(raw) => fs::write(&path, raw).with_context(cannot)?,
            Member::Layer { image, layer, .. } => {
                let file = File::create(&path).with_context(cannot)?;
                bytes.write(*image, *layer, &mut Counted { out: &file, progress: bytes.progress.clone() })?;
                file.sync_all().with_context(cannot)?;
            }
            Member::Link(_) => bail!("an OCI layout has no links"),
        }
    }
    Ok(())
}

/// The layers, with what is said meanwhile.
struct Bytes<'h> {
    sources: Vec<Vec<Source<'h>>>,
    findings: Vec<Finding>,
    progress: Progress,
}

impl Layers for Bytes<'_> {
    type Error = anyhow::Error;

    fn size(&mut self, image: usize, layer: usize) -> anyhow::Result<u64> {
        self.sources[image][layer].size()
    }

    fn write(&mut self, image: usize, layer: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        let source = &mut self.sources[image][layer];
        self.progress.at(&format!("layer {}", source.layer.diff_id.short()));
        self.findings.extend(source.write(out)?);
        Ok(())
    }
}

/// Counts for the progress.
struct Counted<W> {
    out: W,
    progress: Progress,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.progress.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An output that is finished after its encoder.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Output>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(output) => output.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
