//! Networks: which ones, and what is asked of each.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::text::fields;
use crate::args::Args;
use crate::args::network::NetworkArgs;

/// Docker's `HostConfig.NetworkMode`, and `NetworkSettings.Networks` where something is asked of them.
pub fn networks(args: &Args) -> Result<(String, Option<Map<String, Value>>)> {
    let own = &args.network;
    if args.rights.uts.as_deref() == Some("host") && args.life.hostname.as_ref().is_some_and(|name| !name.is_empty()) {
        bail!("conflicting options: hostname and the UTS mode");
    }
    let Some(first) = own.network.first() else {
        refuse_default(own)?;
        return Ok(("default".to_string(), None));
    };
    let mut all = Map::new();
    let mut mode = String::new();
    for (at, text) in own.network.iter().enumerate() {
        let (name, mut wanted) = one(text)?;
        if at == 0 {
            mode = name.clone();
            from_flags(own, &mut wanted)?;
        }
        if all.insert(name.clone(), wanted).is_some() {
            bail!("network \"{name}\" is specified multiple times");
        }
    }
    let user_defined =
        |name: &str| !matches!(name, "default" | "bridge" | "host" | "none") && !name.starts_with("container:");
    if all.len() > 1
        && !all.keys().all(|name| user_defined(name))
        && !all.keys().all(|name| user_defined(name) || name == "bridge")
    {
        bail!("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
    }
    if user_defined(&mode) {
        return Ok((mode, Some(all)));
    }
    refuse_default(own)?;
    refuse_conflicts(args, first)?;
    Ok((mode, (all.len() > 1).then_some(all)))
}

/// What is for networks of the user's only; the texts are docker's.
fn refuse_default(args: &NetworkArgs) -> Result<()> {
    if args.ip.is_some() || args.ip6.is_some() {
        bail!("user specified IP address is supported on user defined networks only");
    }
    if !args.network_alias.is_empty() {
        bail!("network-scoped alias is supported only for containers in user defined networks");
    }
    Ok(())
}

/// What another's network cannot be told (moby v20.10.24 runconfig/errors.go, the texts).
fn refuse_conflicts(args: &Args, mode: &str) -> Result<()> {
    let own = &args.network;
    if mode == "host" && !own.link.is_empty() {
        bail!(
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
        );
    }
    if !mode.starts_with("container:") {
        return Ok(());
    }
    for (wrong, text) in [
        (args.life.hostname.is_some(), "hostname and the network mode"),
        (
            !own.link.is_empty(),
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (!own.dns.is_empty(), "dns and the network mode"),
        (!own.add_host.is_empty(), "custom host-to-IP mapping and the network mode"),
        (own.mac_address.is_some(), "mac-address and the network mode"),
        (!own.publish.is_empty() || own.publish_all, "port publishing and the container type network mode"),
        (!own.expose.is_empty(), "port exposing and the container type network mode"),
    ] {
        if wrong {
            bail!("conflicting options: {text}");
        }
    }
    Ok(())
}

/// `NAME`, or `name=NAME,alias=A,ip=…` (docker/cli v28 opts/network.go).
fn one(text: &str) -> Result<(String, Value)> {
    let mut wanted = json!({"IPAMConfig": Value::Null, "Links": Value::Null, "Aliases": Value::Null});
    if !text.contains('=') {
        return Ok((text.to_string(), wanted));
    }
    let mut name = None;
    for field in fields(text) {
        let (key, value) = field.split_once('=').with_context(|| format!("invalid field {field}"))?;
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => name = Some(value.to_string()),
            "alias" => push(&mut wanted["Aliases"], value),
            "ip" => wanted["IPAMConfig"]["IPv4Address"] = json!(address(value)?),
            "ip6" => wanted["IPAMConfig"]["IPv6Address"] = json!(address(value)?),
            "link-local-ip" => push(&mut wanted["IPAMConfig"]["LinkLocalIPs"], address(value)?),
            "mac-address" => wanted["MacAddress"] = json!(mac(value)?),
            "gw-priority" => wanted["GwPriority"] = json!(value.parse::<i64>().context("invalid gw-priority")?),
            "driver-opt" => {
                let (key, value) = value.split_once('=').context("invalid key value pair format in driver options")?;
                wanted["DriverOpts"][key] = json!(value);
            }
            other => bail!("invalid field key {other}"),
        }
    }
    Ok((name.with_context(|| format!("network name/id is not specified: {text}"))?, wanted))
}

/// Flags about the one network, on the first.
fn from_flags(args: &NetworkArgs, wanted: &mut Value) -> Result<()> {
    for (text, key) in [(&args.ip, "IPv4Address"), (&args.ip6, "IPv6Address")] {
        if let Some(text) = text {
            wanted["IPAMConfig"][key] = json!(address(text)?);
        }
    }
    args.network_alias.iter().for_each(|alias| push(&mut wanted["Aliases"], alias));
    args.link.iter().for_each(|link| push(&mut wanted["Links"], link));
    if let Some(text) = &args.mac_address {
        wanted["MacAddress"] = json!(mac(text)?);
    }
    Ok(())
}

fn push(list: &mut Value, text: &str) {
    if !list.is_array() {
        *list = json!([]);
    }
    if let Some(list) = list.as_array_mut() {
        list.push(json!(text));
    }
}

fn address(text: &str) -> Result<&str> {
    text.parse::<std::net::IpAddr>().map_err(|_| anyhow::anyhow!("invalid IP address: {text}"))?;
    Ok(text)
}

/// A MAC address as typed.
pub fn mac(text: &str) -> Result<&str> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    if parts.len() != 6 || parts.iter().any(|part| part.len() != 2 || u8::from_str_radix(part, 16).is_err()) {
        bail!("{text} is not a valid mac address");
    }
    Ok(text)
}

/// `NAME:ADDRESS` or `NAME=ADDRESS`, as docker checks `--add-host`.
pub fn extra_hosts(list: &[String]) -> Result<Vec<String>> {
    list.iter()
        .map(|text| {
            let (name, address) = text
                .split_once('=')
                .or_else(|| text.split_once(':'))
                .filter(|(name, _)| !name.is_empty())
                .with_context(|| format!("bad format for add-host: \"{text}\""))?;
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            if address != "host-gateway" && bare.parse::<std::net::IpAddr>().is_err() {
                bail!("invalid IP address in add-host: \"{address}\"");
            }
            Ok(format!("{name}:{bare}"))
        })
        .collect()
}

/// `NAME[:ALIAS]`.
pub fn links(list: &[String]) -> Result<&[String]> {
    for text in list {
        let mut parts = text.split(':');
        if parts.next().is_none_or(str::is_empty) || parts.next().is_some_and(str::is_empty) || parts.next().is_some() {
            bail!("bad format for links: {text}");
        }
    }
    Ok(list)
}
