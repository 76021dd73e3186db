//! Links: what a container is told of another one under an alias, in its variables and its hosts file.
//!
//! As docker has it since 1.10 (moby v20.10.24 daemon/links/links.go, daemon/container_operations.go).

use host::Host;
use serde_json::Value;

use crate::LifeError;

/// One line of a hosts file: the address, and the names that lead to it.
pub type Line = (String, String);

/// What links give a container.
#[derive(Debug, Default)]
pub struct Links {
    /// Variables, `K=V`.
    pub env: Vec<String>,
    /// Lines of its hosts file.
    pub hosts: Vec<Line>,
}

impl Links {
    /// Adds another's.
    pub fn add(&mut self, more: Links) {
        self.env.extend(more.env);
        self.hosts.extend(more.hosts);
    }
}

/// One link that is asked for: whose, to whom, under which name.
pub struct Wanted {
    own: String,
    target: String,
    alias: String,
}

/// The links that a container on the default network asks for. On others its names are answered by a resolver.
pub fn wanted(inspect: &Value) -> Vec<Wanted> {
    let own = inspect["Name"].as_str().unwrap_or_default().trim_start_matches('/');
    let mode = inspect["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
    if !matches!(mode, "" | "default" | "bridge") {
        return Vec::new();
    }
    let texts = inspect["HostConfig"]["Links"].as_array().into_iter().flatten().filter_map(Value::as_str);
    texts
        .map(|text| {
            let (target, alias) = text.split_once(':').unwrap_or((text, text));
            let alias = alias.rsplit('/').next().unwrap_or(alias).to_string();
            Wanted { own: own.to_string(), target: target.trim_start_matches('/').to_string(), alias }
        })
        .collect()
}

/// What one link gives. The other container must run.
pub fn one(host: &Host, wanted: &Wanted) -> Result<Links, LifeError> {
    let Wanted { own, target, alias } = wanted;
    let (_, child) = crate::peers::inspect(host, target)?;
    let Some(address) = address(&child) else {
        return Err(LifeError::LinkToStopped { target: name(&child).to_string(), alias: format!("/{own}/{alias}") });
    };
    let env = env(&child, own, alias, &address);
    let hosts = vec![(address, aliases(&child, alias))];
    Ok(Links { env, hosts })
}

fn name(child: &Value) -> &str {
    child["Name"].as_str().unwrap_or_default()
}

/// Its address, where it runs.
fn address(child: &Value) -> Option<String> {
    crate::runtime::living(child)?;
    let settings = &child["NetworkSettings"];
    let said = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_string);
    said(&settings["Networks"]["bridge"]["IPAddress"]).or_else(|| said(&settings["IPAddress"]))
}

/// The alias, its own host name, and its name where that is another.
fn aliases(child: &Value, alias: &str) -> String {
    let own = name(child).trim_start_matches('/');
    let hostname = child["Config"]["Hostname"].as_str().unwrap_or_default();
    if own == alias { format!("{alias} {hostname}") } else { format!("{alias} {hostname} {own}") }
}

