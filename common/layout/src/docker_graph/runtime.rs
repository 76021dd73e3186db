//! What a container's runtime left: `config.lxc`, and `container.json`, `state.json`, `pid` of the native driver.
//!
//! They say again, and more finely, what the record says; where the two disagree about a container that was running,
//! that is a finding. Sources: lxc_template.go (moby v0.6.4); execdriver/native/driver.go (v0.9.0); libcontainer
//! config.go and state.go as vendored in v1.2.0. From 1.6 on they lie in /run, outside of the root.

use hostfs::Root;
use model::{Container, HostPath, Store};
use serde_json::{Map, Value, json};

use crate::docker::folders;
use crate::json::{self as record, Notes};

/// What the runtime left of a container, under the names that inspect shows; null where it left nothing.
pub(crate) fn read(
    root: &Root,
    store: &Store,
    container: &Container,
    known: &Map<String, Value>,
    notes: &mut Notes,
) -> Value {
    let mut out = Map::new();
    let lxc = folders::of(store, &container.id).join("config.lxc");
    if let Some(raw) = record::read_if_there(root, &lxc, notes) {
        let config = Lxc::parse(&raw);
        compare(&config.claims(), known, notes.at(&lxc));
        out.insert("Lxc".into(), config.into_value());
    }
    let native = native(store, container);
    for (name, file) in [("Container", "container.json"), ("State", "state.json")] {
        let path = native.join(file);
        if let Some(value) =
            record::read_if_there(root, &path, notes).and_then(|raw| record::value(&raw, notes.at(&path)))
        {
            compare(&claims(&value), known, notes.at(&path));
            out.insert(name.into(), value);
        }
    }
    let pid = native.join("pid");
    if let Some(raw) = record::read_if_there(root, &pid, notes) {
        let pid_text = String::from_utf8_lossy(&raw).trim().to_string();
        compare(&[("State.Pid", pid_text.clone())], known, notes.at(&pid));
        out.insert("Pid".into(), pid_text.into());
    }
    if out.is_empty() { Value::Null } else { out.into() }
}

/// `execdriver/native/<id>`.
fn native(store: &Store, container: &Container) -> HostPath {
    store.home.join("execdriver/native").join(container.id.as_str())
}

