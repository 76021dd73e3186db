//! What will be run: looked up, resolved and refused, with nothing written yet.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use host::Host;
use launch::docker::{self, Joined, Surroundings};
use launch::spec::{Changes, Mount, MountSource, Namespace, RootFiles, Spec, Upper};
use model::{EntryPath, Finding, Rootfs, Source};
use serde_json::Value;

use crate::args::Args;
use crate::flags;

/// Everything that is decided before anything happens.
pub struct Plan {
    /// The container.
    pub spec: Spec,
    /// Its inspect JSON.
    pub record: Value,
    /// What it is and where it comes from, in words.
    pub origin: String,
    /// Folder in `/run` for what it needs while it lives.
    pub runtime: PathBuf,
    /// Files made there for the container's `/etc`.
    pub files: Vec<(String, String)>,
    /// Where the root has to be written out first, since the kernel cannot join its layers: from these.
    pub write_out: Option<Rootfs>,
    /// The host, for writing out.
    pub host: Host,
    /// What of the record is not done.
    pub notes: Vec<String>,
    /// What could not be read.
    pub findings: Vec<Finding>,
    /// Whether stdin goes to it.
    pub interactive: bool,
    /// Whether signals go to it.
    pub sig_proxy: bool,
    /// Where its id is written.
    pub cidfile: Option<PathBuf>,
}

impl Plan {
    /// Resolves what was typed.
    pub fn new(args: &Args) -> Result<Plan> {
        refuse(args)?;
        let mut host = Host::open(&args.root.path())?;
        let mut findings = host.take_findings();
        let id = new_id()?;
        let wanted = match &args.container {
            Some(name) => old(&host, name, args, &mut findings)?,
            None => new(&host, args, &id, &mut findings)?,
        };
        let Wanted { mut record, rootfs, origin } = wanted;
        let runtime = runtime_folder(&id);
        let (lower, write_out) = layers(&host, &rootfs, &runtime, &mut findings)?;
        let mut notes = Vec::new();
        let files = etc_files(&record, &id);
        let mut mounts = binds(&record, args, &host, &mut notes);
        mounts.extend(etc_mounts(&files, &runtime));
        let around = Surroundings {
            root: RootFiles {
                lower,
                changes: args.rw.as_ref().map_or(Changes::Memory, |folder| Changes::Layer(Upper { diff: folder.join("diff"), work: folder.join("work") })),
                read_only: record["HostConfig"]["ReadonlyRootfs"].as_bool().unwrap_or(false),
            },
            passwd: file_of(&host, &rootfs, "etc/passwd")?,
            group: file_of(&host, &rootfs, "etc/group")?,
            network: network(&record, &mut notes)?,
            joined: Joined::default(),
            link_env: Vec::new(),
            id,
            mounts,
        };
        if args.container.is_some() && !args.image_and_command.is_empty() {
            record["Path"] = args.image_and_command[0].clone().into();
            record["Args"] = args.image_and_command[1..].to_vec().into();
        }
        let (spec, more) = docker::spec(&record, around)?;
        notes.extend(more);
        Ok(Plan {
            spec,
            record,
            origin,
            runtime,
            files,
            write_out,
            host,
            notes,
            findings,
            interactive: args.interactive,
            sig_proxy: args.sig_proxy && !args.tty,
            cidfile: args.cidfile.clone(),
        })
    }
}

/// What is to be run, as recorded.
struct Wanted {
    record: Value,
    rootfs: Rootfs,
    origin: String,
}

