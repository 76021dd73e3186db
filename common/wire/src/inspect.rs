//! Docker's inspect JSON, in the shape of any version, as [`Configs`].
//!
//! Shapes: moby v0.6.4 container.go, v1.2.0 daemon/container.go and nat/nat.go, v1.9.1 daemon/network/settings.go,
//! v20.10.24 api/types/network/network.go; see `docs/layouts/network.md`.

mod network;
mod words;

use std::collections::BTreeMap;

use model::{Finding, Protocol, Timestamp};
use serde_json::Value;

pub use words::mac;
pub(crate) use words::parse_port;
use words::{parse_spec, port_range};

use crate::Prefix;
use crate::config::{Configs, Container, Dns, Endpoint, Link, Mode, Publish};

/// Reads objects and arrays of objects, one after the other. What is no container or network is named and left out.
pub fn parse(text: &[u8]) -> Result<(Configs, Vec<Finding>), serde_json::Error> {
    let mut read = Reader::default();
    for value in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
        read.value(&value?);
    }
    Ok((read.configs, read.findings))
}

/// Reads one object, or an array of them.
pub fn read(value: &Value) -> (Configs, Vec<Finding>) {
    let mut read = Reader::default();
    read.value(value);
    (read.configs, read.findings)
}

#[derive(Default)]
struct Reader {
    configs: Configs,
    findings: Vec<Finding>,
}

