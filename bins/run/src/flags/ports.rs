//! Ports: what is exposed, and where it is published.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::text::fields;
use crate::args::network::NetworkArgs;

/// The image's ports, those of `--expose`, and those that are published.
pub fn exposed(args: &NetworkArgs, base: &Value) -> Result<Value> {
    let mut all = base.as_object().cloned().unwrap_or_default();
    for text in &args.expose {
        if text.contains(':') {
            bail!("invalid port format for --expose: {text}");
        }
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        known(protocol)?;
        for port in ports(range).with_context(|| format!("invalid range format for --expose: {text}"))? {
            all.insert(format!("{port}/{protocol}"), json!({}));
        }
    }
    for key in bindings(args)?.keys() {
        all.insert(key.clone(), json!({}));
    }
    Ok(if all.is_empty() { Value::Null } else { Value::Object(all) })
}

/// `--publish [[IP:]HOST:]PORT[/PROTOCOL]`, ranges too, or `target=80,published=8080,protocol=tcp`, as docker's
/// `PortBindings`.
pub fn bindings(args: &NetworkArgs) -> Result<Map<String, Value>> {
    let mut all: Map<String, Value> = Map::new();
    for typed in &args.publish {
        let text = &if typed.contains('=') { short(typed)? } else { typed.clone() };
        let wrong = || format!("invalid containerPort: {text}");
        let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        known(protocol)?;
        let (rest, inside) = rest.rsplit_once(':').unwrap_or(("", rest));
        let (address, outside) = match rest.rsplit_once(':') {
            Some((address, outside)) => (address.trim_matches(['[', ']']), outside),
            None => ("", rest),
        };
        if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
            bail!("invalid IP address: {address}");
        }
        let inside = ports(inside).with_context(wrong)?;
        // Nought is any that is free.
        let outside = if outside.is_empty() || outside == "0" {
            Vec::new()
        } else {
            ports(outside).with_context(|| format!("invalid hostPort: {outside}"))?
        };
        // A range outside for one port inside is a choice.
        let choice = inside.len() == 1 && outside.len() > 1;
        if !outside.is_empty() && !choice && outside.len() != inside.len() {
            bail!("invalid ranges specified for container and host Ports: {text}");
        }
        for (at, port) in inside.iter().enumerate() {
            let host = match (choice, outside.first(), outside.last()) {
                (true, Some(first), Some(last)) => format!("{first}-{last}"),
                _ => outside.get(at).map(u16::to_string).unwrap_or_default(),
            };
            let list = all.entry(format!("{port}/{protocol}")).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(json!({"HostIp": address, "HostPort": host}));
            }
        }
    }
    Ok(all)
}

/// The short form of docker's long one (docker/cli v28 opts/port.go).
fn short(text: &str) -> Result<String> {
    let (mut target, mut published, mut protocol) = (String::new(), String::new(), "tcp".to_string());
    for field in fields(text) {
        let (key, value) = field.split_once('=').with_context(|| format!("invalid field: {field}"))?;
        match key {
            "target" => target = value.to_string(),
            "published" => published = value.to_string(),
            "protocol" => protocol = value.to_string(),
            "mode" if ["ingress", "host"].contains(&value) => {}
            "mode" => bail!("invalid publish mode value ({value}): must be either 'ingress' or 'host'"),
            other => bail!("invalid field key: {other}"),
        }
    }
    if target.is_empty() {
        bail!("missing mandatory field \"target\"");
    }
    Ok(if published.is_empty() { format!("{target}/{protocol}") } else { format!("{published}:{target}/{protocol}") })
}

fn known(protocol: &str) -> Result<()> {
    match protocol.to_ascii_lowercase().as_str() {
        "tcp" | "udp" | "sctp" => Ok(()),
        _ => bail!("invalid proto: {protocol}"),
    }
}

/// `80` or `8000-8010`.
fn ports(text: &str) -> Option<Vec<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last).then(|| (first..=last).collect())
}
