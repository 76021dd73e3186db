//! What configs say about the network, whichever version wrote them.

use std::net::IpAddr;

use model::{Protocol, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Prefix;
use crate::interface::Lie;

/// Everything that was read: containers and networks.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Configs {
    /// Containers, in the order in which they were read.
    pub containers: Vec<Container>,
    /// Networks, likewise.
    pub networks: Vec<Network>,
}

impl Configs {
    /// The container of that id, start of an id, or name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        let name = name.trim_start_matches('/');
        let by_name = self.containers.iter().find(|container| container.name == name || container.id == name);
        by_name.or_else(|| {
            let mut found =
                self.containers.iter().filter(|container| !name.is_empty() && container.id.starts_with(name));
            found.next().filter(|_| found.next().is_none())
        })
    }

    /// Adds what another source had.
    pub fn extend(&mut self, more: Configs) {
        self.containers.extend(more.containers);
        self.networks.extend(more.networks);
    }
}

/// A network as recorded.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Network {
    /// Its id; empty where no record was given.
    pub id: String,
    /// Its name: `bridge` is the default one.
    pub name: String,
    /// `bridge`, `host`, `null`, `macvlan`, …
    pub driver: String,
    /// When it was made.
    #[serde(with = "time")]
    pub created: Option<Timestamp>,
    /// The name of the bridge, where given.
    pub bridge: Option<String>,
    /// Networks and gateways, IPv4 and IPv6, in the record's order.
    pub subnets: Vec<Subnet>,
    /// Whether it has no way out.
    pub internal: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// Whether containers may reach each other.
    pub icc: Option<bool>,
    /// Whether outgoing packets get the host's address.
    pub masquerade: Option<bool>,
    /// MTU of bridge and containers, where given.
    pub mtu: Option<u32>,
    /// Where ports without an address are published.
    pub host_ip: Option<IpAddr>,
    /// The address that outgoing IPv4 packets get instead of the interface's (docker 19.03 on).
    pub source_ip: Option<IpAddr>,
    /// The same for IPv6 (docker 27 on).
    #[serde(default)]
    pub source_ip_v6: Option<IpAddr>,
    /// How the names of containers' interfaces begin, instead of `eth` (`com.docker.network.container_iface_prefix`).
    #[serde(default)]
    pub interfaces: Option<String>,
    /// Whether the bridge has no IPv4 address of its own (`com.docker.network.bridge.inhibit_ipv4`).
    #[serde(default)]
    pub inhibit_ipv4: bool,
    /// Interfaces of the host by which containers' own addresses may be reached (docker 28.2 on).
    #[serde(default)]
    pub trusted_interfaces: Vec<String>,
    /// How ports are reached (docker 27 on), for IPv4.
    pub gateway_mode: GatewayMode,
    /// The same for IPv6.
    pub gateway_mode_v6: GatewayMode,
    /// How its containers' interfaces lie on one of the host's, where they do: networks of other drivers than `bridge`.
    #[serde(default)]
    pub lie: Option<Lie>,
    /// The host's interface that they lie on, where given.
    #[serde(default)]
    pub parent: Option<String>,
    /// Where its containers send packets to the outside, where that is not the bridge (dockerd's `--default-gateway`): IPv4
    /// and IPv6.
    #[serde(default)]
    pub routers: [Option<IpAddr>; 2],
    /// Addresses that are others' (`--aux-address`).
    #[serde(default)]
    pub reserved: Vec<IpAddr>,
}

impl Network {
    /// Whether it is docker's own default network.
    pub fn is_default(&self) -> bool {
        self.name == "bridge"
    }
}

/// How a bridge network's ports are reached (`com.docker.network.bridge.gateway_mode_ipv4`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum GatewayMode {
    /// By address translation; the container's own address is closed.
    #[default]
    Nat,
    /// By address translation; the container's own address is open.
    NatUnprotected,
    /// By the container's own address.
    Routed,
}

/// One network of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subnet {
    /// The network.
    pub prefix: Prefix,
    /// Its gateway, where recorded.
    pub gateway: Option<IpAddr>,
    /// Where addresses are taken from, where that is less than the network.
    pub range: Option<Prefix>,
}

/// A container as recorded.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name without the slash; empty before docker 0.6.5.
    pub name: String,
    /// Whether it runs or is frozen.
    pub running: bool,
    /// When it was started last.
    #[serde(with = "time")]
    pub started: Option<Timestamp>,
    /// Whether it had ended before it was started last.
    #[serde(default)]
    pub ended_before: bool,
    /// Its main process; 0 for none.
    pub pid: u32,
    /// The file that is its network namespace; empty where none is recorded.
    pub sandbox: String,
    /// What network it asked for.
    pub mode: Mode,
    /// Where it is attached, or is to be, in the record's order.
    pub endpoints: Vec<Endpoint>,
    /// Ports that it exposes, without double ones, lowest first.
    #[serde(with = "ports")]
    pub exposed: Vec<(u16, Protocol)>,
    /// Ports that it publishes, in the record's order.
    pub published: Vec<Publish>,
    /// Whether all exposed ports are published.
    pub publish_all: bool,
    /// Links of the default network.
    pub links: Vec<Link>,
    /// Its host name, without the domain.
    pub hostname: String,
    /// Its domain.
    pub domain: String,
    /// Further names for its hosts file: name and address as given.
    pub extra_hosts: Vec<(String, String)>,
    /// Name servers, search domains and options that it asked for.
    pub dns: Dns,
    /// The file that is bound to `/etc/hosts`, as recorded; may be empty.
    pub hosts_path: String,
    /// The file that is bound to `/etc/resolv.conf`, as recorded; may be empty.
    pub resolv_conf_path: String,
    /// The MAC address asked for.
    pub mac: Option<Mac>,
}

