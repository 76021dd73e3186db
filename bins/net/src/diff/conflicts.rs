//! Ports that two lead to different places, and guards that close what is published.

use model::Protocol;
use wire::change::guard;
use wire::live::Live;
use wire::state::State;
use wire::survey::{self, Saved};
use wire::{Plan, Port};

/// Where a rule of iptables' leads a port.
struct Led<'a> {
    protocol: &'a str,
    port: &'a str,
    to: &'a str,
    chain: &'a str,
}

/// What is published twice, by others' rules or by a proxy without a container, and firewalls that know nothing of it.
pub fn found(records: &Plan, live: &Live, state: &State, saved: &[Saved; 2]) -> Vec<String> {
    let led: Vec<Led> = saved.iter().flat_map(|saved| &saved.rules).filter_map(|(_, rule)| led(rule)).collect();
    let mut lines = Vec::new();
    for port in &records.ports {
        // What docker leads elsewhere is a stale rule.
        let others = led.iter().filter(|led| led.chain != "DOCKER" && is(led, port.protocol, port.host_port));
        lines.extend(others.map(|led| said(led, port.host_port, port.protocol, &port.container)));
    }
    for container in &state.configs.containers {
        for publish in &container.published {
            let others = led.iter().filter(|led| is(led, publish.protocol, publish.host_port));
            lines.extend(others.map(|led| said(led, publish.host_port, publish.protocol, container.title())));
        }
    }
    lines.extend(proxies(&records.ports));
    lines.extend(guards(live, state));
    lines.sort();
    lines.dedup();
    lines
}

fn led(rule: &str) -> Option<Led<'_>> {
    let words: Vec<&str> = rule.split(' ').collect();
    let after = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
    Some(Led {
        protocol: after("-p")?,
        port: after("--dport").or(after("--dports"))?,
        to: after("--to-destination")?,
        chain: after("-A")?,
    })
}

fn is(led: &Led, protocol: Protocol, port: u16) -> bool {
    led.protocol == protocol.word() && led.port == port.to_string()
}

fn said(led: &Led, port: u16, protocol: Protocol, container: &str) -> String {
    let by = match led.chain {
        "DOCKER" => "docker",
        chain if chain.starts_with("CNI-") => "podman (CNI)",
        chain if chain.starts_with("NETAVARK") => "podman (netavark)",
        chain => chain,
    };
    let what = format!("port {port}/{} of container '{container}'", protocol.word());
    format!("conflict: {what} is led to {} by {by}, chain {}", led.to, led.chain)
}

/// Docker's proxies for ports that no record publishes.
fn proxies(ports: &[Port]) -> Vec<String> {
    let mut lines = Vec::new();
    for process in survey::processes_here("docker-proxy") {
        let words: Vec<String> = survey::arguments(process);
        let after = |name: &str| {
            words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).map(String::as_str)
        };
        let (Some(protocol), Some(port)) = (after("-proto"), after("-host-port")) else { continue };
        let known = ports.iter().any(|known| known.protocol.word() == protocol && known.host_port.to_string() == port);
        if !known {
            let host = after("-host-ip").unwrap_or("?");
            let to = format!("{}:{}", after("-container-ip").unwrap_or("?"), after("-container-port").unwrap_or("?"));
            let who = format!("docker-proxy, process {process}");
            lines
                .push(format!("stale: port {port}/{protocol} of {host} is open for {to} ({who}): nobody publishes it"));
        }
    }
    lines
}

/// A firewalld that runs here and rejects what comes from bridges of ours that it is not told of.
fn guards(live: &Live, state: &State) -> Vec<String> {
    let zones = guard::zones(live, state).into_iter().filter(|(_, zone)| zone.as_deref() == Some(""));
    let said = |name| format!("conflict: firewalld rejects what comes from {name}, which is in none of its zones");
    zones.map(|(name, _)| said(name) + ": run net up again").collect()
}
