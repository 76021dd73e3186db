//! `net check`: what stands or may stand between containers and the network here, and what to do about it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::IpAddr;

use cli::Outcome;
use cli::table::Table;
use wire::Family;
use wire::change::{foreign_bridges, guard, ip_tables_that_drop};
use wire::live::{Live, sysctl};
use wire::netlink::Socket;
use wire::state::{State, Store, Undo};
use wire::survey;

use crate::args::CheckArgs;

/// What was looked at, and what was seen.
struct Check {
    topic: &'static str,
    seen: String,
    /// What to do; empty where all is well.
    advice: String,
}

/// Looks and tells: exit 0 where all is well, 1 where something is to be done.
pub fn run(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let live = Live::read(&Socket::route()?, &Socket::netfilter()?)?;
    let state = Store::peek(&args.state.state_dir)?.unwrap_or_default();
    let checks = [
        forwarding(),
        policies(&live, &state),
        guards(&live, &state),
        engines(),
        bridges(&live, &state),
        names(&live),
        ours(&live, &state),
    ];
    let checks: Vec<Check> = checks.into_iter().flatten().collect();
    let mut table = Table::new(["TOPIC", "SEEN", "TO DO"]);
    let open = checks.iter().filter(|check| !check.advice.is_empty()).count();
    for check in checks {
        table.row([check.topic.to_owned(), check.seen, check.advice]);
    }
    let mut stdout = cli::stdout();
    stdout.write_all(table.text().as_bytes())?;
    stdout.flush()?;
    Ok(if open == 0 { Outcome::done() } else { Outcome::done().with_status(1) })
}

