//! `NetworkSettings`: flat before 1.9, one endpoint a network since, both in today's shape.

use serde_json::{Map, Value, json};

use crate::docker::settings::is_empty;
use crate::json::Notes;

/// What the flat form and an endpoint have alike. Docker shows those of the network `bridge` at the top too, up to 28
/// (daemon/inspect.go getDefaultNetworkSettings, v20.10.24).
const FLAT: [(&str, fn() -> Value); 8] = [
    ("EndpointID", || "".into()),
    ("Gateway", || "".into()),
    ("GlobalIPv6Address", || "".into()),
    ("GlobalIPv6PrefixLen", || 0.into()),
    ("IPAddress", || "".into()),
    ("IPPrefixLen", || 0.into()),
    ("IPv6Gateway", || "".into()),
    ("MacAddress", || "".into()),
];

/// The settings in today's shape, with what the flat form had. The address of a container whose start failed stays on
/// disk; docker forgets it, so it is not shown at the top where the container never `started`.
pub(crate) fn shape(
    mut network: Map<String, Value>,
    host: &Map<String, Value>,
    started: bool,
    notes: &mut Notes,
) -> Map<String, Value> {
    published(&mut network, notes);
    if let Some(Value::Object(networks)) = network.get("Networks") {
        let bridge = networks.get("bridge").and_then(Value::as_object).filter(|_| started).cloned().unwrap_or_default();
        for (key, default) in FLAT {
            network.entry(key).or_insert_with(|| bridge.get(key).cloned().unwrap_or_else(default));
        }
        return network;
    }
    let flat: Map<String, Value> =
        FLAT.iter().map(|(key, default)| ((*key).into(), network.get(*key).cloned().unwrap_or_else(default))).collect();
    // Where it is null the container never joined one (1.9).
    if !network.contains_key("Networks") {
        network.insert("Networks".into(), networks(flat.clone(), host));
    }
    for (key, value) in flat {
        network.entry(key).or_insert(value);
    }
    network
}

/// `Ports`; before 0.6.5 they stood in `PortMapping` by protocol, and were published on all addresses.
fn published(network: &mut Map<String, Value>, notes: &mut Notes) {
    if network.get("Ports").is_none_or(is_empty) {
        let mut ports = Map::new();
        for (protocol, pairs) in network.get("PortMapping").and_then(Value::as_object).into_iter().flatten() {
            // Docker 0.5 and before wrote a flat map of texts, all tcp.
            let one = pairs.as_str().map(|outside| (protocol.clone(), Value::from(outside)));
            let word = if one.is_some() { "tcp".to_string() } else { protocol.to_lowercase() };
            let pairs: Vec<(String, Value)> = match pairs.as_object() {
                Some(pairs) => pairs.iter().map(|(inside, outside)| (inside.clone(), outside.clone())).collect(),
                None => one.into_iter().collect(),
            };
            for (inside, outside) in pairs {
                if !outside.is_string() {
                    notes.add("value-odd", format!("NetworkSettings.PortMapping maps {inside} to what is no text"));
                }
                ports.insert(format!("{inside}/{word}"), json!([{ "HostIp": "0.0.0.0", "HostPort": outside }]));
            }
        }
        network.insert("Ports".into(), ports.into());
    }
}

/// `Networks` of an engine that had no names for them: what its mode says.
fn networks(flat: Map<String, Value>, host: &Map<String, Value>) -> Value {
    let mode = host.get("NetworkMode").and_then(Value::as_str).unwrap_or_default();
    let name = match mode {
        "" | "default" | "bridge" => "bridge",
        "host" | "none" => mode,
        _ => return json!({}),
    };
    let mut endpoint = Map::new();
    for key in ["IPAMConfig", "Links", "Aliases"] {
        endpoint.insert(key.into(), Value::Null);
    }
    endpoint.insert("NetworkID".into(), "".into());
    endpoint.extend(flat);
    json!({ name: endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::HostPath;

    fn check(before: Value, mode: &str, path: &str, after: Value) {
        let mut notes = Notes::new("", &HostPath::default());
        let host = json!({ "NetworkMode": mode });
        let (Value::Object(before), Value::Object(host)) = (before, host) else { panic!("objects") };
        let shown = Value::from(shape(before, &host, true, &mut notes));
        assert_eq!(shown.pointer(path), Some(&after), "{path}");
    }

    #[test]
    fn old_and_new_settings_have_one_shape() {
        check(
            json!({ "IPAddress": "172.17.0.14", "Ports": {} }),
            "",
            "/Networks/bridge/IPAddress",
            json!("172.17.0.14"),
        );
        check(
            json!({ "Networks": { "bridge": { "IPAddress": "172.17.0.7" } } }),
            "default",
            "/IPAddress",
            json!("172.17.0.7"),
        );
        check(json!({ "Networks": { "mynet": { "IPAddress": "10.0.0.7" } } }), "mynet", "/IPAddress", json!(""));
        check(json!({ "IPAddress": "" }), "container:web", "/Networks", json!({}));
        check(
            json!({ "PortMapping": { "Tcp": { "80": "49153" }, "Udp": {} } }),
            "",
            "/Ports",
            json!({ "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "49153" }] }),
        );
        check(
            json!({ "PortMapping": { "80": "49153" } }),
            "",
            "/Ports",
            json!({ "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "49153" }] }),
        );
        check(json!({ "Ports": null, "Networks": {} }), "", "/Ports", json!({}));
    }
}
