//! What the configs imply: plain data, with the reason for each thing and the config field that it comes from.

use std::net::IpAddr;

use crate::interface::{Interface, Parent};
use crate::{Prefix, RuleSet};

/// The version whose form a plan has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// Docker 0.6.4 (lxc).
    Docker06,
    /// Docker 1.2.0.
    Docker12,
    /// Docker 20.10.
    Docker20,
    /// Docker 28.0.1 to 28.1 (iptables).
    Docker281,
    /// Docker 28.2 (iptables).
    Docker282,
    /// Docker 28.3 and later (iptables).
    Docker28,
    /// dockless' own, in one nft table.
    Own,
}

impl Dialect {
    /// All, oldest first.
    pub const ALL: [Dialect; 7] = [
        Dialect::Docker06,
        Dialect::Docker12,
        Dialect::Docker20,
        Dialect::Docker281,
        Dialect::Docker282,
        Dialect::Docker28,
        Dialect::Own,
    ];

    /// The word for `--as`.
    pub fn word(self) -> &'static str {
        match self {
            Dialect::Docker06 => "0.6.4",
            Dialect::Docker12 => "1.2.0",
            Dialect::Docker20 => "20.10",
            Dialect::Docker281 => "28.1",
            Dialect::Docker282 => "28.2",
            Dialect::Docker28 => "28",
            Dialect::Own => "nft",
        }
    }

    /// Whether it is one of docker 28.
    pub fn is_28(self) -> bool {
        matches!(self, Dialect::Docker281 | Dialect::Docker282 | Dialect::Docker28)
    }

    /// The dialect of that word.
    pub fn parse(word: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.word() == word)
    }

    /// The first host port that is given out where any will do: 49153 up to 1.5, the kernel's range since.
    pub fn first_port(self) -> u16 {
        match self {
            Dialect::Docker06 | Dialect::Docker12 => 49153,
            _ => 32768,
        }
    }

    /// Whether a network's first address is nobody's, the bridge's or not (moby v0.6.4 network.go, Allocate; v1.2.0
    /// daemon/networkdriver/ipallocator/allocator.go, getNextIP).
    pub fn skips_first(self) -> bool {
        matches!(self, Dialect::Docker06 | Dialect::Docker12)
    }

    /// Where the default bridge lies unless told otherwise: 172.17.42.1 up to 1.8.
    pub fn default_bridge(self) -> Prefix {
        let host = match self {
            Dialect::Docker06 | Dialect::Docker12 => [172, 17, 42, 1],
            _ => [172, 17, 0, 1],
        };
        Prefix { address: IpAddr::from(host), length: 16 }
    }
}

/// Everything that is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In whose form.
    pub dialect: Dialect,
    /// Bridges of the host.
    pub bridges: Vec<Bridge>,
    /// Interfaces of the host that containers' interfaces lie on.
    pub parents: Vec<Parent>,
    /// Containers' interfaces.
    pub interfaces: Vec<Interface>,
    /// Kernel settings.
    pub sysctls: Vec<Sysctl>,
    /// Rules.
    pub rules: RuleSet,
    /// Host ports in use, by which container.
    pub ports: Vec<Port>,
}

/// A bridge.
#[derive(Clone, PartialEq, Debug)]
pub struct Bridge {
    /// Its interface name.
    pub name: String,
    /// The network's name and id; the id is empty where unknown.
    pub network: (String, String),
    /// Its own addresses.
    pub addresses: Vec<Prefix>,
    /// Its MTU.
    pub mtu: u32,
    /// Whether IPv4 addresses have a broadcast address (not in docker 0.6 and 1.2).
    pub broadcast: bool,
    /// Whether its network has no way out.
    pub internal: bool,
    /// Whether it is another's, such as a live docker's: then only our own containers on it are our business.
    pub shared: bool,
    /// Why it is there.
    pub reason: String,
    /// The config field that it comes from.
    pub from: String,
}

/// A kernel setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sysctl {
    /// The container's id, where it is set inside; `None` for the host.
    pub container: Option<String>,
    /// The name with slashes, since interfaces' names may have dots: `net/ipv4/ip_forward`.
    pub key: String,
    /// The value.
    pub value: String,
    /// Why.
    pub reason: String,
    /// The config field that it comes from.
    pub from: String,
}

/// A host port in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// The container's title.
    pub container: String,
    /// The container's id.
    pub id: String,
    /// The binding that it fulfils.
    pub publish: crate::config::Publish,
    /// The host's address; unspecified for all of the family.
    pub host_ip: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The protocol.
    pub protocol: model::Protocol,
    /// The container's address.
    pub address: IpAddr,
    /// The container's port.
    pub port: u16,
    /// The config field that it comes from.
    pub from: String,
}
