//! What will be run: looked up, resolved and refused, with nothing written yet.

use std::path::PathBuf;

use anyhow::{Result, bail};
use host::Host;
use launch::docker::{self, Surroundings};
use launch::spec::{Changes, Mount, MountSource, Namespace, Propagation, RootFiles, Spec, Upper};
use lifecycle::links::Line;
use lifecycle::{files, mounts, peers, runtime};
use model::{Container, Driver, Finding, Generation, Id, Image, Rootfs};
use serde_json::{Value, json};

use crate::args::Args;
use crate::flags;

/// Everything that is decided before anything happens.
pub struct Plan {
    /// The host.
    pub host: Host,
    /// Which container.
    pub subject: Subject,
    /// Whether it is kept on the data root.
    pub kept: bool,
    /// The new container's id.
    pub id: Id,
    /// Its inspect JSON.
    pub inspect: Value,
    /// What it is to be.
    pub spec: Spec,
    /// Where the root has to be written out first, since the kernel cannot join its layers: from these.
    pub write_out: Option<Rootfs>,
    /// The container's files in `/etc`.
    pub etc: Vec<(String, String)>,
    /// Lines that links add to its hosts file.
    pub links: Vec<Line>,
    /// What of the record is not done.
    pub notes: Vec<String>,
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

impl Plan {
    /// Resolves what was typed.
    pub fn new(args: &Args) -> Result<Plan> {
        refuse(args)?;
        let mut host = Host::open(&args.root.path())?;
        let mut findings = host.take_findings();
        let id = runtime::new_id()?;
        let (subject, inspect, rootfs) = match &args.container {
            Some(name) => old(&host, name, args, &mut findings)?,
            None => new(&host, args, &id, &mut findings)?,
        };
        let mut notes = Vec::new();
        let peers = peers::of(&host, &inspect)?;
        let etc = files::etc(&inspect, None, &peers.links.hosts);
        let folder = runtime::place(id.as_str());
        let lower = files::layers(&host, &rootfs, &mut findings)?;
        let mut own = match subject {
            Subject::Old(_) => mounts::of_evidence(&inspect, &host, args.root.host_root(), &mut notes),
            Subject::New(_) => binds(args),
        };
        own.extend(mounts::of_etc(&folder));
        let around = Surroundings {
            id: id.as_str().to_string(),
            root: RootFiles {
                lower: lower.clone().unwrap_or_else(|| vec![folder.join("written")]),
                changes: args.rw.as_ref().map_or(Changes::Memory, |rw| {
                    Changes::Layer(Upper { diff: rw.join("diff"), work: rw.join("work") })
                }),
                read_only: inspect["HostConfig"]["ReadonlyRootfs"].as_bool().unwrap_or(false),
            },
            passwd: files::read(&host, &rootfs, "etc/passwd")?,
            group: files::read(&host, &rootfs, "etc/group")?,
            mounts: own,
            network: peers.network.unwrap_or(Namespace::New),
            joined: peers.joined,
            link_env: peers.links.env,
        };
        let (spec, more) = docker::spec(&inspect, around)?;
        notes.extend(more);
        notes.extend(args.rest.notes());
        let kept = kept(args, &host, &subject);
        if args.life.detach && !kept {
            bail!("--detach needs a container that is kept on the data root: {}", why_not_kept(args));
        }
        Ok(Plan {
            kept,
            write_out: lower.is_none().then_some(rootfs),
            host,
            subject,
            id,
            inspect,
            spec,
            etc,
            notes,
            links: peers.links.hosts,
            findings,
        })
    }