fn refuse(args: &Args) -> Result<()> {
    match args.pull.as_str() {
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
    if let Some(file) = args.cidfile.as_ref().filter(|file| file.exists()) {
        bail!("container ID file found, make sure the other container isn't running or delete {}", file.display());
    }
    if args.tty && args.interactive && !rustix::termios::isatty(rustix::stdio::stdin()) {
        bail!("the input device is not a TTY");
    }
    if let Some(dir) = args.workdir.as_ref().filter(|dir| !dir.starts_with('/')) {
        bail!("the working directory '{dir}' is invalid, it needs to be an absolute path");
    }
    Ok(())
}

/// An old container of the root.
fn old(host: &Host, name: &str, args: &Args, findings: &mut Vec<Finding>) -> Result<Wanted> {
    let (container, more) = host.container(name)?;
    findings.extend(more);
    let (mut record, more) = layout::inspect_container(host.root(), host.stores(), &container);
    findings.extend(more);
    let (rootfs, more) = host.rootfs(&container)?;
    findings.extend(more);
    record["Config"]["Tty"] = (args.tty || record["Config"]["Tty"].as_bool().unwrap_or(false)).into();
    Ok(Wanted {
        record,
        rootfs,
        origin: format!("container {} of {}", container.id.short(), host.store(container.store)),
    })
}

/// A new container from an image of the root.
fn new(host: &Host, args: &Args, id: &str, findings: &mut Vec<Finding>) -> Result<Wanted> {
    let (name, command) = args.image_and_command.split_first().context("no image named")?;
    let (image, more) =
        host.image(name).map_err(|error| anyhow::anyhow!("Unable to find image '{name}' locally: {error}"))?;
    findings.extend(more);
    let (document, more) = layout::inspect_image(host.root(), host.stores(), &image);
    findings.extend(more);
    let config = serde_json::json!({ "config": document["Config"] });
    let (rootfs, more) = host.image_rootfs(&image)?;
    findings.extend(more);
    let record = flags::record(args, &config, name, command, id)?;
    Ok(Wanted { record, rootfs, origin: format!("image {} of {}", image.id.short(), host.store(image.store)) })
}

// Files ---------------------------------------------------------------------------------------------------------------

/// The layers as folders of this machine, top first; or that the root has to be written out, and where.
fn layers(
    host: &Host,
    rootfs: &Rootfs,
    runtime: &Path,
    findings: &mut Vec<Finding>,
) -> Result<(Vec<PathBuf>, Option<Rootfs>)> {
    let (branches, more) = storage::drivers::stack(host.root(), rootfs).context("cannot find the container's files")?;
    findings.extend(more);
    use storage::dialect::Dialect::{Overlay, Plain};
    let joins = branches
        .iter()
        .all(|branch| matches!(branch.dialect, Plain | Overlay { user: false }) && branch.dir.fd().is_some());
    if joins && rootfs.ids.uids.is_empty() && host.root().path().is_dir() {
        let folder = |path: &model::HostPath| host.root().path().join(std::ffi::OsStr::from_bytes(path.as_bytes()));
        return Ok((branches.iter().map(|branch| folder(&branch.path)).collect(), None));
    }
    Ok((vec![runtime.join("written")], Some(rootfs.clone())))
}

/// One small file of the merged tree; empty where there is none.
fn file_of(host: &Host, rootfs: &Rootfs, path: &str) -> Result<Vec<u8>> {
    const MOST: u64 = 4 << 20;
    let wanted = EntryPath::parse(path.as_bytes())?;
    let mut tree = storage::open(host.root(), rootfs)?;
    while let Some(entry) = tree.next_entry().map_err(anyhow::Error::from_boxed)? {
        if entry.path == wanted {
            let model::Kind::File { size: 1.. } = entry.kind else { return Ok(Vec::new()) };
            let mut content = Vec::new();
            tree.content().map_err(anyhow::Error::from_boxed)?.take(MOST).read_to_end(&mut content)?;
            return Ok(content);
        }
        if entry.path > wanted {
            break;
        }
    }
    Ok(Vec::new())
}

/// Binds and volumes of the record and the flags, with sources on this machine. What is not there is named and left out.
fn binds(record: &Value, args: &Args, host: &Host, notes: &mut Vec<String>) -> Vec<Mount> {
    let mut out = Vec::new();
    if args.container.is_some() {
        for mount in record["Mounts"].as_array().into_iter().flatten() {
            let text = |key: &str| mount[key].as_str().unwrap_or_default();
            let destination = PathBuf::from(text("Destination"));
            match evidence(host, mount, args) {
                Some(path) if path.exists() => out.push(Mount {
                    destination,
                    source: MountSource::BindOverlay { path },
                    read_only: !mount["RW"].as_bool().unwrap_or(true),
                    from: "Mounts".to_string(),
                }),
                _ => notes.push(format!(
                    "nothing is mounted on '{}': '{}' of the old host is not here (--host-root says where its / is)",
                    destination.display(),
                    text("Source")
                )),
            }
        }
    }
    for text in &args.volume {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, destination, options) = match parts[..] {
            [source, destination] => (source, destination, ""),
            [source, destination, options] => (source, destination, options),
            // An anonymous volume of a container that leaves nothing behind is a folder of its own files.
            _ => continue,
        };
        out.push(Mount {
            destination: PathBuf::from(destination),
            source: MountSource::Bind { path: PathBuf::from(source) },
            read_only: options.split(',').any(|option| option == "ro"),
            from: "--volume".to_string(),
        });
    }
    out
}