impl Reader {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.value(value)),
            Value::Object(_) if is_container(value) => {
                let container = self.container(value);
                self.configs.containers.push(container);
            }
            Value::Object(_) if is_network(value) => {
                let network = self.network(value);
                self.configs.networks.push(network);
            }
            _ => {
                let what = string(value, "Id").or_else(|| string(value, "Name")).unwrap_or("an object");
                self.find("not-a-container", what, "is neither a container nor a network; left out");
            }
        }
    }

    fn find(&mut self, code: &'static str, subject: &str, detail: impl Into<String>) {
        self.findings.push(Finding::new(code, detail).about(subject));
    }

    fn container(&mut self, value: &Value) -> Container {
        let (config, host, settings) = (&value["Config"], &value["HostConfig"], &value["NetworkSettings"]);
        let id = string(value, "Id").or_else(|| string(value, "ID")).unwrap_or_default().to_owned();
        let name = string(value, "Name").unwrap_or_default().trim_start_matches('/').to_owned();
        let subject = format!("container {}", if name.is_empty() { id.get(..12).unwrap_or(&id) } else { &name });
        let state = &value["State"];
        let running = ["Running", "Paused"].iter().any(|key| state[key].as_bool() == Some(true))
            || matches!(string(state, "Status"), Some("running" | "paused"));
        let mode = mode(config, host);
        let mut exposed: Vec<_> = keys(&config["ExposedPorts"]).filter_map(|key| self.port(key, &subject)).collect();
        let published = self.published(config, host, settings, &subject, running);
        exposed.extend(published.iter().map(|publish| (publish.port, publish.protocol)));
        exposed.sort();
        exposed.dedup();
        Container {
            running,
            started: time(&state["StartedAt"]),
            ended_before: time(&state["FinishedAt"]).is_some(),
            pid: if running { state["Pid"].as_u64().and_then(|pid| pid.try_into().ok()).unwrap_or(0) } else { 0 },
            sandbox: string(settings, "SandboxKey").unwrap_or_default().to_owned(),
            endpoints: self.endpoints(settings, &mode, &id, running, &subject),
            exposed,
            published,
            // What runs has said already which ports it got.
            publish_all: host["PublishAllPorts"] == true && !(running && settings["Ports"].is_object()),
            links: links(&host["Links"]),
            hostname: string(config, "Hostname").unwrap_or_default().to_owned(),
            domain: string(config, "Domainname").unwrap_or_default().to_owned(),
            extra_hosts: strings(&host["ExtraHosts"]).iter().filter_map(|entry| split_pair(entry)).collect(),
            dns: dns(config, host),
            hosts_path: string(value, "HostsPath").unwrap_or_default().to_owned(),
            resolv_conf_path: string(value, "ResolvConfPath").unwrap_or_default().to_owned(),
            mac: string(config, "MacAddress").and_then(mac),
            id,
            name,
            mode,
        }
    }

    /// What is published now; where nothing runs, what was asked for.
    fn published(
        &mut self,
        config: &Value,
        host: &Value,
        settings: &Value,
        subject: &str,
        running: bool,
    ) -> Vec<Publish> {
        let requested = self.bindings(&host["PortBindings"], "HostConfig.PortBindings", subject);
        if running && settings["Ports"].is_object() {
            let mut live = self.bindings(&settings["Ports"], "NetworkSettings.Ports", subject);
            ask(&mut live, &requested);
            return live;
        }
        let mapped = self.mapping(&settings["PortMapping"], subject);
        if !requested.is_empty() && (!running || mapped.is_empty()) {
            return requested;
        }
        let specs = strings(&config["PortSpecs"]);
        let specs = specs.iter().filter_map(|spec| self.spec(spec, subject)).collect();
        if running && !mapped.is_empty() { words::mapped(specs, mapped) } else { specs }
    }

    /// `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "443/tcp": null}`.
    fn bindings(&mut self, ports: &Value, from: &str, subject: &str) -> Vec<Publish> {
        let mut all = Vec::new();
        for key in keys(ports) {
            let Some((port, protocol)) = self.port(key, subject) else { continue };
            for binding in list(&ports[key]) {
                let text = match &binding["HostPort"] {
                    Value::Number(number) => number.to_string(),
                    other => other.as_str().unwrap_or_default().to_owned(),
                };
                let Some((first, last)) = port_range(&text) else {
                    self.find("port", subject, format!("host port '{text}' of {key} is no port; left out"));
                    continue;
                };
                let host_ip = match string(binding, "HostIp").filter(|text| !text.is_empty()) {
                    None => None,
                    Some(text) => match text.parse() {
                        Ok(address) => Some(address),
                        Err(_) => {
                            self.find(
                                "address",
                                subject,
                                format!("host address '{text}' of {key} is no address; left out"),
                            );
                            continue;
                        }
                    },
                };
                let from = format!("{from}[\"{key}\"]");
                all.push(Publish::at(port, protocol, host_ip, (first, last), from));
            }
        }
        all
    }

    /// `{"Tcp": {"6379": "49153"}, "Udp": {}}`; before 0.6 the TCP ports alone, without a name above them.
    fn mapping(&mut self, mapping: &Value, subject: &str) -> Vec<Publish> {
        let flat = mapping.get("Tcp").is_none() && mapping.get("Udp").is_none();
        let (tcp, place) = if flat { (mapping, "") } else { (&mapping["Tcp"], ".Tcp") };
        let mut all = Vec::new();
        for (ports, protocol, place) in [(tcp, Protocol::Tcp, place), (&mapping["Udp"], Protocol::Udp, ".Udp")] {
            for key in keys(ports) {
                let host = ports[key].as_str().and_then(|port| port.parse().ok());
                let (Ok(port), Some(host)) = (key.parse(), host) else {
                    self.find("port", subject, format!("port mapping '{key}' is no port; left out"));
                    continue;
                };
                let from = format!("NetworkSettings.PortMapping{place}[\"{key}\"]");
                all.push(Publish::at(port, protocol, None, (host, host), from));
            }
        }
        all
    }

    /// `80`, `8080:80`, `:80` (the same port), `127.0.0.1:8080:80`, each with `/udp` or without.
    fn spec(&mut self, spec: &str, subject: &str) -> Option<Publish> {
        let parsed = parse_spec(spec);
        if parsed.is_none() {
            self.find("port", subject, format!("port '{spec}' cannot be read; left out"));
        }
        parsed
    }

    fn port(&mut self, key: &str, subject: &str) -> Option<(u16, Protocol)> {
        let parsed = parse_port(key);
        if parsed.is_none() {
            self.find("port", subject, format!("port '{key}' cannot be read; left out"));
        }
        parsed
    }

    /// Endpoints: `NetworkSettings.Networks` from 1.9 on, one flat endpoint before.
    fn endpoints(&mut self, settings: &Value, mode: &Mode, id: &str, running: bool, subject: &str) -> Vec<Endpoint> {
        let wanted = match mode {
            Mode::Host | Mode::None | Mode::Container(_) => return Vec::new(),
            Mode::Default => "bridge",
            Mode::Named(name) => name,
        };
        let networks = &settings["Networks"];
        let found: Vec<_> = keys(networks).map(|name| self.endpoint(&networks[name], name, id, subject)).collect();
        if !found.is_empty() {
            return found;
        }
        // One that runs and is on no network was taken from its own; what else has none here was not yet put on it.
        let has_sandbox =
            ["SandboxKey", "SandboxID"].iter().all(|key| string(settings, key).is_some_and(|s| !s.is_empty()));
        if running && has_sandbox && networks.is_object() {
            return found;
        }
        vec![Endpoint { network_id: String::new(), ..self.endpoint(settings, wanted, id, subject) }]
    }

    fn endpoint(&mut self, value: &Value, name: &str, id: &str, subject: &str) -> Endpoint {
        let wanted = |key: &str| Some(Prefix::host(string(&value["IPAMConfig"], key)?.parse().ok()?));
        let gateway = |key: &str| string(value, key).and_then(|text| text.parse().ok());
        let option = |key: &str| string(&value["DriverOpts"], &format!("com.docker.network.endpoint.{key}"));
        let own = id.get(..12).unwrap_or(id);
        Endpoint {
            network: name.to_owned(),
            network_id: string(value, "NetworkID").unwrap_or_default().to_owned(),
            address: self.address(value, &ADDRESS, subject).or_else(|| wanted("IPv4Address")),
            gateway: gateway("Gateway"),
            address_v6: self.address(value, &ADDRESS_V6, subject).or_else(|| wanted("IPv6Address")),
            gateway_v6: gateway("IPv6Gateway"),
            mac: string(value, "MacAddress").and_then(mac),
            aliases: strings(&value["Aliases"]).into_iter().filter(|alias| alias != own).collect(),
            links: links(&value["Links"]),
            priority: value["GwPriority"].as_i64().unwrap_or(0),
            name: option("ifname").and_then(|name| self.interface(name, "interface", subject)),
            sysctls: self.sysctls(option("sysctls").unwrap_or_default(), subject),
        }
    }

    /// `net.ipv4.conf.IFNAME.forwarding=1,…` (moby v28.5.2 libnetwork/netlabel/labels.go, EndpointSysctls).
    fn sysctls(&mut self, text: &str, subject: &str) -> Vec<(String, String)> {
        let all = text.split(',').filter(|one| !one.is_empty());
        all.filter_map(|one| {
            let read = words::sysctl(one);
            if read.is_none() {
                self.find("sysctl", subject, format!("'{one}' is no setting of an interface; left out"));
            }
            read
        })
        .collect()
    }

    /// An address under one of these names, with the length of its network. One without a length has its network's.
    fn address(&mut self, value: &Value, names: &[(&str, &str)], subject: &str) -> Option<Prefix> {
        let found = names.iter().find_map(|(name, length)| Some((string(value, name)?, &value[length])));
        let (text, length) = found.filter(|(text, _)| !text.is_empty())?;
        let length = length.as_u64().filter(|length| *length > 0);
        let read = text.parse().ok().and_then(|address| match length {
            None => Some(Prefix::host(address)),
            Some(length) => Prefix::new(address, length.try_into().ok()?),
        });
        if read.is_none() {
            let said = length.map_or_else(|| text.to_owned(), |length| format!("{text}/{length}"));
            self.find("address", subject, format!("its address '{said}' is no address; it gets another"));
        }
        read
    }
}

