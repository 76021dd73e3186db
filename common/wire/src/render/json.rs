//! A plan as JSON, for programs. Every object has `reason` and `from`.

use serde_json::{Value, json};

use crate::render::{iptables, nft, rows::mac};
use crate::{Family, Plan};

/// The plan.
pub fn value(plan: &Plan) -> Value {
    json!({
        "as": plan.dialect.word(),
        "bridges": plan.bridges.iter().map(|bridge| json!({
            "name": bridge.name,
            "network": bridge.network.0,
            "network_id": bridge.network.1,
            "addresses": texts(&bridge.addresses),
            "mtu": bridge.mtu,
            "internal": bridge.internal,
            "reason": bridge.reason,
            "from": bridge.from,
        })).collect::<Vec<_>>(),
        "veths": plan.veths.iter().map(|veth| json!({
            "host_name": veth.host_name,
            "bridge": veth.bridge,
            "container": veth.container.1,
            "container_id": veth.container.0,
            "network": veth.network,
            "name": veth.name,
            "mac": mac(veth.mac),
            "addresses": texts(&veth.addresses),
            "gateways": texts(&veth.gateways),
            "mtu": veth.mtu,
            "hairpin": veth.hairpin,
            "reason": veth.reason,
            "from": veth.from,
        })).collect::<Vec<_>>(),
        "sysctls": plan.sysctls.iter().map(|sysctl| json!({
            "container_id": sysctl.container,
            "key": dotted(&sysctl.key),
            "value": sysctl.value,
            "reason": sysctl.reason,
            "from": sysctl.from,
        })).collect::<Vec<_>>(),
        "ports": plan.ports.iter().map(|port| json!({
            "container": port.container,
            "host_ip": port.host_ip.to_string(),
            "host_port": port.host_port,
            "protocol": port.protocol.word(),
            "address": port.address.to_string(),
            "port": port.port,
            "reason": format!("published by '{}'", port.container),
            "from": port.from,
        })).collect::<Vec<_>>(),
        "rules": plan.rules.by_chain().iter().map(|rule| json!({
            "family": match rule.family { Family::V4 => 4, Family::V6 => 6 },
            "table": rule.table.word(),
            "chain": rule.chain,
            "iptables": iptables::line(rule),
            "nft": nft::line(rule, plan.dialect),
            "reason": rule.reason,
            "from": rule.from,
        })).collect::<Vec<_>>(),
    })
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The name as sysctl(8) prints it; with slashes where an interface's name has a dot.
pub fn dotted(key: &str) -> String {
    if key.contains('.') { key.to_owned() } else { key.replace('/', ".") }
}
