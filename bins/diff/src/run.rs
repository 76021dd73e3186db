//! Compares the container's own layer with those below it.

use std::io::Write;

use anyhow::Context;
use cli::{Findings, Outcome};
use host::Host;
use model::{Container, Generation, Store, path::shown};
use serde_json::json;
use storage::{Difference, Happened, Rules};

use crate::args::{Args, Format};

/// Finds the container, compares, and prints a line for each difference, by path.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut host = Host::open_with(&args.root.path(), args.root.host_root())?;
    let mut findings = Findings::from(host.take_findings());
    let container = findings.take(host.container(&args.container)?);
    let subject = || format!("cannot compare container '{}'", shown(args.container.as_bytes()));
    let rootfs = findings.take(host.rootfs(&container).with_context(subject)?);
    let rules = rules(&host, &container);
    let mut differences = findings.take(storage::diff(host.root(), &rootfs, rules).with_context(subject)?);
    if host.store(container.store).generation == Generation::ContainersStorage {
        differences.retain(|difference| !PODMANS_OWN.contains(&difference.path.as_bytes()));
    }
    print(&differences, args.format)?;
    Ok(Outcome::done().and_findings(findings))
}

/// What podman itself puts into every container, and leaves out of its answer (podman libpod/diff.go `initInodes`,
/// v5.8.2).
const PODMANS_OWN: [&[u8]; 12] = [
    b"dev",
    b"etc/hostname",
    b"etc/hosts",
    b"etc/mtab",
    b"etc/resolv.conf",
    b"proc",
    b"run",
    b"run/.containerenv",
    b"run/notify",
    b"run/podman-init",
    b"run/secrets",
    b"sys",
];

/// Rules changed with docker 1.3 and 1.6. Records do not name the version, but both brought new keys: `AppArmorProfile`
/// and `LogPath` (moby v1.3.0 and v1.6.0 daemon/container.go).
fn rules(host: &Host, container: &Container) -> Rules {
    let store = host.store(container.store);
    match store.generation {
        Generation::DockerFirst => return Rules::Before1_3,
        Generation::DockerGraph => {}
        Generation::ContainersStorage => return podmans_rules(host, store),
        _ => return Rules::Today,
    }
    let raw = host.root().read(&container.record, RECORD_LIMIT).unwrap_or_default();
    let has = |key: &[u8]| raw.windows(key.len()).any(|part| part == key);
    match (has(b"\"AppArmorProfile\""), has(b"\"LogPath\"")) {
        (false, false) => Rules::Before1_3,
        (true, false) => Rules::Before1_6,
        (_, true) => Rules::Today,
    }
}

/// Podman compares trees where a program mounts for it, and asks the layer where the kernel does (containers/storage v1.57
/// drivers/overlay/overlay.go: `useNaiveDiff`, `.has-mount-program`).
fn podmans_rules(host: &Host, store: &Store) -> Rules {
    let mark = store.home.join("overlay/.has-mount-program");
    let is_true = host.root().read(&mark, 16).is_ok_and(|said| said.starts_with(b"true"));
    if is_true { Rules::Podman } else { Rules::PodmanOverlay }
}

/// As in `layout`: no container's record is larger.
const RECORD_LIMIT: u64 = 16 << 20;

fn print(differences: &[Difference], format: Format) -> anyhow::Result<()> {
    let mut out = cli::output::stdout();
    for difference in differences {
        match format {
            Format::Table => writeln!(out, "{difference}")?,
            Format::Json => writeln!(out, "{}", cli::json::line(&row(difference)))?,
        }
    }
    out.flush()?;
    Ok(())
}

fn row(difference: &Difference) -> serde_json::Value {
    let kind = match difference.happened {
        Happened::Added => "A",
        Happened::Changed => "C",
        Happened::Deleted => "D",
    };
    let path = format!("/{}", shown(difference.path.as_bytes()));
    json!({ "Kind": kind, "Path": path })
}