/// What an endpoint's address and the length of its network are called, up to 0.4 in another way (moby v0.4.0 container.go).
const ADDRESS: [(&str, &str); 2] = [("IPAddress", "IPPrefixLen"), ("IpAddress", "IpPrefixLen")];
const ADDRESS_V6: [(&str, &str); 1] = [("GlobalIPv6Address", "GlobalIPv6PrefixLen")];

/// Whether an object is a container's.
fn is_container(value: &Value) -> bool {
    value.get("NetworkSettings").is_some_and(Value::is_object)
        || (value.get("Config").is_some() && value.get("State").is_some())
}

/// Whether an object is a network's.
fn is_network(value: &Value) -> bool {
    value.get("IPAM").is_some() && value.get("Driver").is_some()
}

/// Says of live ports which of them were asked for by number, and puts those of a port in the order in which they were
/// asked for. Both decide on the order in which docker makes rules.
fn ask(live: &mut [Publish], requested: &[Publish]) {
    let mut wanted: BTreeMap<(u16, Protocol), Vec<&Publish>> = BTreeMap::new();
    requested.iter().for_each(|publish| wanted.entry((publish.port, publish.protocol)).or_default().push(publish));
    let mut places = BTreeMap::new();
    for publish in live.iter_mut() {
        let key = (publish.port, publish.protocol);
        publish.asked = wanted.contains_key(&key);
        let same = wanted.get(&key).map(Vec::as_slice).unwrap_or_default();
        let fits = |wanted: &&&Publish| (wanted.host_port..=wanted.host_port_end).contains(&publish.host_port);
        let found = same.iter().filter(fits).max_by_key(|wanted| wanted.host_port);
        (publish.requested, publish.exact) = found.map_or((0, false), |wanted| (wanted.host_port, wanted.exact));
        let group = places.len();
        places.entry(key).or_insert(group);
    }
    let place = |publish: &Publish| {
        let same = wanted.get(&(publish.port, publish.protocol)).map(Vec::as_slice).unwrap_or_default();
        let ip = |publish: &Publish| publish.host_ip.filter(|ip| !ip.is_unspecified());
        let fits = |wanted: &&Publish| (wanted.host_port..=wanted.host_port_end).contains(&publish.host_port);
        let exact = same.iter().position(|wanted| fits(wanted) && ip(wanted) == ip(publish));
        // What was asked for without an address got the network's, or the daemon's (`--ip`).
        let found = exact.or_else(|| same.iter().position(|wanted| fits(wanted) && ip(wanted).is_none()));
        (places.get(&(publish.port, publish.protocol)).copied(), found.unwrap_or(same.len()))
    };
    live.sort_by_key(place);
}

