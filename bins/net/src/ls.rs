//! `net ls`: what is there, ours and others'.

use std::collections::BTreeSet;
use std::io::Write;

use cli::Outcome;
use cli::table::Table;
use serde_json::json;
use wire::Prefix;
use wire::config::{Container, Endpoint};
use wire::live::Live;
use wire::netlink::Socket;
use wire::netlink::link::Link;
use wire::render::rows::mac;
use wire::state::{State, Store, Undo};
use wire::survey;

use crate::args::{LsArgs, LsFormat};

/// One interface.
struct Row {
    name: String,
    kind: &'static str,
    owner: String,
    addresses: String,
    mac: String,
    detail: String,
}

/// Lists bridges and what is on them.
pub fn run(args: &LsArgs) -> anyhow::Result<Outcome> {
    let live = Live::read(&Socket::route()?, &Socket::netfilter()?)?;
    let state = Store::peek(&args.state.state_dir)?.unwrap_or_default();
    let rows = rows(&live, &state);
    let mut stdout = cli::stdout();
    match args.format {
        LsFormat::Table => {
            let mut table = Table::new(["INTERFACE", "KIND", "OWNER", "ADDRESS", "MAC ADDRESS", "DETAIL"]);
            for row in rows {
                table.row([row.name, row.kind.into(), row.owner, row.addresses, row.mac, row.detail]);
            }
            stdout.write_all(table.text().as_bytes())?;
        }
        LsFormat::Json => {
            for row in rows {
                let value = json!({
                    "Interface": row.name, "Kind": row.kind, "Owner": row.owner,
                    "Address": row.addresses, "MacAddress": row.mac, "Detail": row.detail,
                });
                writeln!(stdout, "{}", cli::json::line(&value))?;
            }
        }
    }
    stdout.flush()?;
    Ok(Outcome::done())
}

fn rows(live: &Live, state: &State) -> Vec<Row> {
    let masquerades = masquerades();
    let mut rows = Vec::new();
    for bridge in live.links.iter().filter(|link| link.kind == "bridge") {
        rows.push(of_bridge(bridge, live, state, &masquerades));
        let ports = live.links.iter().filter(|link| link.master == Some(bridge.index));
        rows.extend(ports.map(|port| of_port(port, bridge, live, state)));
    }
    rows.extend(state.undo.iter().filter_map(|undo| of_lying(undo, state)));
    rows
}

/// One that lies on an interface of the host, in a container's namespace.
fn of_lying(undo: &Undo, state: &State) -> Option<Row> {
    let Undo::Lying { namespace, name, kind, .. } = undo else { return None };
    let is_there =
        |container: &&Container| wire::interface::namespace_path(container.pid, &container.sandbox) == *namespace;
    let container = state.configs.containers.iter().find(is_there)?;
    let network = |end: &Endpoint| state.configs.networks.iter().find(|network| network.name == end.network);
    let lies = |end: &&Endpoint| network(end).is_some_and(|network| network.driver == *kind);
    let end = container.endpoints.iter().find(lies)?;
    let addresses: Vec<_> = [end.address, end.address_v6].into_iter().flatten().map(|a| a.to_string()).collect();
    Some(Row {
        name: name.clone(),
        kind: if kind == "macvlan" { "macvlan" } else { "ipvlan" },
        owner: format!("container {}", container.title()),
        addresses: addresses.join(", "),
        mac: end.mac.map(mac).unwrap_or_default(),
        detail: format!("on {}", network(end)?.parent.as_deref().unwrap_or("a dummy")),
    })
}

fn of_bridge(bridge: &Link, live: &Live, state: &State, masquerades: &[String]) -> Row {
    let subnets: Vec<Prefix> = live.of(bridge.index).collect();
    let named = |line: &&String| line.split([' ', '"']).any(|word| word == bridge.name);
    let within = |line: &&String| subnets.iter().any(|subnet| is_from(line, subnet));
    let found = masquerades.iter().find(|line| named(line) || within(line));
    let up = if bridge.up { "" } else { "off, " };
    Row {
        name: bridge.name.clone(),
        kind: "bridge",
        owner: if is_ours(state, bridge) { "dockless".into() } else { owner(&bridge.name).into() },
        addresses: subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        mac: bridge.mac.map(mac).unwrap_or_default(),
        detail: format!(
            "{up}{}",
            found.map_or("no masquerade".to_owned(), |line| format!("masquerade: {}", line.trim()))
        ),
    }
}

