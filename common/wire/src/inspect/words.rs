//! Ports, ranges and MAC addresses as docker writes them.

use model::Protocol;

use crate::config::{Mac, Publish};

/// `80/tcp`; without a protocol it is TCP.
pub(crate) fn parse_port(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((port.parse().ok()?, Protocol::parse(protocol)?))
}

/// `8080`, `8000-8010`, or nothing for any.
pub(super) fn port_range(text: &str) -> Option<(u16, u16)> {
    if text.is_empty() {
        return Some((0, 0));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range: (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

pub(super) fn parse_spec(spec: &str) -> Option<Publish> {
    let (ports, protocol) = spec.split_once('/').unwrap_or((spec, "tcp"));
    let protocol = Protocol::parse(protocol)?;
    let parts: Vec<&str> = ports.rsplitn(3, ':').collect();
    let port: u16 = parts.first()?.parse().ok()?;
    let host_port = match parts.get(1) {
        None => 0,
        Some(&"") if parts.len() == 2 => port,
        Some(&"") => 0,
        Some(text) => text.parse().ok()?,
    };
    let host_ip = match parts.get(2) {
        None | Some(&"") => None,
        Some(text) => Some(text.parse().ok()?),
    };
    let from = format!("Config.PortSpecs: \"{spec}\"");
    Some(Publish::at(port, protocol, host_ip, (host_port, host_port), from))
}

/// `net.ipv4.conf.IFNAME.forwarding=1`, as `ipv4/conf/IFNAME/forwarding` and `1`; no setting but an interface's.
pub(super) fn sysctl(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let parts: Vec<&str> = name.strip_prefix("net.")?.split('.').collect();
    let [family @ ("ipv4" | "ipv6" | "mpls"), kind @ ("conf" | "neigh"), "IFNAME", key] = parts[..] else {
        return None;
    };
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let is_value = value.bytes().all(|byte| byte.is_ascii_graphic());
    (!key.is_empty() && is_plain(key) && is_value).then(|| (format!("{family}/{kind}/IFNAME/{key}"), value.to_owned()))
}

/// Ports that are mapped now, in the order in which they were asked for: docker made their rules in it (moby v0.6.4
/// container.go, allocateNetwork). The record has one host port for each port inside, the last one; those before it were asked
/// for by number.
pub(super) fn mapped(asked: Vec<Publish>, mapped: Vec<Publish>) -> Vec<Publish> {
    let same = |one: &Publish, other: &Publish| (one.port, one.protocol) == (other.port, other.protocol);
    let mut rest = mapped;
    let mut all = Vec::new();
    for publish in &asked {
        let is_it = |live: &Publish| same(live, publish) && [0, live.host_port].contains(&publish.host_port);
        let is_overwritten = || asked.iter().filter(|other| same(other, publish)).count() > 1;
        match rest.iter().position(is_it) {
            Some(at) => all.push(rest.remove(at)),
            None if publish.exact && is_overwritten() => all.push(publish.clone()),
            None => {}
        }
    }
    all.extend(rest);
    all
}

/// Reads six bytes in hex with colons.
pub fn mac(text: &str) -> Option<Mac> {
    let mut bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16));
    let mut all = [0; 6];
    for byte in &mut all {
        *byte = bytes.next()?.ok()?;
    }
    bytes.next().is_none().then_some(all)
}
