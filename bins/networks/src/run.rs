//! The work: which networks, in which form (docker/cli v28, cli/command/network/formatter.go for its rows).

use std::collections::HashSet;

use anyhow::Context;
use cli::format::Column;
use cli::wrong_usage;
use cli::{Filters, Findings, Format, Outcome, Row, Rows};
use host::Host;
use model::{Network, Store, Timestamp};

use crate::args::Args;

const USUAL: &str = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";

const HEADERS: &[Column] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
    ("Store", "STORE"),
    ("Created", "CREATED"),
    ("Record", "RECORD"),
];

/// Lists the networks.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let filters = args.filter.read(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
    if let Some(value) = filters.values("type").find(|value| !["builtin", "custom"].contains(value)) {
        wrong_usage!("invalid filter 'type={}': builtin or custom is expected", model::path::shown(value.as_bytes()));
    }
    let mut host = Host::open(&args.root.path())?;
    let store = if host.stores().len() > 1 { "\t{{.Store}}" } else { "" };
    let format =
        Format::parse(if args.quiet { Some("{{.ID}}") } else { args.format.as_deref() }, &format!("{USUAL}{store}"))?;
    // JSON is for programs, and other commands take the whole id.
    let trunc = !args.no_trunc && !matches!(format, Format::Json);
    let mut findings = Findings::from(host.take_findings());
    let networks = findings.take(host.networks());
    let used = used(&filters, &host, &mut findings)?;
    let shown = networks
        .iter()
        .filter(|network| takes(&filters, network) && used.as_ref().is_none_or(|used| used.fits(network)));
    Rows { kind: "*network.networkContext", headers: HEADERS, format: &format }
        .print(&mut cli::stdout(), shown.map(|network| row(network, host.store(network.store), trunc)))
        .context("cannot list networks")?;
    Ok(findings.into())
}

fn takes(filters: &Filters, network: &Network) -> bool {
    // Docker looks for part of a name or id, not for a pattern (moby v28 daemon/network/filter.go).
    filters.any("name", |value| network.name.contains(value))
        && filters.any("id", |value| network.id.as_str().contains(value))
        && filters.any("driver", |value| network.driver == value)
        && filters.any("scope", |value| network.scope == value)
        && filters.any("type", |value| (value == "builtin") == is_builtin(network))
        && filters.labels(&network.labels)
}

fn is_builtin(network: &Network) -> bool {
    ["bridge", "default", "host", "none"].contains(&network.name.as_str())
}

/// Whether networks that no container is on are wanted, or only those that one is on.
struct Used {
    dangling: bool,
    names: HashSet<(usize, String)>,
}

impl Used {
    fn fits(&self, network: &Network) -> bool {
        let is_used = is_builtin(network) || self.names.contains(&(network.store, network.name.clone()));
        is_used != self.dangling
    }
}

fn used(filters: &Filters, host: &Host, findings: &mut Findings) -> anyhow::Result<Option<Used>> {
    let Some(dangling) = filters.flag("dangling")? else { return Ok(None) };
    let containers = findings.take(host.containers());
    let names =
        containers.iter().flat_map(|container| container.networks.iter().map(|name| (container.store, name.clone())));
    Ok(Some(Used { dangling, names: names.collect() }))
}

fn row(network: &Network, store: &Store, trunc: bool) -> Row {
    let mut labels: Vec<String> = network.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.sort();
    Row::new([
        ("ID", if trunc { network.id.short() } else { network.id.as_str() }.into()),
        ("Name", network.name.as_str().into()),
        ("Driver", network.driver.as_str().into()),
        ("Scope", network.scope.as_str().into()),
        ("IPv4", "true".into()),
        ("IPv6", network.ipv6.to_string().into()),
        ("Internal", network.internal.to_string().into()),
        ("Labels", labels.join(",").into()),
        ("CreatedAt", network.created.map(created_at).unwrap_or_default().into()),
        ("Store", store.to_string().into()),
        ("Created", network.created.map(Timestamp::rfc3339).into()),
        ("Record", network.record.to_string().into()),
    ])
    .labelled(&network.labels)
}

/// Docker shows the fraction of a second of a network, and of nothing else.
fn created_at(time: Timestamp) -> String {
    let text = time.rfc3339();
    format!("{} +0000 UTC", text.trim_end_matches('Z').replacen('T', " ", 1))
}