fn of_port(port: &Link, bridge: &Link, live: &Live, state: &State) -> Row {
    let container = state.configs.containers.iter().find_map(|container| {
        let of = |end: &&wire::config::Endpoint| wire::veth_name(&container.id, &end.network) == port.name;
        Some((container, container.endpoints.iter().find(of)?))
    });
    let heard = live.neighbours.iter().filter(|n| n.by == bridge.index);
    let heard: BTreeSet<String> = heard.map(|n| n.address.to_string()).collect();
    match container {
        Some((container, end)) => {
            let addresses: Vec<_> =
                [end.address, end.address_v6].into_iter().flatten().map(|a| a.to_string()).collect();
            let ports = container.published.iter().filter_map(|publish| {
                let host = std::net::SocketAddr::new(publish.host_ip?, publish.host_port);
                Some(format!("{host}->{}/{}", publish.port, publish.protocol.word()))
            });
            Row {
                name: port.name.clone(),
                kind: "veth",
                owner: format!("container {}", container.title()),
                addresses: addresses.join(", "),
                mac: end.mac.map(mac).unwrap_or_default(),
                detail: ports.collect::<Vec<_>>().join(", "),
            }
        }
        None => Row {
            name: port.name.clone(),
            kind: "port",
            owner: owner(&bridge.name).into(),
            addresses: String::new(),
            mac: String::new(),
            detail: format!("on {}; {} addresses heard there", bridge.name, heard.len()),
        },
    }
}

fn is_ours(state: &State, link: &Link) -> bool {
    let ours = |undo: &Undo| matches!(undo, Undo::Link { name, mac } if *name == link.name && Some(*mac) == link.mac);
    state.undo.iter().any(ours)
}

/// Whose a bridge is, by the names that engines give.
fn owner(name: &str) -> &'static str {
    let docker = |name: &str| {
        name.strip_prefix("br-").is_some_and(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    match name {
        "docker0" | "docker_gwbridge" => "docker",
        _ if docker(name) => "docker",
        _ if name.starts_with("lxcbr") => "lxc",
        _ if name.starts_with("lxdbr") || name.starts_with("incusbr") => "lxd",
        _ if name.starts_with("virbr") => "libvirt",
        _ if name.starts_with("podman") || name.starts_with("cni-podman") => "podman",
        _ if name.starts_with("cni") => "cni",
        _ => "?",
    }
}

/// Rules by which packets get the host's address: that do it, or lead packets of an address to a chain that does.
fn masquerades() -> Vec<String> {
    let mut all = Vec::new();
    for saved in [wire::Family::V4, wire::Family::V6].map(survey::saved) {
        let rules: Vec<&str> = saved.rules.iter().map(|(_, rule)| &**rule).collect();
        let does = |rule: &str| rule.ends_with("-j MASQUERADE") || rule.contains("-j SNAT");
        let chains: BTreeSet<&str> =
            rules.iter().filter(|rule| does(rule)).filter_map(|rule| rule.split(' ').nth(1)).collect();
        let leads = |rule: &str| rule.rsplit_once("-j ").is_some_and(|(_, target)| chains.contains(target));
        all.extend(rules.iter().filter(|rule| does(rule) || leads(rule)).map(|rule| rule.to_string()));
    }
    let ruleset = survey::ruleset();
    let mut chain = "";
    let mut chains = BTreeSet::new();
    for line in ruleset.lines().map(str::trim) {
        chain = line.strip_prefix("chain ").and_then(|rest| rest.split(' ').next()).unwrap_or(chain);
        if line.contains("masquerade") {
            chains.insert(chain);
        }
    }
    let leads = |line: &str| line.rsplit_once("jump ").is_some_and(|(_, target)| chains.contains(target));
    let lines = ruleset.lines().map(str::trim).filter(|line| line.contains("masquerade") || leads(line));
    all.extend(lines.map(str::to_owned));
    all
}

/// Whether a rule is for packets from a network: not for those from a container to itself.
fn is_from(rule: &str, subnet: &Prefix) -> bool {
    let after = |names: [&str; 2]| {
        let mut words = rule.split(' ');
        words.find(|word| names.contains(word))?;
        Prefix::parse(words.next()?)
    };
    let (source, destination) = (after(["-s", "saddr"]), after(["-d", "daddr"]));
    source.is_some_and(|source| subnet.contains(source.address) && (source.size() > 1 || Some(source) != destination))
}
