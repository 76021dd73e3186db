//! What was asked for on this host; refused before anything is written.

use anyhow::{Context, bail};
use cli::{Findings, Output, Progress};
use host::Host;
use model::{HostPath, path::shown};
use storage::Merged;

use crate::args::{Args, Form};
use crate::destination::{Destination, NewFolder};
use crate::subject;

/// A tree, opened, and where it goes.
pub struct Plan {
    /// The tree.
    pub tree: Merged,
    /// In which form.
    pub form: Form,
    /// Whether tar headers are docker's.
    pub docker: bool,
    /// Where it goes.
    pub output: Destination,
    /// How far it is.
    pub progress: Progress,
    /// What was found on the way here.
    pub findings: Findings,
}

impl Plan {
    /// Finds the object and opens its tree.
    pub fn new(args: &Args) -> anyhow::Result<Plan> {
        if args.docker && args.format != Form::Tar {
            bail!("--docker says how tar headers are written: it goes with --format tar only");
        }
        let mut findings = Findings::new();
        let (tree, subject) = match &args.name {
            Some(name) => (object(args, name, &mut findings)?, name.as_str()),
            None => (whole(args, &mut findings)?, "the data root"),
        };
        let output = match args.format {
            Form::Dir => Destination::Folder(NewFolder::create(args.output.as_deref())?),
            Form::Tar => Destination::Stream(Output::binary(args.output.as_deref())?),
            _ => Destination::Stream(Output::text(args.output.as_deref())?),
        };
        let progress = args.progress.start(subject, None, false);
        Ok(Plan { tree, form: args.format, docker: args.docker, output, progress, findings })
    }
}

/// The tree of the object of that name.
fn object(args: &Args, name: &str, findings: &mut Findings) -> anyhow::Result<Merged> {
    let mut host = Host::open_with(&args.root.path(), args.root.host_root())?;
    findings.extend(host.take_findings());
    let rootfs = subject::files(&host, name, args.kind, findings)?;
    storage::open(host.root(), &rootfs).with_context(|| format!("cannot export '{}'", shown(name.as_bytes())))
}

/// The data root itself, whatever is in it: no record is looked at.
fn whole(args: &Args, findings: &mut Findings) -> anyhow::Result<Merged> {
    let root = findings.take(Host::bare(&args.root.path())?);
    Ok(storage::open_plain(&root, &HostPath::default())?)
}
