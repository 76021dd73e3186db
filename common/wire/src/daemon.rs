//! What a daemon was told that no inspect shows: flags under dockerd's names, or `daemon.json`.

use std::net::IpAddr;

use model::Finding;
use serde_json::Value;

use crate::Prefix;
use crate::interface::is_name;

/// Options of a daemon. `None` means that nobody said so, and the network's record or the version's default holds.
///
/// Names and defaults are those of dockerd (moby, `daemon/config/config_linux.go`, `cmd/dockerd/config_unix.go`, v20.10.24).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Daemon {
    /// `--iptables`, true by default.
    pub iptables: Option<bool>,
    /// `--ip6tables`: false by default before 27, true since.
    pub ip6tables: Option<bool>,
    /// `--ip-forward`, true by default.
    pub ip_forward: Option<bool>,
    /// `--ip-masq`, for the default bridge.
    pub ip_masq: Option<bool>,
    /// `--icc`, for the default bridge.
    pub icc: Option<bool>,
    /// `--ipv6`, for the default bridge.
    pub ipv6: Option<bool>,
    /// `--userland-proxy`, true by default.
    pub userland_proxy: Option<bool>,
    /// `--bridge`: a bridge that is there already, for the default network; `none` for no default network.
    pub bridge: Option<String>,
    /// `--bip`: address and network of the default bridge.
    pub bip: Option<Prefix>,
    /// `--bip6`: IPv6 address and network of the default bridge (docker 28 on).
    pub bip6: Option<Prefix>,
    /// `--allow-direct-routing`: published ports are reached by containers' own addresses too (docker 28 on).
    pub allow_direct_routing: Option<bool>,
    /// `--fixed-cidr`: where the default bridge takes addresses from.
    pub fixed_cidr: Option<Prefix>,
    /// `--fixed-cidr-v6`: the default bridge's IPv6 network.
    pub fixed_cidr_v6: Option<Prefix>,
    /// `--mtu` of containers' interfaces on the default bridge.
    pub mtu: Option<u32>,
    /// `--default-gateway`: where containers of the default bridge send packets to the outside, instead of the bridge.
    pub default_gateway: Option<IpAddr>,
    /// `--default-gateway-v6`: the same for IPv6.
    pub default_gateway_v6: Option<IpAddr>,
    /// `--ip`: where ports without an address are published.
    pub ip: Option<IpAddr>,
}

impl Daemon {
    /// Reads `daemon.json`. What has the wrong form is named and left out.
    pub fn parse(text: &[u8]) -> (Daemon, Vec<Finding>) {
        let mut findings = Vec::new();
        let value = serde_json::from_slice(text).unwrap_or_else(|error| {
            findings.push(Finding::new("daemon-json", format!("daemon.json cannot be read: {error}; defaults hold")));
            Value::Null
        });
        let mut keys = Keys { value: &value, findings };
        let daemon = Daemon {
            iptables: keys.take("iptables", Value::as_bool),
            ip6tables: keys.take("ip6tables", Value::as_bool),
            ip_forward: keys.take("ip-forward", Value::as_bool),
            ip_masq: keys.take("ip-masq", Value::as_bool),
            icc: keys.take("icc", Value::as_bool),
            ipv6: keys.take("ipv6", Value::as_bool),
            userland_proxy: keys.take("userland-proxy", Value::as_bool),
            bridge: keys.take("bridge", |value| Some(value.as_str().filter(|name| is_name(name))?.to_owned())),
            bip: keys.take("bip", |value| Prefix::parse(value.as_str()?)),
            bip6: keys.take("bip6", |value| Prefix::parse(value.as_str()?)),
            allow_direct_routing: keys.take("allow-direct-routing", Value::as_bool),
            fixed_cidr: keys.take("fixed-cidr", |value| Prefix::parse(value.as_str()?)),
            fixed_cidr_v6: keys.take("fixed-cidr-v6", |value| Prefix::parse(value.as_str()?)),
            mtu: keys.take("mtu", |value| value.as_u64()?.try_into().ok()),
            default_gateway: keys.take("default-gateway", |value| value.as_str()?.parse().ok()),
            default_gateway_v6: keys.take("default-gateway-v6", |value| value.as_str()?.parse().ok()),
            ip: keys.take("ip", |value| value.as_str()?.parse().ok()),
        };
        (daemon, keys.findings)
    }

    /// What `self` does not say, `other` does.
    pub fn or(self, other: Daemon) -> Daemon {
        Daemon {
            iptables: self.iptables.or(other.iptables),
            ip6tables: self.ip6tables.or(other.ip6tables),
            ip_forward: self.ip_forward.or(other.ip_forward),
            ip_masq: self.ip_masq.or(other.ip_masq),
            icc: self.icc.or(other.icc),
            ipv6: self.ipv6.or(other.ipv6),
            userland_proxy: self.userland_proxy.or(other.userland_proxy),
            bridge: self.bridge.or(other.bridge),
            bip: self.bip.or(other.bip),
            bip6: self.bip6.or(other.bip6),
            allow_direct_routing: self.allow_direct_routing.or(other.allow_direct_routing),
            fixed_cidr: self.fixed_cidr.or(other.fixed_cidr),
            fixed_cidr_v6: self.fixed_cidr_v6.or(other.fixed_cidr_v6),
            mtu: self.mtu.or(other.mtu),
            default_gateway: self.default_gateway.or(other.default_gateway),
            default_gateway_v6: self.default_gateway_v6.or(other.default_gateway_v6),
            ip: self.ip.or(other.ip),
        }
    }
}

struct Keys<'a> {
    value: &'a Value,
    findings: Vec<Finding>,
}

impl Keys<'_> {
    fn take<T>(&mut self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.value.get(key).filter(|value| !value.is_null() && *value != "")?;
        let taken = read(value);
        if taken.is_none() {
            self.findings
                .push(Finding::new("daemon-json", format!("'{key}' of daemon.json cannot be {value}; left out")));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemon_json_is_read_and_wrong_values_are_named() {
        let (daemon, findings) = Daemon::parse(br#"{"bip":"10.1.0.1/24","icc":false,"mtu":"big","debug":true}"#);
        assert_eq!(daemon, Daemon { bip: Prefix::parse("10.1.0.1/24"), icc: Some(false), ..Daemon::default() });
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].detail, "'mtu' of daemon.json cannot be \"big\"; left out");
    }
}