impl Container {
    /// How a person would name it.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { self.short_id() } else { &self.name }
    }

    /// The first twelve digits of its id.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// Six bytes.
pub type Mac = [u8; 6];

/// Name resolution that a container asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Dns {
    /// Name servers.
    pub servers: Vec<String>,
    /// Search domains.
    pub search: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

/// What network a container asked for (`HostConfig.NetworkMode`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Mode {
    /// The default bridge.
    #[default]
    Default,
    /// The named network.
    Named(String),
    /// The host's own.
    Host,
    /// None at all.
    None,
    /// That of another container, by id or name.
    Container(String),
}

/// A container's place in a network.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Endpoint {
    /// The network's name.
    pub network: String,
    /// The network's id, where recorded. That of the default network changes with every start of the daemon.
    pub network_id: String,
    /// The IPv4 address, where it has or asked for one.
    pub address: Option<Prefix>,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// The IPv6 address.
    pub address_v6: Option<Prefix>,
    /// The IPv6 gateway.
    pub gateway_v6: Option<IpAddr>,
    /// The MAC address.
    pub mac: Option<Mac>,
    /// Further names in the network.
    pub aliases: Vec<String>,
    /// Links in the network.
    pub links: Vec<Link>,
    /// Which endpoint gives the gateway: the highest (docker 28 on).
    pub priority: i64,
    /// The name of its interface, where one was asked for (docker 28 on).
    #[serde(default)]
    pub name: Option<String>,
    /// Kernel settings of its interface, below `net`: `ipv4/conf/IFNAME/forwarding` and value (docker 27 on).
    #[serde(default)]
    pub sysctls: Vec<(String, String)>,
}

/// A port that is published.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Publish {
    /// The port inside.
    pub port: u16,
    /// Its protocol.
    #[serde(with = "protocol")]
    pub protocol: Protocol,
    /// The host's address; `None` for all of them.
    pub host_ip: Option<IpAddr>,
    /// The host's port; 0 where any will do.
    pub host_port: u16,
    /// The last host port that will do, where a range was asked for; else as `host_port`.
    pub host_port_end: u16,
    /// The first host port that was asked for; 0 for any. It decides on the order of rules.
    pub requested: u16,
    /// Whether that one port was asked for, not a range or any.
    pub exact: bool,
    /// Whether it was asked for by itself, not only as one of all that are exposed.
    pub asked: bool,
    /// The config field that it comes from.
    pub from: String,
}

impl Publish {
    /// A port published on one of the host's ports, first to last; 0 for any.
    pub fn at(port: u16, protocol: Protocol, host_ip: Option<IpAddr>, host: (u16, u16), from: String) -> Publish {
        let (host_port, host_port_end) = host;
        let exact = host_port != 0 && host_port == host_port_end;
        Publish { port, protocol, host_ip, host_port, host_port_end, requested: host_port, exact, asked: true, from }
    }
}

/// A link to another container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The other container, by name or id.
    pub target: String,
    /// Its name inside.
    pub alias: String,
}

/// Times as RFC 3339; `model` knows no serde.
mod time {
    use super::{Deserialize, Serialize, Timestamp};

    pub(super) fn serialize<S: serde::Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::rfc3339_nine).serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.and_then(|text| Timestamp::parse_rfc3339(&text)))
    }
}

/// Protocols by name.
mod protocol {
    use serde::de::Error;

    use super::{Deserialize, Protocol, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(protocol: &Protocol, to: S) -> Result<S::Ok, S::Error> {
        protocol.word().serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Protocol, D::Error> {
        let word = String::deserialize(from)?;
        Protocol::parse(&word).ok_or_else(|| D::Error::custom(format!("'{word}' is no protocol")))
    }
}

/// Ports as `80/tcp`.
mod ports {
    use serde::de::Error;

    use super::{Deserialize, Protocol, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(ports: &[(u16, Protocol)], to: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<_> = ports.iter().map(|(port, protocol)| format!("{port}/{}", protocol.word())).collect();
        texts.serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<(u16, Protocol)>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        let read = |text: &String| crate::inspect::parse_port(text);
        texts.iter().map(|text| read(text).ok_or_else(|| D::Error::custom(format!("'{text}' is no port")))).collect()
    }
}
