//! Where configs come from: a data root, a container's directory, or inspect JSON.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cli::{Findings, RootArg, WithHint};
use host::Host;
use wire::config::Configs;
use wire::{Daemon, Selection};

use crate::args::{DaemonArgs, InputArgs};

/// More than the records of any host's containers.
const LIMIT: u64 = 256 << 20;
/// More than any `daemon.json`.
const DAEMON_LIMIT: u64 = 1 << 20;

/// What was read, and which of it is meant.
pub struct Input {
    pub configs: Configs,
    pub selection: Selection,
}

/// Reads what the command line names.
pub fn read(args: &InputArgs, root: &RootArg, findings: &mut Findings) -> anyhow::Result<Input> {
    let mut configs = Configs::default();
    let mut names = Vec::new();
    let mut texts = 0;
    for name in &args.names {
        let path = Path::new(name);
        if name == "-" {
            configs.extend(parse(&read_all(io::stdin().lock(), "stdin")?, "stdin", findings)?);
            texts += 1;
        } else if let Some((home, id)) = container_directory(path) {
            configs.extend(of_root(&home, findings)?);
            names.push(id);
        } else if path.is_dir() {
            configs.extend(of_root(path, findings)?);
            texts += 1;
        } else if path.is_file() {
            let file = fs::File::open(path).with_context(|| format!("cannot open '{name}'"))?;
            configs.extend(parse(&read_all(file, name)?, name, findings)?);
            texts += 1;
        } else {
            names.push(name.clone());
        }
    }
    if configs == Configs::default() && texts == 0 {
        configs = of_root(&root.path(), findings)?;
    }
    if let Some(name) = names.iter().find(|name| configs.container(name).is_none()) {
        bail!("No such container: {name}");
    }
    let selection = match (names.is_empty(), args.stopped) {
        (false, _) => Selection::Named(names),
        (true, true) => Selection::All,
        (true, false) => Selection::Live,
    };
    let stopped = configs.containers.iter().filter(|container| !container.running).count();
    if selection == Selection::Live && texts > 0 && stopped > 0 && stopped == configs.containers.len() {
        cli::note("no container of the input runs, so none has rules; --stopped takes them as if they were started");
    }
    Ok(Input { configs, selection })
}

/// What the daemon was told: flags first, then its configuration file.
pub fn daemon(args: &DaemonArgs, root: &RootArg, findings: &mut Findings) -> anyhow::Result<Daemon> {
    let text = match (&args.config_file, root.host_root()) {
        (Some(path), _) => Some(fs::read(path).with_context(|| format!("cannot read '{}'", path.display()))?),
        (None, Some(host)) => of_host(host),
        (None, None) => None,
    };
    let recorded = text.map(|text| findings.take(Daemon::parse(&text))).unwrap_or_default();
    Ok(args.daemon().or(recorded))
}

/// The studied host's own `daemon.json`; `None` where it has none.
fn of_host(host: &Path) -> Option<Vec<u8>> {
    let root = hostfs::Root::open(host).ok()?;
    root.read(&"etc/docker/daemon.json".into(), DAEMON_LIMIT).ok()
}

/// The root and the id, where a path is a container's directory in a root.
fn container_directory(path: &Path) -> Option<(PathBuf, String)> {
    let path = path.canonicalize().ok().filter(|path| path.is_dir())?;
    ["config.v2.json", "config.json"].iter().find(|name| path.join(name).is_file())?;
    let id = path.file_name()?.to_str()?.to_owned();
    Some((path.parent()?.parent()?.to_owned(), id))
}

fn of_root(path: &Path, findings: &mut Findings) -> anyhow::Result<Configs> {
    let mut host = Host::open(path).hint("give inspect JSON on stdin with -, or another --root")?;
    findings.extend(host.take_findings());
    let mut configs = Configs::default();
    for container in findings.take(host.containers()) {
        let value = findings.take(layout::inspect_container(host.root(), host.stores(), &container));
        configs.extend(findings.take(wire::inspect::read(&value)));
    }
    for network in findings.take(host.networks()) {
        let value = findings.take(layout::inspect_network(host.root(), host.stores(), &network));
        configs.extend(findings.take(wire::inspect::read(&value)));
    }
    Ok(configs)
}

fn parse(text: &[u8], name: &str, findings: &mut Findings) -> anyhow::Result<Configs> {
    let parsed = wire::inspect::parse(text).with_context(|| format!("'{name}' is no inspect JSON"))?;
    Ok(findings.take(parsed))
}

fn read_all(from: impl Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(LIMIT + 1).read_to_end(&mut text).with_context(|| format!("cannot read '{name}'"))?;
    if text.len() as u64 > LIMIT {
        bail!("'{name}' has more than {LIMIT} bytes");
    }
    Ok(text)
}
