//! Networks in docker's inspect JSON.

use std::net::IpAddr;

use serde_json::Value;

use super::{Reader, list, string, time};
use crate::Prefix;
use crate::config::{GatewayMode, Network, Subnet};
use crate::interface::{IpvlanMode, IpvlanReach, Lie, MOST, MacvlanMode, is_name};

impl Reader {
    /// What a record says of a network.
    pub(super) fn network(&mut self, value: &Value) -> Network {
        let name = string(value, "Name").unwrap_or_default().to_owned();
        let subject = format!("network {name}");
        let options = &value["Options"];
        let option = |key: &str| string(options, &format!("com.docker.network.{key}"));
        let subnets = list(&value["IPAM"]["Config"]).filter_map(|config| self.subnet(config, &subject)).collect();
        Network {
            id: string(value, "Id").unwrap_or_default().to_owned(),
            driver: string(value, "Driver").unwrap_or_default().to_owned(),
            created: time(&value["Created"]),
            bridge: option("bridge.name").and_then(|name| self.interface(name, "bridge", &subject)),
            subnets,
            internal: value["Internal"].as_bool().unwrap_or_default(),
            ipv6: value["EnableIPv6"].as_bool().unwrap_or_default(),
            icc: option("bridge.enable_icc").and_then(truth),
            masquerade: option("bridge.enable_ip_masquerade").and_then(truth),
            mtu: option("driver.mtu").and_then(|mtu| mtu.parse().ok()).filter(|mtu| *mtu > 0),
            host_ip: option("bridge.host_binding_ipv4").and_then(|ip| ip.parse().ok()),
            source_ip: option("host_ipv4").and_then(|ip| ip.parse().ok()),
            source_ip_v6: option("host_ipv6").and_then(|ip| ip.parse().ok()),
            interfaces: option("container_iface_prefix")
                .and_then(|name| self.interface(name, "prefix of interfaces", &subject)),
            inhibit_ipv4: option("bridge.inhibit_ipv4").and_then(truth).unwrap_or_default(),
            trusted_interfaces: self.trusted(option("bridge.trusted_host_interfaces").unwrap_or_default(), &subject),
            gateway_mode: option("bridge.gateway_mode_ipv4").map(gateway_mode).unwrap_or_default(),
            gateway_mode_v6: option("bridge.gateway_mode_ipv6").map(gateway_mode).unwrap_or_default(),
            lie: lie(string(value, "Driver").unwrap_or_default(), options),
            parent: string(options, "parent").and_then(|name| self.parent(name, &subject)),
            routers: ["DefaultGatewayIPv4", "DefaultGatewayIPv6"].map(|key| router(&value["IPAM"]["Config"], key)),
            reserved: list(&value["IPAM"]["Config"]).flat_map(reserved).collect(),
            name,
        }
    }

    /// The name of an interface; one that can be none is named and left out.
    pub(super) fn interface(&mut self, name: &str, what: &str, subject: &str) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        if !is_name(name) {
            self.find("interface", subject, format!("its {what} '{name}' is no name of an interface; left out"));
            return None;
        }
        Some(name.to_owned())
    }

    /// A parent may be one that is to be made: what is too long for that is refused there.
    fn parent(&mut self, name: &str, subject: &str) -> Option<String> {
        let long = name.len() > MOST && name.split('.').all(is_name);
        if long { Some(name.to_owned()) } else { self.interface(name, "parent", subject) }
    }

    /// Names between colons.
    fn trusted(&mut self, text: &str, subject: &str) -> Vec<String> {
        text.split(':').filter_map(|name| self.interface(name, "trusted interface", subject)).collect()
    }

    fn subnet(&mut self, config: &Value, subject: &str) -> Option<Subnet> {
        let text = string(config, "Subnet")?;
        let Some(prefix) = Prefix::parse(text) else {
            self.find("subnet", subject, format!("subnet '{text}' is no network; left out"));
            return None;
        };
        let gateway = string(config, "Gateway").and_then(|text| Some(Prefix::parse(text)?.address));
        let range = string(config, "IPRange").and_then(Prefix::parse);
        Some(Subnet { prefix: prefix.network(), gateway, range })
    }
}

/// How interfaces of a network lie on the host's (moby v20.10.24 libnetwork/drivers/{macvlan/macvlan_network.go,
/// ipvlan/ipvlan_network.go}: the first mode is the default).
fn lie(driver: &str, options: &Value) -> Option<Lie> {
    let word = |key: &str| string(options, key).unwrap_or_default();
    match driver {
        "macvlan" => Some(Lie::Macvlan(MacvlanMode::parse(word("macvlan_mode")).unwrap_or(MacvlanMode::Bridge))),
        "ipvlan" => Some(Lie::Ipvlan(
            IpvlanMode::parse(word("ipvlan_mode")).unwrap_or(IpvlanMode::L2),
            IpvlanReach::parse(word("ipvlan_flag")).unwrap_or(IpvlanReach::Bridge),
        )),
        _ => None,
    }
}

/// `{"router": "192.0.2.1"}`; in docker's own records `AuxAddress`.
fn reserved(config: &Value) -> Vec<IpAddr> {
    let others = config["AuxiliaryAddresses"].as_object().into_iter().flatten();
    others.filter_map(|(_, value)| Some(Prefix::parse(value.as_str()?)?.address)).collect()
}

/// What a daemon writes of its own default gateways, among the addresses of others (moby v20.10.24
/// libnetwork/drivers/bridge/bridge.go, DefaultGatewayV4AuxKey).
fn router(configs: &Value, key: &str) -> Option<IpAddr> {
    let found = list(configs).find_map(|config| string(&config["AuxiliaryAddresses"], key))?;
    Some(Prefix::parse(found)?.address)
}

fn gateway_mode(text: &str) -> GatewayMode {
    match text {
        "nat-unprotected" => GatewayMode::NatUnprotected,
        "routed" => GatewayMode::Routed,
        _ => GatewayMode::Nat,
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Some(true),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
