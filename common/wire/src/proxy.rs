//! Which published ports a process carries, as docker's userland proxy does: the kernel does not route from `::1`, and rules
//! do not translate IPv6 to IPv4. One process serves all of a container's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use model::Protocol;

use crate::Plan;
use crate::config::Container;

/// A port of the host and where it leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forward {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's address and port; that of all IPv6 addresses has the IPv4 ones too.
    pub host: SocketAddr,
    /// The container's.
    pub to: SocketAddr,
}

impl Forward {
    /// `tcp/[::1]:80/172.17.0.2:80`.
    pub fn word(self) -> String {
        format!("{}/{}/{}", self.protocol.word(), self.host, self.to)
    }

    /// Reads what [`Forward::word`] writes.
    pub fn parse(word: &str) -> Result<Forward, String> {
        let parts: Vec<&str> = word.split('/').collect();
        let read = || {
            let [protocol, host, to] = parts[..] else { return None };
            Some(Forward { protocol: Protocol::parse(protocol)?, host: host.parse().ok()?, to: to.parse().ok()? })
        };
        read().ok_or_else(|| "protocol/address/address is wanted, as in tcp/[::1]:80/172.17.0.2:80".to_owned())
    }

    /// Whether the host's port can be had.
    pub fn is_free(self) -> io::Result<()> {
        match self.protocol {
            Protocol::Udp => UdpSocket::bind(self.host).map(drop),
            _ => TcpListener::bind(self.host).map(drop),
        }
    }
}

/// The ports of a container that are carried. `all` is docker's own way: also those that rules lead to the container, which
/// nobody else on the host can take then. Else only those of IPv6 addresses that no rule serves.
pub fn forwards(container: &Container, plan: &Plan, all: bool) -> Vec<Forward> {
    let own = plan.interfaces.iter().filter(|interface| interface.container.0 == container.id);
    let addresses: Vec<IpAddr> = own.flat_map(|interface| &interface.addresses).map(|prefix| prefix.address).collect();
    let Some(&to) = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()) else { return Vec::new() };
    let ports = plan.ports.iter().filter(|port| port.id == container.id);
    let ruled = ports.filter(|port| all || port.host_ip == IpAddr::V6(Ipv6Addr::LOCALHOST));
    let ruled = ruled.map(|port| (port.protocol, port.host_ip, port.host_port, port.port));
    let ours = |host: IpAddr, port: u16| plan.ports.iter().any(|p| (p.host_ip, p.host_port) == (host, port));
    let asked = container.published.iter().filter_map(|publish| {
        let host = publish.host_ip.filter(|ip| ip.is_ipv6() && publish.host_port != 0)?;
        (!ours(host, publish.host_port)).then_some((publish.protocol, host, publish.host_port, publish.port))
    });
    let mut forwards: Vec<Forward> = Vec::new();
    for (protocol, host, host_port, port) in ruled.chain(asked).filter(|(protocol, ..)| *protocol != Protocol::Sctp) {
        let host = if host.is_unspecified() && all { everywhere() } else { host };
        let forward = Forward { protocol, host: SocketAddr::new(host, host_port), to: SocketAddr::new(to, port) };
        if !forwards.iter().any(|other| (other.protocol, other.host) == (protocol, forward.host)) {
            forwards.push(forward);
        }
    }
    forwards
}

/// All addresses of this host.
fn everywhere() -> IpAddr {
    let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    match UdpSocket::bind((six, 0)) {
        Ok(_) => six,
        Err(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}
