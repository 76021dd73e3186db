//! An address with the length of its network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// An address and how many of its leading bits name the network: `172.17.0.1/16`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Prefix {
    /// The address, which may have bits beyond the network's.
    pub address: IpAddr,
    /// Leading bits: up to 32 or 128.
    pub length: u8,
}

impl Prefix {
    /// One address alone.
    pub fn host(address: IpAddr) -> Prefix {
        Prefix { address, length: bits(address) }
    }

    /// An address in a network; `None` where the length exceeds the address.
    pub fn new(address: IpAddr, length: u8) -> Option<Prefix> {
        (length <= bits(address)).then_some(Prefix { address, length })
    }

    /// Reads `address/length`, or an address alone.
    pub fn parse(text: &str) -> Option<Prefix> {
        match text.trim().split_once('/') {
            Some((address, length)) => Prefix::new(address.parse().ok()?, length.parse().ok()?),
            None => Some(Prefix::host(text.trim().parse().ok()?)),
        }
    }

    /// The network: bits beyond the length are zero.
    pub fn network(self) -> Prefix {
        Prefix { address: self.at(0), ..self }
    }

    /// The `index`th address of the network; 0 is the network itself. It wraps around at the end.
    pub fn at(self, index: u128) -> IpAddr {
        let host = self.host_mask();
        from_number((number(self.address) & !host) | (index & host), self.address.is_ipv4())
    }

    /// How many addresses the network has, at most `u128::MAX`.
    pub fn size(self) -> u128 {
        self.host_mask().saturating_add(1)
    }

    /// The last address of the network, IPv4's broadcast.
    pub fn last(self) -> IpAddr {
        self.at(u128::MAX)
    }

    /// Whether the address is of this network.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && (number(address) ^ number(self.address)) & !self.host_mask() == 0
    }

    /// Whether the two networks have an address in common.
    pub fn overlaps(self, other: Prefix) -> bool {
        if self.length <= other.length { self.contains(other.address) } else { other.contains(self.address) }
    }

    /// Whether it is IPv4.
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    fn host_mask(self) -> u128 {
        match bits(self.address) - self.length {
            128 => u128::MAX,
            free => (1u128 << free) - 1,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn from_number(number: u128, is_ipv4: bool) -> IpAddr {
    if is_ipv4 { Ipv4Addr::from(number as u32).into() } else { Ipv6Addr::from(number).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_know_their_first_and_last_address() {
        for (text, network, first, last) in [
            ("172.17.42.1/16", "172.17.0.0/16", "172.17.0.1", "172.17.255.255"),
            ("10.0.0.7/32", "10.0.0.7/32", "10.0.0.7", "10.0.0.7"),
            ("1.2.3.4/0", "0.0.0.0/0", "0.0.0.1", "255.255.255.255"),
            ("fd00::17/64", "fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff"),
        ] {
            let prefix = Prefix::parse(text).unwrap();
            assert_eq!(prefix.network().to_string(), network);
            assert_eq!((prefix.at(1).to_string(), prefix.last().to_string()), (first.into(), last.into()));
        }
    }

    #[test]
    fn networks_overlap_when_one_holds_the_other() {
        for (one, other, expected) in [
            ("172.17.0.0/16", "172.17.3.0/24", true),
            ("172.17.3.0/24", "172.17.0.0/16", true),
            ("172.17.0.0/16", "172.18.0.0/16", false),
            ("0.0.0.0/0", "172.18.0.0/16", true),
            ("fd00::/64", "172.18.0.0/16", false),
        ] {
            assert_eq!(Prefix::parse(one).unwrap().overlaps(Prefix::parse(other).unwrap()), expected, "{one} {other}");
        }
    }

    #[test]
    fn lengths_beyond_the_address_are_refused() {
        assert_eq!((Prefix::parse("1.2.3.4/33"), Prefix::parse("::1/129"), Prefix::parse("x/1")), (None, None, None));
    }
}