/// Where a mount's source lies in the evidence: below the data root for volumes, below `--host-root` for binds.
fn evidence(host: &Host, mount: &Value, args: &Args) -> Option<PathBuf> {
    let source = mount["Source"].as_str().filter(|source| source.starts_with('/'))?;
    let inside = host.stores().iter().find_map(|store| store.rebase(source.as_bytes()));
    match inside {
        Some(path) => Some(host.root().path().join(std::ffi::OsStr::from_bytes(path.as_bytes()))),
        None => args.root.host_root().map(|top| top.join(&source[1..])),
    }
}

/// `hosts`, `hostname` and `resolv.conf` as docker makes them.
fn etc_files(record: &Value, id: &str) -> Vec<(String, String)> {
    let hostname =
        record["Config"]["Hostname"].as_str().filter(|name| !name.is_empty()).unwrap_or(&id[..12]).to_string();
    let host = &record["HostConfig"];
    let strings = |key: &str| {
        host[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect::<Vec<_>>()
    };
    let mut hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n".to_string();
    for extra in strings("ExtraHosts") {
        if let Some((name, address)) = extra.split_once(':').or_else(|| extra.split_once('=')) {
            hosts.push_str(&format!("{address}\t{name}\n"));
        }
    }
    vec![
        ("hosts".into(), hosts),
        ("hostname".into(), format!("{hostname}\n")),
        ("resolv.conf".into(), resolv_conf(&strings)),
    ]
}

/// The host's own, but for what the record says; a server on loopback answers nobody inside.
fn resolv_conf(strings: &dyn Fn(&str) -> Vec<String>) -> String {
    let own = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let (servers, search, options) = (strings("Dns"), strings("DnsSearch"), strings("DnsOptions"));
    let mut out = String::new();
    let keep = |line: &&str| match line.split_whitespace().next() {
        Some("nameserver") => servers.is_empty() && !line.contains(" 127.") && !line.contains(" ::1"),
        Some("search" | "domain") => search.is_empty(),
        Some("options") => options.is_empty(),
        _ => false,
    };
    for line in own.lines().filter(keep) {
        out.push_str(line);
        out.push('\n');
    }
    for server in &servers {
        out.push_str(&format!("nameserver {server}\n"));
    }
    if !search.is_empty() && search != ["."] {
        out.push_str(&format!("search {}\n", search.join(" ")));
    }
    if !options.is_empty() {
        out.push_str(&format!("options {}\n", options.join(" ")));
    }
    out
}

fn etc_mounts(files: &[(String, String)], runtime: &Path) -> Vec<Mount> {
    let mount = |name: &str| Mount {
        destination: Path::new("/etc").join(name),
        source: MountSource::Bind { path: runtime.join(name) },
        read_only: false,
        from: "docker's default".to_string(),
    };
    files.iter().map(|(name, _)| mount(name)).collect()
}

fn network(record: &Value, notes: &mut Vec<String>) -> Result<Namespace> {
    match record["HostConfig"]["NetworkMode"].as_str().unwrap_or("none") {
        "host" => Ok(Namespace::Host),
        "none" => Ok(Namespace::New),
        other => match other.strip_prefix("container:") {
            Some(pid) if pid.parse::<u32>().is_ok() => Ok(Namespace::Of(PathBuf::from(format!("/proc/{pid}/ns/net")))),
            _ => {
                notes.push(format!("the network '{other}' is not connected: the container has loopback only"));
                Ok(Namespace::New)
            }
        },
    }
}

// The container itself ------------------------------------------------------------------------------------------------

/// 32 random bytes as 64 hex digits. Docker takes another where the first twelve digits are a number.
fn new_id() -> Result<String> {
    let mut bytes = [0u8; 32];
    let mut random = std::fs::File::open("/dev/urandom").context("cannot make an id")?;
    loop {
        random.read_exact(&mut bytes).context("cannot make an id")?;
        let id = model::Digest(bytes).hex();
        if id[..12].bytes().any(|b| b.is_ascii_alphabetic()) {
            return Ok(id);
        }
    }
}

/// `/run/dockless/<id>`, or below `$XDG_RUNTIME_DIR` for an ordinary user.
fn runtime_folder(id: &str) -> PathBuf {
    let top = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(own) if !rustix::process::geteuid().is_root() => PathBuf::from(own),
        _ => PathBuf::from("/run"),
    };
    top.join("dockless").join(id)
}
