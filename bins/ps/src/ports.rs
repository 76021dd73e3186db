//! Ports as docker shows them (docker/cli v28, cli/command/formatter/container.go, DisplayablePorts).

use std::net::IpAddr;

use model::{PortBinding, Protocol};

/// A run of ports that are written as one.
struct Run {
    address: Option<String>,
    protocol: Protocol,
    first: u16,
    last: u16,
}

impl Run {
    fn text(&self) -> String {
        let range =
            if self.first == self.last { self.first.to_string() } else { format!("{}-{}", self.first, self.last) };
        let host = self.address.as_ref().map(|address| format!("{address}:{range}->")).unwrap_or_default();
        format!("{host}{range}/{}", self.protocol.word())
    }
}

/// Ports as one text: runs of ports that are the same outside and inside are written as one, others follow.
pub fn shown(ports: &[PortBinding]) -> String {
    let mut sorted: Vec<&PortBinding> = ports.iter().collect();
    sorted.sort_by_key(|port| (port.port, host_text(port), port.protocol));
    sorted.dedup();
    let (mut done, mut runs, mut mapped) = (Vec::new(), Vec::<Run>::new(), Vec::new());
    for port in sorted {
        let address = port.host.map(|(address, _)| bracketed(address));
        if let (Some(address), Some((_, public))) = (&address, port.host)
            && public != port.port
        {
            mapped.push(format!("{address}:{public}->{}/{}", port.port, port.protocol.word()));
            continue;
        }
        match runs.iter_mut().find(|run| run.address == address && run.protocol == port.protocol) {
            Some(run) if run.last.checked_add(1) == Some(port.port) => run.last = port.port,
            Some(run) => {
                done.push(run.text());
                (run.first, run.last) = (port.port, port.port);
            }
            None => runs.push(Run { address, protocol: port.protocol, first: port.port, last: port.port }),
        }
    }
    done.extend(runs.iter().map(Run::text));
    done.extend(mapped);
    done.join(", ")
}

fn host_text(port: &PortBinding) -> (String, u16) {
    port.host.map(|(address, public)| (plain(address), public)).unwrap_or_default()
}

// Docker before 1.0 wrote no address where it meant all of them.
fn plain(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "0.0.0.0".into(), |address| address.to_string())
}

fn bracketed(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        address => plain(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ports: &[(&str, u16, u16, Protocol)], text: &str) {
        let ports: Vec<PortBinding> = ports
            .iter()
            .map(|&(address, public, port, protocol)| PortBinding {
                port,
                protocol,
                host: (public > 0).then(|| (address.parse().ok(), public)),
            })
            .collect();
        assert_eq!(shown(&ports), text);
    }

    #[test]
    fn runs_are_written_as_one() {
        use Protocol::{Tcp, Udp};
        check(&[], "");
        check(&[("", 0, 80, Tcp)], "80/tcp");
        check(&[("0.0.0.0", 8080, 80, Tcp), ("::", 8080, 80, Tcp)], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
        check(
            &[("", 0, 1001, Tcp), ("", 0, 1000, Tcp), ("", 0, 1003, Tcp), ("", 0, 1001, Udp)],
            "1000-1001/tcp, 1003/tcp, 1001/udp",
        );
        check(
            &[("1.2.3.4", 80, 80, Tcp), ("1.2.3.4", 81, 81, Tcp), ("1.2.3.4", 9000, 82, Tcp)],
            "1.2.3.4:80-81->80-81/tcp, 1.2.3.4:9000->82/tcp",
        );
        check(&[("", 49153, 6379, Tcp)], "0.0.0.0:49153->6379/tcp");
    }
}