/// A claim about a container: where the record has it (keys with dots), and what it should hold.
type Claim = (&'static str, String);

/// Reports where the record of a running container says otherwise. Of one that ended, the record is the newer.
fn compare(claims: &[Claim], known: &Map<String, Value>, notes: &mut Notes) {
    if known.get("State").and_then(|state| state.get("Running")) != Some(&Value::Bool(true)) {
        return;
    }
    for (key, claimed) in claims {
        let value = key.split('.').try_fold(None::<&Value>, |at, part| {
            Some(Some(match at {
                None => known.get(part)?,
                Some(table) => table.get(part)?,
            }))
        });
        let recorded = match value.flatten() {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => continue,
        };
        if !recorded.is_empty() && recorded != *claimed {
            notes
                .add("records-differ", format!("{key} is '{claimed}' here and '{recorded}' in the container's record"));
        }
    }
}

/// `config.lxc`: keys with their values, in order; a key may come several times.
struct Lxc {
    lines: Vec<(String, String)>,
}

impl Lxc {
    fn parse(raw: &[u8]) -> Lxc {
        let text = String::from_utf8_lossy(raw);
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pair =
            |line: &str| line.split_once('=').map(|(key, value)| (key.trim().to_string(), value.trim().to_string()));
        Lxc { lines: lines.filter_map(pair).collect() }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.lines.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    fn claims(&self) -> Vec<Claim> {
        let mut out = Vec::new();
        let mut claim = |key, value: Option<&str>| out.extend(value.map(|value| (key, value.to_string())));
        claim("Config.Hostname", self.get("lxc.utsname"));
        claim("NetworkSettings.Bridge", self.get("lxc.network.link"));
        let address = self.get("lxc.network.ipv4").and_then(|text| text.split_once('/'));
        claim("NetworkSettings.IPAddress", address.map(|(ip, _)| ip));
        claim("NetworkSettings.IPPrefixLen", address.map(|(_, length)| length));
        out
    }

    fn into_value(self) -> Value {
        let mut out = Map::new();
        for (key, value) in self.lines {
            if let Some(values) = out.entry(key).or_insert(json!([])).as_array_mut() {
                values.push(value.into());
            }
        }
        out.into()
    }
}

/// What `container.json` or `state.json` claims.
fn claims(value: &Value) -> Vec<Claim> {
    let mut out = Vec::new();
    if let Some(hostname) = value.get("hostname").and_then(Value::as_str) {
        // The domain follows the name where there is one (daemon/execdriver/native/create.go, v1.2.0 takes Config.Hostname alone).
        out.push(("Config.Hostname", hostname.split('.').next().unwrap_or(hostname).to_string()));
    }
    if let Some(pid) = value.get("init_pid").and_then(Value::as_i64) {
        out.push(("State.Pid", pid.to_string()));
    }
    let networks = value.get("networks").and_then(Value::as_array);
    let veth =
        networks.into_iter().flatten().find(|network| network.get("type").and_then(Value::as_str) == Some("veth"));
    let text = |key: &str| veth.and_then(|network| network.get(key)?.as_str()).map(String::from);
    if let Some((ip, length)) = text("address").as_deref().and_then(|address| address.split_once('/')) {
        out.push(("NetworkSettings.IPAddress", ip.into()));
        out.push(("NetworkSettings.IPPrefixLen", length.into()));
    }
    out.extend(text("gateway").map(|gateway| ("NetworkSettings.Gateway", gateway)));
    out.extend(text("bridge").map(|bridge| ("NetworkSettings.Bridge", bridge)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(claims: &[Claim], record: Value) -> Vec<String> {
        let Value::Object(known) = record else { panic!("an object") };
        let mut notes = Notes::new("", &HostPath::default());
        compare(claims, &known, &mut notes);
        notes.list.into_iter().map(|finding| finding.detail).collect()
    }

    #[test]
    fn records_that_disagree_are_reported_for_a_running_container() {
        // Lines of a config.lxc that docker 0.6.4 wrote.
        let lxc = Lxc::parse(b"# hostname\n\nlxc.utsname = 0340a5243183\n#lxc.aa_profile = unconfined\nlxc.network.link = docker0\nlxc.network.ipv4 = 172.17.0.23/16\n");
        let record = |running: bool, ip: &str| json!({ "State": { "Running": running }, "Config": { "Hostname": "0340a5243183" }, "NetworkSettings": { "IPAddress": ip, "IPPrefixLen": 16 } });
        assert_eq!(differences(&lxc.claims(), record(true, "172.17.0.23")), Vec::<String>::new());
        assert_eq!(differences(&lxc.claims(), record(false, "172.17.0.99")), Vec::<String>::new());
        assert_eq!(
            differences(&lxc.claims(), record(true, "172.17.0.99")),
            ["NetworkSettings.IPAddress is '172.17.0.23' here and '172.17.0.99' in the container's record"]
        );
    }

    #[test]
    fn libcontainers_files_are_understood() {
        // Excerpts of what docker 1.2.0 wrote.
        let container = json!({ "hostname": "093b093572a4", "networks": [{ "type": "loopback", "address": "127.0.0.1/0" }, { "type": "veth", "bridge": "docker0", "address": "172.17.0.22/16", "gateway": "172.17.42.1" }] });
        let claims: Vec<String> = claims(&container).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            claims,
            [
                "Config.Hostname=093b093572a4",
                "NetworkSettings.IPAddress=172.17.0.22",
                "NetworkSettings.IPPrefixLen=16",
                "NetworkSettings.Gateway=172.17.42.1",
                "NetworkSettings.Bridge=docker0"
            ]
        );
    }

    #[test]
    fn repeated_keys_of_config_lxc_are_all_kept() {
        let lxc = Lxc::parse(b"lxc.mount.entry = proc a\nlxc.mount.entry = sysfs b\n");
        assert_eq!(lxc.into_value(), json!({ "lxc.mount.entry": ["proc a", "sysfs b"] }));
    }
}
