//! What will be run: looked up, resolved and refused, with nothing written yet.

mod described;
mod origin;
mod subject;

use std::path::PathBuf;

use anyhow::{Result, bail};
use host::Host;
use launch::docker::{self, Surroundings};
use launch::spec::{Changes, Namespace, RootFiles, Spec, Upper};
use lifecycle::links::Line;
use lifecycle::mounts::{self, Missing};
use lifecycle::{begin, files, peers, runtime, usernet};
use model::{Container, Finding, Id, Image, Rootfs};
use serde_json::Value;

use crate::args::Args;
use crate::flags;
pub use origin::Origin;
use subject::Found;

/// Everything that is decided before anything happens.
pub struct Plan {
    /// The data root.
    pub root: PathBuf,
    /// The host in it.
    pub host: Host,
    /// What a new container is called; made up where `None`.
    pub name: Option<String>,
    /// Which container.
    pub subject: Subject,
    /// Whether it is kept on the data root.
    pub kept: bool,
    /// The new container's id.
    pub id: Id,
    /// Its inspect JSON.
    pub inspect: Value,
    /// Where that came from.
    pub origin: Origin,
    /// What it is to be.
    pub spec: Spec,
    /// Its files.
    pub rootfs: Rootfs,
    /// Whether they have to be written out first, since the kernel cannot join these layers.
    pub write_out: bool,
    /// The container's files in `/etc`.
    pub etc: Vec<(String, String)>,
    /// Lines that links add to its hosts file.
    pub links: Vec<Line>,
    /// What an old container had mounted that is not here.
    pub missing: Vec<Missing>,
    /// What is not done.
    pub notes: Vec<String>,
    /// That part of it which the record does not tell.
    pub typed: Vec<String>,
    /// What could not be read.
    pub findings: Vec<Finding>,
}

/// What is run.
pub enum Subject {
    /// A new container from an image.
    New(Box<Image>),
    /// A container of the root again.
    Old(Box<Container>),
}

/// Drivers whose logs are written, or are meant not to be.
const LOG_DRIVERS: &[&str] = &["", "json-file", "local", "none"];

impl Plan {
    /// Resolves what was typed.
    pub fn new(args: &Args) -> Result<Plan> {
        refuse(args)?;
        let (root, name) = subject::root(args)?;
        let mut host = Host::open(&root)?;
        let mut findings = host.take_findings();
        let id = runtime::new_id()?;
        let mut notes = Vec::new();
        let mut typed = [args.rest.notes(), flags::warnings(args)].concat();
        let Found { subject, inspect, rootfs, as_it_was, name, origin } = match &name {
            Some(name) => subject::old(&host, name, args, &mut findings)?,
            None if args.image_and_command[0] == "-" => subject::piped(&host, args, &id, &mut typed, &mut findings)?,
            None => subject::new(&host, args, &id, &mut findings)?,
        };
        if let (Subject::New(_), Some(name)) = (&subject, &name) {
            subject::refuse_name(name)?;
        }
        // What others of an old host are gone is named; a new container is refused without them.
        let peers = match &subject {
            Subject::Old(_) => peers::as_far_as_there(&host, &inspect, &mut notes),
            Subject::New(_) => peers::of(&host, &inspect)?,
        };
        usernet::refuse(&inspect)?;
        let etc = files::etc(&inspect, None, &peers.links.hosts);
        let folder = runtime::place(id.as_str());
        // Another program than our launcher gets the files with the owners of inside.
        let is_ours = args.bundle.is_none() && handed_to(args).is_none();
        let lower = match rootfs.ids.uids.is_empty() || is_ours {
            true => files::layers(&host, &rootfs, &mut findings)?,
            false => None,
        };
        let mut missing = Vec::new();
        let mut own = match subject {
            Subject::Old(_) => {
                let evidence = mounts::of_evidence(&inspect, &host, args.root.host_root());
                notes.extend(evidence.missing.iter().map(ToString::to_string));
                missing = evidence.missing;
                evidence.mounts
            }
            Subject::New(_) => mounts::of_wanted(&inspect, &host, args.root.host_root(), &mut notes)?,
        };
        own.extend(mounts::of_etc(&folder, &inspect));
        let around = Surroundings {
            id: id.as_str().to_string(),
            root: RootFiles {
                lower: lower.clone().unwrap_or_else(|| vec![folder.join("written")]),
                changes: args.rw.as_ref().map_or(Changes::Memory, |rw| {
                    Changes::Layer(Upper { diff: rw.join("diff"), work: rw.join("work"), lasting: true })
                }),
                read_only: inspect["HostConfig"]["ReadonlyRootfs"].as_bool().unwrap_or(false),
            },
            passwd: files::read(&host, &rootfs, "etc/passwd")?,
            group: files::read(&host, &rootfs, "etc/group")?,
            mounts: own,
            network: peers.network.unwrap_or(Namespace::New),
            joined: peers.joined,
            link_env: peers.links.env,
            user: lower.as_ref().and_then(|_| begin::users(&rootfs)),
        };
        let (spec, more) = docker::spec(&inspect, around)?;
        notes.extend(more);
        let kept = kept(args, &host, &subject) && as_it_was;
        let driver = inspect["HostConfig"]["LogConfig"]["Type"].as_str().unwrap_or_default();
        if kept && !LOG_DRIVERS.contains(&driver) {
            typed.push(format!("the log driver '{driver}' is not done: nothing is logged"));
        }
        if args.life.detach && !kept {
            bail!("--detach needs a container that is kept on the data root: {}", why_not_kept(args, as_it_was));
        }
        Ok(Plan {
            kept,
            root,
            name,
            write_out: lower.is_none(),
            rootfs,
            host,
            subject,
            id,
            inspect,
            origin,
            spec,
            etc,
            notes: [typed.clone(), notes].concat(),
            typed,
            links: peers.links.hosts,
            missing,
            findings,
        })
    }

