//! Ports as docker's records name them: `"80/tcp"`, and hosts' ends as strings.

use std::net::IpAddr;

use model::{PortBinding, Protocol};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::json::{Loose, Notes, Pairs};

/// One host's end of a published port, as in `NetworkSettings.Ports` and `HostConfig.PortBindings`.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct HostEnd {
    pub host_ip: Option<String>,
    pub host_port: Option<String>,
}

/// `NetworkSettings.Ports`: a `null` means exposed and not published.
pub(crate) type Ports = Pairs<Option<Vec<HostEnd>>>;

/// `NetworkSettings.PortMapping` of docker 0.6 (`{"Tcp":{"80":"49153"}}`).
pub(crate) type PortMapping = Pairs<Option<Pairs<String>>>;

/// The bindings of a record, sorted by port, protocol and host's end as docker shows them.
pub(crate) fn bindings(ports: Ports, notes: &mut Notes) -> Vec<PortBinding> {
    let mut out = Vec::new();
    for (key, ends) in ports.0 {
        let Some((port, protocol)) = parse(&key) else {
            notes.add("value-odd", format!("'{key}' in NetworkSettings.Ports is no port; it is left out"));
            continue;
        };
        let ends = ends.unwrap_or_default();
        if ends.is_empty() {
            out.push(PortBinding { port, protocol, host: None });
        }
        for end in ends {
            out.push(PortBinding { port, protocol, host: host(&end, &key, notes) });
        }
    }
    sort(&mut out);
    out
}

/// The bindings of docker 0.6, which published on all addresses.
pub(crate) fn mapped(mapping: PortMapping, notes: &mut Notes) -> Vec<PortBinding> {
    let mut ports = Pairs(Vec::new());
    for (protocol, pairs) in mapping.0 {
        for (inside, outside) in pairs.unwrap_or_default().0 {
            let end = HostEnd { host_ip: Some("0.0.0.0".into()), host_port: Some(outside) };
            ports.0.push((format!("{inside}/{}", protocol.to_lowercase()), Some(vec![end])));
        }
    }
    bindings(ports, notes)
}

/// Whichever of the two a record has.
pub(crate) fn either(ports: Loose<Ports>, mapping: Loose<PortMapping>, notes: &mut Notes) -> Vec<PortBinding> {
    let new = bindings(ports.take("NetworkSettings.Ports", notes), notes);
    if !new.is_empty() {
        return new;
    }
    match mapping {
        // Docker 0.5 and before wrote a flat map, which docker itself ignores (container.go FromDisk, v0.6.4).
        Loose::Bad(_) => Vec::new(),
        other => mapped(other.take("NetworkSettings.PortMapping", notes), notes),
    }
}

/// A port key: `80/tcp`, or `80` alone, which means tcp.
pub(crate) fn parse(key: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    Some((port.parse().ok()?, Protocol::parse(protocol)?))
}

fn host(end: &HostEnd, key: &str, notes: &mut Notes) -> Option<(Option<IpAddr>, u16)> {
    let ip = end.host_ip.as_deref().unwrap_or_default();
    let address = ip.parse().ok();
    if address.is_none() && !ip.is_empty() {
        notes.add("value-odd", format!("NetworkSettings.Ports '{key}' names the address '{ip}', which is none"));
    }
    let port = end.host_port.as_deref().unwrap_or_default();
    if let Ok(port) = port.parse() {
        return Some((address, port));
    }
    notes.add("value-odd", format!("NetworkSettings.Ports '{key}' names the host port '{port}', which is none"));
    None
}

fn sort(list: &mut Vec<PortBinding>) {
    list.sort_by_key(|b| (b.port, b.protocol, b.host));
    list.dedup();
}

/// Shows `Config.PortSpecs` of docker before 0.6.5 where today's docker has it: `80`, `8080:80`, `:80`, `ip:8080:80`,
/// each with `/udp` or without (utils.go parseNat, v0.6.4; nat/nat.go, v0.6.5).
pub(crate) fn from_specs(
    specs: &[Value],
    config: &mut Map<String, Value>,
    host: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    for spec in specs {
        let Some((key, end)) = spec.as_str().and_then(from_spec) else {
            notes.add("value-odd", format!("Config.PortSpecs holds {spec}, which is no port"));
            continue;
        };
        object(config, "ExposedPorts").entry(key.clone()).or_insert(json!({}));
        if let Some(ends) = object(host, "PortBindings").entry(key).or_insert(json!([])).as_array_mut()
            && !ends.contains(&end)
        {
            ends.push(end);
        }
    }
}

fn object<'a>(table: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = table.entry(key).or_insert(json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("an object was put there")
}

fn from_spec(spec: &str) -> Option<(String, Value)> {
    let (spec, protocol) = spec.split_once('/').unwrap_or((spec, "tcp"));
    let protocol = Protocol::parse(protocol)?.word();
    let parts: Vec<&str> = spec.split(':').collect();
    let (ip, outside, inside) = match parts[..] {
        [inside] => ("", "", inside),
        ["", inside] => ("", inside, inside),
        [outside, inside] => ("", outside, inside),
        [ip, outside, inside] => (ip, outside, inside),
        _ => return None,
    };
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let good = is_port(inside) && (outside.is_empty() || is_port(outside));
    good.then(|| (format!("{inside}/{protocol}"), json!({ "HostIp": ip, "HostPort": outside })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_specs_of_2013_are_bindings() {
        for (spec, key, ip, port) in [
            ("80", "80/tcp", "", ""),
            ("8080:80", "80/tcp", "", "8080"),
            (":80", "80/tcp", "", "80"),
            ("127.0.0.1:8080:80/udp", "80/udp", "127.0.0.1", "8080"),
        ] {
            assert_eq!(from_spec(spec), Some((key.into(), json!({ "HostIp": ip, "HostPort": port }))), "{spec}");
        }
        for bad in ["", "a", "1:2:3:4", "80/xyz", "70000"] {
            assert_eq!(from_spec(bad), None, "{bad}");
        }
    }
}
