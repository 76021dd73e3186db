//! A plan as JSON, for programs. Every object has `reason` and `from`.

use serde_json::{Value, json};

use crate::interface::{Interface, Joint, ParentKind};
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
        "parents": plan.parents.iter().map(|parent| json!({
            "name": parent.name,
            "network": parent.network.0,
            "network_id": parent.network.1,
            "made_as": match &parent.kind {
                ParentKind::Given => Value::Null,
                ParentKind::Vlan { of, id } => json!({ "kind": "vlan", "of": of, "id": id }),
                ParentKind::Dummy => json!({ "kind": "dummy" }),
            },
            "reason": parent.reason,
            "from": parent.from,
        })).collect::<Vec<_>>(),
        "veths": plan.interfaces.iter().filter_map(pair).collect::<Vec<_>>(),
        "lying": plan.interfaces.iter().filter_map(lying).collect::<Vec<_>>(),
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

/// An interface whose other end is on a bridge.
fn pair(interface: &Interface) -> Option<Value> {
    let Joint::Pair { host_name, bridge, hairpin } = &interface.joint else { return None };
    Some(with(interface, json!({ "host_name": host_name, "bridge": bridge, "hairpin": hairpin })))
}

/// An interface that lies on one of the host's.
fn lying(interface: &Interface) -> Option<Value> {
    let Joint::On { parent, lie } = &interface.joint else { return None };
    let own = json!({ "parent": parent, "kind": lie.kind(), "mode": lie.words(), "straight": interface.straight });
    Some(with(interface, own))
}

/// What both have, and their own.
fn with(interface: &Interface, own: Value) -> Value {
    let mut all = json!({
        "container": interface.container.1,
        "container_id": interface.container.0,
        "network": interface.network,
        "name": interface.name,
        "mac": interface.mac.map(mac),
        "addresses": texts(&interface.addresses),
        "gateways": texts(&interface.gateways),
        "mtu": interface.mtu,
        "reason": interface.reason,
        "from": interface.from,
    });
    if let (Some(all), Value::Object(own)) = (all.as_object_mut(), own) {
        all.extend(own);
    }
    all
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The name as sysctl(8) prints it; with slashes where an interface's name has a dot.
pub fn dotted(key: &str) -> String {
    if key.contains('.') { key.to_owned() } else { key.replace('/', ".") }
}