fn mode(config: &Value, host: &Value) -> Mode {
    if config["NetworkDisabled"].as_bool() == Some(true) {
        return Mode::None;
    }
    match string(host, "NetworkMode").unwrap_or_default() {
        "" | "default" | "bridge" => Mode::Default,
        "host" => Mode::Host,
        "none" => Mode::None,
        other => match other.strip_prefix("container:") {
            Some(container) => Mode::Container(container.to_owned()),
            None => Mode::Named(other.to_owned()),
        },
    }
}

/// `/target:/self/alias`, or `target:alias`, or `target`.
fn links(value: &Value) -> Vec<Link> {
    strings(value)
        .iter()
        .map(|text| {
            let (target, alias) = text.split_once(':').unwrap_or((text, text));
            let target = target.trim_start_matches('/').to_owned();
            Link { alias: alias.rsplit('/').next().unwrap_or(alias).to_owned(), target }
        })
        .collect()
}

fn dns(config: &Value, host: &Value) -> Dns {
    let servers = strings(&host["Dns"]);
    Dns {
        servers: if servers.is_empty() { strings(&config["Dns"]) } else { servers },
        search: strings(&host["DnsSearch"]),
        options: strings(&host["DnsOptions"]),
    }
}

fn split_pair(entry: &str) -> Option<(String, String)> {
    let (name, address) = entry.split_once([':', '='])?;
    Some((name.to_owned(), address.to_owned()))
}

fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value.as_str()?).filter(|time| !time.is_zero())
}

fn string<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn strings(value: &Value) -> Vec<String> {
    list(value).filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str())
}
