//! The work: the published ports of one container (docker/cli v28, cli/command/container/port.go).

use std::io::Write;
use std::net::IpAddr;

use anyhow::bail;
use cli::{Era, Findings, Outcome};
use host::Host;
use model::{Generation, PortBinding, Protocol};

use crate::args::Args;

/// Shows the ports.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let wanted = args.port.as_deref().map(parse).transpose()?;
    let mut host = Host::open(&args.root.path())?;
    let mut findings = Findings::from(host.take_findings());
    let container = findings.take(host.container(&args.container)?);
    // Podman says which ports a container publishes while it runs only (podman cmd/podman/containers/port.go, v5.8.2).
    let is_podman = host.store(container.store).generation == Generation::ContainersStorage;
    let ports = if is_podman && !container.state.status.is_live() { &[][..] } else { &container.ports[..] };
    let mut lines = lines(ports, wanted, args.era);
    lines.sort_by_key(|a| natural(a));
    lines.dedup();
    if let (Some((port, protocol)), true) = (wanted, lines.is_empty()) {
        bail!(
            "no public port '{port}/{}' published for {}",
            protocol.word(),
            model::path::shown(args.container.as_bytes())
        );
    }
    let mut out = cli::stdout();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()?;
    Ok(findings.into())
}

fn parse(text: &str) -> anyhow::Result<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match (port.parse(), Protocol::parse(protocol)) {
        (Ok(port), Some(protocol)) => Ok((port, protocol)),
        _ => cli::wrong_usage!(
            "invalid port '{}': PORT or PORT/PROTOCOL is expected",
            model::path::shown(text.as_bytes())
        ),
    }
}

fn lines(ports: &[PortBinding], wanted: Option<(u16, Protocol)>, era: Option<Era>) -> Vec<String> {
    let published = ports.iter().filter(|port| wanted.is_none_or(|wanted| wanted == (port.port, port.protocol)));
    published
        .filter_map(|port| Some((port, port.host?)))
        .map(|(port, host)| line(port, host, wanted.is_some(), era))
        .collect()
}

fn line(port: &PortBinding, (address, public): (Option<IpAddr>, u16), alone: bool, era: Option<Era>) -> String {
    let host = match (address, era) {
        // Docker 0.6 named no address.
        (_, Some(Era::V0_6_4)) => public.to_string(),
        (Some(IpAddr::V6(address)), _) => format!("[{address}]:{public}"),
        (Some(address), _) => format!("{address}:{public}"),
        (None, _) => format!("0.0.0.0:{public}"),
    };
    if alone { host } else { format!("{}/{} -> {host}", port.port, port.protocol.word()) }
}

/// Numbers in a line count as numbers, as docker sorts these lines (github.com/fvbommel/sortorder).
fn natural(line: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, after) = rest.split_at(digits);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        parts.push((text.to_string(), after[..end].parse().unwrap_or(0)));
        rest = &after[end..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stand_as_docker_shows_them() {
        let port = |address: Option<&str>, public, port, protocol| PortBinding {
            port,
            protocol,
            host: Some((address.map(|address| address.parse().unwrap()), public)),
        };
        let ports = [
            port(Some("0.0.0.0"), 8080, 80, Protocol::Tcp),
            port(Some("::"), 8080, 80, Protocol::Tcp),
            port(None, 53, 53, Protocol::Udp),
            PortBinding { port: 9, protocol: Protocol::Tcp, host: None },
        ];
        assert_eq!(
            lines(&ports, None, None),
            ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080", "53/udp -> 0.0.0.0:53"]
        );
        assert_eq!(lines(&ports, Some((53, Protocol::Udp)), Some(Era::V0_6_4)), ["53"]);
        assert!(natural("80/tcp -> x") < natural("443/tcp -> x"));
    }
}