fn check(topic: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Check {
    Check { topic, seen: seen.into(), advice: advice.into() }
}

fn forwarding() -> Vec<Check> {
    let value = |key: &str| sysctl(key).ok().flatten().unwrap_or_else(|| "?".to_owned());
    let seen = format!("net.ipv4.ip_forward={}", value("net/ipv4/ip_forward"));
    let mut checks = vec![check("forwarding", seen, "")];
    let strict = value("net/ipv4/conf/all/rp_filter");
    if strict == "1" {
        let advice = "where packets come and go by different interfaces: sysctl net.ipv4.conf.all.rp_filter=2";
        checks.push(check("forwarding", "net.ipv4.conf.all.rp_filter=1 (strict)", advice));
    }
    checks
}

fn policies(live: &Live, state: &State) -> Vec<Check> {
    let handled = |program: &String| {
        state.undo.iter().any(|undo| matches!(undo, Undo::Iptables { program: p, .. } if p == program))
    };
    let dropping = ip_tables_that_drop(live);
    let mut checks: Vec<_> = dropping
        .iter()
        .map(|program| {
            let seen = format!("{program}: policy of FORWARD is DROP");
            let advice = if handled(program) || state.configs.containers.is_empty() {
                ""
            } else {
                "run net up again: rules for our bridges are missing there"
            };
            check("policy", seen, advice)
        })
        .collect();
    let others = live.chains.iter().filter(|chain| chain.hook == 2 && chain.drops && chain.table != "filter");
    checks.extend(others.map(|chain| {
        let seen = format!("table {}, chain {} drops what it does not know", chain.table, chain.name);
        check("policy", seen, "accept packets from and to the bridges there; no other table can")
    }));
    if checks.is_empty() {
        checks.push(check("policy", "no table drops forwarded packets by default", ""));
    }
    checks
}

fn guards(live: &Live, state: &State) -> Vec<Check> {
    let mut checks = firewalld(live, state);
    let saved = survey::saved(Family::V4);
    if saved.chains.keys().any(|(_, chain)| chain.starts_with("ufw-")) {
        checks.push(check("firewall", "ufw has rules; those of net up in FORWARD stay over its reloads", ""));
    }
    let legacy =
        fs::read_to_string("/proc/thread-self/net/ip_tables_names").is_ok_and(|names| !names.trim().is_empty());
    let nft = live.chains.iter().any(|chain| ["filter", "nat"].contains(&&*chain.table));
    if legacy && nft {
        let advice =
            "rules of both count, each on its own; move to one with iptables-legacy-save | iptables-nft-restore";
        checks.push(check("firewall", "both iptables-legacy and iptables-nft have tables", advice));
    }
    checks
}

/// Firewalld rejects what comes from bridges that are in none of its zones.
fn firewalld(live: &Live, state: &State) -> Vec<Check> {
    if survey::processes_here("firewalld").is_empty() {
        return Vec::new();
    }
    let zones = guard::zones(live, state);
    let said = |(name, zone): &(String, Option<String>)| match zone.as_deref() {
        None => check("firewall", format!("firewalld runs, and is not asked about {name}: it does not answer"), ""),
        Some("") => {
            let seen = format!("firewalld runs, {name} is in none of its zones: what comes from there is rejected");
            check("firewall", seen, "run net up again: it puts the bridge into the zone trusted")
        }
        Some(zone) => check("firewall", format!("firewalld runs, {name} is in its zone {zone}"), ""),
    };
    match zones.is_empty() {
        true => vec![check("firewall", "firewalld runs; net up puts its bridges into the zone trusted", "")],
        false => zones.iter().map(said).collect(),
    }
}

fn engines() -> Vec<Check> {
    let seen = |name: &str, what: &str| {
        let ids = survey::processes_here(name);
        (!ids.is_empty()).then(|| check("engine", format!("{what} runs (process {})", ids[0]), ""))
    };
    [seen("dockerd", "docker"), seen("podman", "podman"), seen("libvirtd", "libvirt")].into_iter().flatten().collect()
}

fn bridges(live: &Live, state: &State) -> Vec<Check> {
    let ours: BTreeSet<&str> = state
        .undo
        .iter()
        .filter_map(|undo| match undo {
            Undo::Link { name, .. } => Some(&**name),
            _ => None,
        })
        .collect();
    foreign_bridges(live, &ours)
        .into_iter()
        .map(|name| {
            let addresses: Vec<_> =
                live.link(name).into_iter().flat_map(|link| live.of(link.index)).map(|a| a.to_string()).collect();
            check("bridge", format!("{name} {} is another's", addresses.join(" ")), "")
        })
        .collect()
}

/// Name servers in a network that a bridge has taken can no longer be reached.
fn names(live: &Live) -> Vec<Check> {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver ")?.trim().parse::<IpAddr>().ok());
    let bridges = || live.links.iter().filter(|link| link.kind == "bridge");
    servers
        .filter_map(|server| {
            let of = |index: u32| live.of(index).find(|subnet| subnet.contains(server) && subnet.address != server);
            let (link, subnet) = bridges().find_map(|link| Some((link, of(link.index)?)))?;
            let seen = format!("name server {server} is in {subnet}, the network of bridge '{}'", link.name);
            Some(check("names", seen, "give the bridge another network: --bip"))
        })
        .collect()
}

fn ours(live: &Live, state: &State) -> Vec<Check> {
    if state.configs.containers.is_empty() && state.undo.is_empty() {
        let stray = if live.own.is_empty() {
            ""
        } else {
            "table dockless is there, and nothing is up: nft delete table ip dockless"
        };
        return vec![check("ours", "nothing is up", stray)];
    }
    let mut checks = vec![check(
        "ours",
        match state.configs.containers.len() {
            1 => "1 container is up".to_owned(),
            count => format!("{count} containers are up"),
        },
        if state.complete { "" } else { "the last net up did not end: run it again, or net down" },
    )];
    if live.own.is_empty() {
        checks.push(check("ours", "table dockless has gone", "somebody flushed the rules: run net up again"));
    }
    let missing = state.undo.iter().filter_map(|undo| match undo {
        Undo::Link { name, .. } if live.link(name).is_none() => Some(name),
        _ => None,
    });
    checks.extend(
        missing.map(|name| check("ours", format!("interface {name} has gone"), "its container ended: net down NAME")),
    );
    checks
}