    /// What it is and where it comes from, in words.
    pub fn origin(&self) -> String {
        match &self.subject {
            Subject::New(image) => format!("image {} of {}", image.id.short(), self.host.store(image.store)),
            Subject::Old(container) => {
                format!("container {} of {}", container.id.short(), self.host.store(container.store))
            }
        }
    }
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
    if args.process.tty
        && args.process.interactive
        && !args.life.detach
        && !rustix::termios::isatty(rustix::stdio::stdin())
    {
        bail!("the input device is not a TTY");
    }
    if let Some(dir) = args.process.workdir.as_ref().filter(|dir| !dir.starts_with('/')) {
        bail!("the working directory '{dir}' is invalid, it needs to be an absolute path");
    }
    Ok(())
}

/// A container of the root.
fn old(host: &Host, name: &str, args: &Args, findings: &mut Vec<Finding>) -> Result<(Subject, Value, Rootfs)> {
    let (container, more) = host.container(name)?;
    findings.extend(more);
    let (mut inspect, more) = layout::inspect_container(host.root(), host.stores(), &container);
    findings.extend(more);
    let (rootfs, more) = host.rootfs(&container)?;
    findings.extend(more);
    if let Some((program, rest)) = args.image_and_command.split_first() {
        inspect["Path"] = json!(program);
        inspect["Args"] = json!(rest);
    }
    if let Some(network) = args.network.network.first() {
        inspect["HostConfig"]["NetworkMode"] = json!(network);
    }
    // The old terminal is gone with whoever sat at it.
    inspect["Config"]["Tty"] = json!(args.process.tty);
    Ok((Subject::Old(Box::new(container)), inspect, rootfs))
}

/// A new container from an image of the root.
fn new(host: &Host, args: &Args, id: &Id, findings: &mut Vec<Finding>) -> Result<(Subject, Value, Rootfs)> {
    let (name, command) = args.image_and_command.split_first().expect("its absence was refused");
    let (image, more) =
        host.image(name).map_err(|error| anyhow::anyhow!("Unable to find image '{name}' locally: {error}"))?;
    findings.extend(more);
    let (document, more) = layout::inspect_image(host.root(), host.stores(), &image);
    findings.extend(more);
    let (rootfs, more) = host.image_rootfs(&image)?;
    findings.extend(more);
    let inspect = flags::record(args, &json!({ "config": document["Config"] }), name, command, id.as_str())?;
    Ok((Subject::New(Box::new(image)), inspect, rootfs))
}

/// Whether the container is kept on the data root: in docker's own layout, writable, and nobody said otherwise.
fn kept(args: &Args, host: &Host, subject: &Subject) -> bool {
    let index = match subject {
        Subject::New(image) => image.store,
        Subject::Old(container) => container.store,
    };
    let store = host.store(index);
    let native =
        store.generation == Generation::DockerContent && matches!(store.driver, Driver::Overlay2 | Driver::Vfs);
    let whole = native && store.home.as_bytes().is_empty() && host.root().path().is_dir();
    let as_it_was = matches!(subject, Subject::New(_)) || args.image_and_command.is_empty();
    whole
        && as_it_was
        && !args.ephemeral
        && args.rw.is_none()
        && rustix::process::geteuid().is_root()
        && rustix::fs::access(host.root().path(), rustix::fs::Access::WRITE_OK).is_ok()
}

fn why_not_kept(args: &Args) -> &'static str {
    match () {
        () if args.ephemeral || args.rw.is_some() => "--ephemeral and --rw leave nothing there",
        () if args.container.is_some() && !args.image_and_command.is_empty() => {
            "another command than its own is run beside it"
        }
        () => "this root is not docker's own layout with overlay2 or vfs, or cannot be written",
    }
}

/// Binds of the flags, for a container that is not kept. A place without a source is a folder of its own files.
fn binds(args: &Args) -> Vec<Mount> {
    let two_or_three = |text: &String| {
        let parts: Vec<String> = text.split(':').map(str::to_string).collect();
        (parts.len() > 1).then_some(parts)
    };
    args.files
        .volume
        .iter()
        .filter_map(two_or_three)
        .map(|parts| Mount {
            destination: PathBuf::from(&parts[1]),
            source: MountSource::Bind { path: PathBuf::from(&parts[0]) },
            read_only: parts.get(2).is_some_and(|options| options.split(',').any(|option| option == "ro")),
            propagation: Propagation::Private,
            from: "--volume".to_string(),
        })
        .collect()
}