/// Docker's variables of a link.
fn env(child: &Value, own: &str, alias: &str, address: &str) -> Vec<String> {
    let prefix = alias.to_uppercase().replace('-', "_");
    let ports = ports(child);
    let mut all = Vec::new();
    if let Some((port, protocol)) = ports.first() {
        all.push(format!("{prefix}_PORT={protocol}://{address}:{port}"));
    }
    all.extend(runs(&ports).iter().flat_map(|(first, last)| run(&prefix, address, first, last)));
    for (port, protocol) in &ports {
        let key = format!("{prefix}_PORT_{port}_{}", protocol.to_uppercase());
        all.push(format!("{key}={protocol}://{address}:{port}"));
        all.push(format!("{key}_ADDR={address}"));
        all.push(format!("{key}_PORT={port}"));
        all.push(format!("{key}_PROTO={protocol}"));
    }
    all.push(format!("{prefix}_NAME=/{own}/{alias}"));
    let theirs = child["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let told = theirs.filter_map(|pair| pair.split_once('=')).filter(|(key, _)| !matches!(*key, "HOME" | "PATH"));
    all.extend(told.map(|(key, value)| format!("{prefix}_ENV_{key}={value}")));
    all
}

type Port = (u16, String);

/// Lowest first; of one number TCP first.
fn ports(child: &Value) -> Vec<Port> {
    let keys = child["Config"]["ExposedPorts"].as_object().into_iter().flatten().map(|(key, _)| key);
    let mut all: Vec<Port> = keys
        .filter_map(|key| {
            let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
            Some((port.parse().ok()?, protocol.to_string()))
        })
        .collect();
    all.sort_by_key(|(port, protocol)| (*port, protocol != "tcp", protocol.clone()));
    all
}

/// Ports that follow each other, at least two: the first and the last of each run.
fn runs(ports: &[Port]) -> Vec<(Port, Port)> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < ports.len() {
        let mut end = at;
        // As docker counts: each further port may be at most as many above the first as there are ports between.
        while end + 1 < ports.len() && usize::from(ports[end + 1].0) <= usize::from(ports[at].0) + (end + 1 - at) {
            end += 1;
        }
        if end > at + 1 {
            all.push((ports[at].clone(), ports[end].clone()));
            at = end;
        }
        at += 1;
    }
    all
}

fn run(prefix: &str, address: &str, first: &Port, last: &Port) -> Vec<String> {
    let key = format!("{prefix}_PORT_{}_{}", first.0, first.1.to_uppercase());
    let end = format!("{prefix}_PORT_{}_{}", last.0, last.1.to_uppercase());
    vec![
        format!("{key}_START={}://{address}:{}", first.1, first.0),
        format!("{key}_ADDR={address}"),
        format!("{key}_PROTO={}", first.1),
        format!("{key}_PORT_START={}", first.0),
        format!("{end}_END={}://{address}:{}", last.1, last.0),
        format!("{key}_PORT_END={}", last.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_of_a_link_are_dockers() {
        // As docker 20.10.24 gave them to a container linked as web-db to one that exposes these ports.
        let child = json!({"Name": "/c2", "Config": {"Hostname": "af1346e2493d", "ExposedPorts": {"80/tcp": {}, "443/tcp": {}, "53/udp": {}}, "Env": ["FOO=bar", "EQ=a=b", "PATH=/bin", "HOME=/"]}});
        let made = env(&child, "c7", "web-db", "172.17.0.3");
        assert_eq!(made[0], "WEB_DB_PORT=udp://172.17.0.3:53");
        assert_eq!(
            &made[1..5],
            [
                "WEB_DB_PORT_53_UDP=udp://172.17.0.3:53",
                "WEB_DB_PORT_53_UDP_ADDR=172.17.0.3",
                "WEB_DB_PORT_53_UDP_PORT=53",
                "WEB_DB_PORT_53_UDP_PROTO=udp"
            ]
        );
        assert_eq!(made[13..], ["WEB_DB_NAME=/c7/web-db", "WEB_DB_ENV_FOO=bar", "WEB_DB_ENV_EQ=a=b"]);
        assert_eq!(aliases(&child, "web-db"), "web-db af1346e2493d c2");
    }

    #[test]
    fn ports_that_follow_each_other_are_also_told_as_a_run() {
        let child = json!({"Config": {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}, "82/tcp": {}}}});
        assert_eq!(
            env(&child, "c", "a", "10.0.0.2")[1..7],
            [
                "A_PORT_80_TCP_START=tcp://10.0.0.2:80",
                "A_PORT_80_TCP_ADDR=10.0.0.2",
                "A_PORT_80_TCP_PROTO=tcp",
                "A_PORT_80_TCP_PORT_START=80",
                "A_PORT_82_TCP_END=tcp://10.0.0.2:82",
                "A_PORT_80_TCP_PORT_END=82"
            ]
        );
    }
}
