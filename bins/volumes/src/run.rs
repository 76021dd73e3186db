//! The work: which volumes, in which form (docker/cli v28, cli/command/formatter/volume.go for its rows).

use std::collections::HashSet;

use anyhow::Context;
use cli::format::Column;
use cli::{Filters, Findings, Format, Outcome, Row, Rows};
use host::Host;
use model::{Store, Timestamp, Volume};

use crate::args::Args;

const USUAL: &str = "{{.Driver}}\t{{.Name}}";

const HEADERS: &[Column] = &[
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Status", "STATUS"),
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Store", "STORE"),
    ("Created", "CREATED"),
    ("Data", "DATA"),
    ("Options", "OPTIONS"),
];

/// Lists the volumes.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let filters = args.filter.read(&["dangling", "driver", "label", "name"])?;
    let mut host = Host::open(&args.root.path())?;
    let store = if host.stores().len() > 1 { "\t{{.Store}}" } else { "" };
    let format =
        Format::parse(if args.quiet { Some("{{.Name}}") } else { args.format.as_deref() }, &format!("{USUAL}{store}"))?;
    let mut findings = Findings::from(host.take_findings());
    let volumes = findings.take(host.volumes());
    let dangling = dangling(&filters, &host, &mut findings)?;
    let shown = volumes
        .iter()
        .filter(|volume| takes(&filters, volume) && dangling.as_ref().is_none_or(|wanted| wanted.fits(volume)));
    Rows { kind: "*formatter.volumeContext", headers: HEADERS, format: &format }
        .print(&mut cli::stdout(), shown.map(|volume| row(volume, host.store(volume.store))))
        .context("cannot list volumes")?;
    Ok(findings.into())
}

fn takes(filters: &Filters, volume: &Volume) -> bool {
    // Docker looks for part of a volume's name, not for a pattern (moby v28 volume/service/by.go).
    filters.any("name", |value| volume.name.contains(value))
        && filters.any("driver", |value| volume.driver == value)
        && filters.labels(&volume.labels)
}

/// Whether volumes that no container has are wanted, or only those that one has.
struct Dangling {
    wanted: bool,
    used: HashSet<(usize, String)>,
}

impl Dangling {
    fn fits(&self, volume: &Volume) -> bool {
        self.used.contains(&(volume.store, volume.name.clone())) != self.wanted
    }
}

fn dangling(filters: &Filters, host: &Host, findings: &mut Findings) -> anyhow::Result<Option<Dangling>> {
    let Some(wanted) = filters.flag("dangling")? else { return Ok(None) };
    let containers = findings.take(host.containers());
    let used = containers
        .iter()
        .flat_map(|container| container.mounts.iter().map(|mount| (container.store, mount.name.clone())));
    Ok(Some(Dangling { wanted, used: used.collect() }))
}

fn row(volume: &Volume, store: &Store) -> Row {
    Row::new([
        ("Name", volume.name.as_str().into()),
        ("Driver", volume.driver.as_str().into()),
        ("Scope", "local".into()),
        ("Mountpoint", volume.mountpoint.as_str().into()),
        ("Labels", joined(&volume.labels).into()),
        ("Links", "N/A".into()),
        ("Size", "N/A".into()),
        ("Status", "N/A".into()),
        ("Availability", "N/A".into()),
        ("Group", "N/A".into()),
        ("Store", store.to_string().into()),
        ("Created", volume.created.map(Timestamp::rfc3339).into()),
        ("Data", volume.data.as_ref().map(ToString::to_string).into()),
        ("Options", joined(&volume.options).into()),
    ])
    .labelled(&volume.labels)
}

fn joined(pairs: &[(String, String)]) -> String {
    let mut pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    pairs.join(",")
}
