//! Addresses, interfaces and processes that containers had, as recorded.

use std::net::IpAddr;

use cli::Findings;
use host::Host;
use model::Container;
use serde_json::Value;

use crate::answer::{Answer, Owner};
use crate::question::{Question, ids};

/// Keys of inspect and of old runtimes' state that hold what is looked for, with words for it.
const KEYS: &[(&str, &str)] = &[
    ("GlobalIPv6Address", "IP address"),
    ("IPAddress", "IP address"),
    ("LinkLocalIPv6Address", "IP address"),
    ("MacAddress", "MAC address"),
    ("SandboxKey", NAMESPACE),
    ("host_interface_name", "network interface"),
    ("init_pid", "process"),
    ("mac_address", "MAC address"),
    ("veth_child", "network interface"),
    ("veth_host", "network interface"),
];

/// Words for the file that holds a container's network namespace: `/var/run/docker/netns/ID`.
const NAMESPACE: &str = "network namespace";

/// What containers had.
pub struct Tokens {
    list: Vec<(String, &'static str, Owner)>,
}

impl Tokens {
    /// Gathers it.
    pub fn new(host: &Host, containers: &[Container], findings: &mut Findings) -> Tokens {
        let mut list = Vec::new();
        for container in containers {
            let owner = Owner::from(container);
            if container.state.pid > 0 {
                list.push((container.state.pid.to_string(), "process", owner.clone()));
            }
            let shown = findings.take(layout::inspect_container(host.root(), host.stores(), container));
            gather(&shown, &owner, &mut list);
        }
        for store in host.stores() {
            for (name, id) in findings.take(layout::interfaces(host.root(), store)) {
                let owner = containers.iter().find(|container| container.id.as_str() == id).map(Owner::from);
                list.extend(owner.map(|owner| (name, "network interface", owner)));
            }
        }
        Tokens { list }
    }

    /// Whose it is.
    pub fn of(&self, question: &Question) -> Vec<Answer> {
        let hits = self.list.iter().filter(|(text, why, _)| match question {
            Question::Ip(ip) => *why == "IP address" && text.parse::<IpAddr>() == Ok(*ip),
            Question::Mac(mac) => text.eq_ignore_ascii_case(mac),
            Question::Pid(pid) => *why == "process" && *text == pid.to_string(),
            Question::Name(name) if *why == NAMESPACE => is_namespace(name, text),
            Question::Name(name) => *why == "network interface" && text == name,
        });
        hits.map(|(_, why, owner)| Answer::plain(owner.clone(), *why)).collect()
    }
}

/// Whether the two are one file; `default` is the host's own.
fn is_namespace(name: &str, recorded: &str) -> bool {
    let bare = |path: &str| path.strip_prefix("/var").unwrap_or(path).to_string();
    name.contains("/netns/") && bare(name) == bare(recorded) && !recorded.ends_with("/default")
}

/// The containers whose ids a cgroup path or a bare id holds.
pub fn by_id(path: &str, containers: &[Container]) -> Vec<Answer> {
    let named = |container: &&Container| ids(path).any(|id| container.id.as_str().starts_with(id));
    let why = if path.contains('/') { "cgroup" } else { "id" };
    containers.iter().filter(named).map(|container| Answer::plain(container.into(), why)).collect()
}

fn gather(value: &Value, owner: &Owner, list: &mut Vec<(String, &'static str, Owner)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (KEYS.iter().find(|(known, _)| known == key), value) {
                    (Some((_, why)), Value::String(text)) if !text.is_empty() => {
                        list.push((text.clone(), why, owner.clone()));
                    }
                    (Some((_, why)), Value::Number(number)) => list.push((number.to_string(), why, owner.clone())),
                    _ => gather(value, owner, list),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, owner, list)),
        _ => {}
    }
}