    /// What it is and where it comes from, in words.
    pub fn title(&self) -> String {
        match &self.subject {
            Subject::New(image) => format!("image {} of {}", image.id.short(), self.host.store(image.store)),
            Subject::Old(container) => {
                format!("container {} of {}", container.id.short(), self.host.store(container.store))
            }
        }
    }
}

/// Whether a terminal is asked for that the person does not have.
pub fn lacks_a_terminal(args: &Args) -> bool {
    let wanted = args.process.tty && args.process.interactive && !args.life.detach && args.plan.is_none();
    wanted && !rustix::termios::isatty(rustix::stdio::stdin())
}

fn refuse(args: &Args) -> Result<()> {
    match args.life.pull.as_str() {
        "never" | "missing" => {}
        "always" => bail!("--pull always is refused: there is no registry here; take never or missing"),
        other => bail!("invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""),
    }
    if args.container.is_none() && args.image_and_command.is_empty() {
        bail!("'run' requires at least 1 argument: an image, or --container NAME");
    }
    if let Some(flag) = args
        .image_and_command
        .first()
        .filter(|word| args.container.is_none() && word.starts_with('-') && word.len() > 1)
    {
        bail!("unknown flag: {flag}");
    }
    if let Some(file) = args.life.cidfile.as_ref().filter(|file| file.exists()) {
        bail!("container ID file found, make sure the other container isn't running or delete {}", file.display());
    }
    if let Some(dir) = args.process.workdir.as_ref().filter(|dir| !dir.is_empty() && !dir.starts_with('/')) {
        bail!("the working directory '{dir}' is invalid, it needs to be an absolute path");
    }
    Ok(())
}

/// The program that the container is handed to instead of our launcher.
pub fn handed_to(args: &Args) -> Option<&str> {
    args.life.runtime.as_deref().filter(|name| !name.is_empty() && *name != "dockless")
}

/// Whether the container is kept on the data root: in docker's own layout, writable, and nobody said otherwise.
fn kept(args: &Args, host: &Host, subject: &Subject) -> bool {
    let index = match subject {
        Subject::New(image) => image.store,
        Subject::Old(container) => container.store,
    };
    let whole = host.store(index).is_native() && host.root().path().is_dir();
    whole
        && handed_to(args).is_none()
        && args.bundle.is_none()
        && !args.ephemeral
        && args.rw.is_none()
        && rustix::process::geteuid().is_root()
        && rustix::fs::access(host.root().path(), rustix::fs::Access::WRITE_OK).is_ok()
}

fn why_not_kept(args: &Args, as_it_was: bool) -> &'static str {
    match () {
        () if args.ephemeral || args.rw.is_some() => "--ephemeral and --rw leave nothing there",
        () if handed_to(args).is_some() => "--runtime leaves nothing there",
        () if !as_it_was => "an old container with another command or other options is run beside it",
        () => "this root is not docker's own layout with overlay2 or vfs, or cannot be written",
    }
}
