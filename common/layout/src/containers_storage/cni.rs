//! Networks of podman before 4: a CNI list of plugins each, told in the shape of netavark's files
//! (podman v3.4.4 libpod/network/cni/cni_conversion.go; containernetworking/cni SPEC 0.4).

use hostfs::Root;
use model::{HostPath, Store, Timestamp};
use serde_json::{Map, Value, json};

use crate::docker_content::records::sha256;
use crate::json::{self, Notes};

/// Files of CNI, where the root has the old host's `/etc`, or the home of the user whose storage it is.
pub(crate) fn files(root: &Root, store: &Store) -> Vec<HostPath> {
    let of_user = store.home.as_bytes().strip_suffix(b".local/share/containers/storage").map(HostPath::new);
    let folders = match of_user {
        Some(home) => vec![home.join(".config/cni/net.d")],
        None => vec![HostPath::new("etc/cni/net.d")],
    };
    folders.iter().flat_map(|folder| super::names_in(root, folder, b".conflist")).collect()
}

/// A CNI list in netavark's shape.
pub(crate) fn read(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<Value> {
    let list = json::read_value(root, path, notes.at(path))?;
    // Podman 3 takes the time of the file too; of its times a copy of a disk keeps this one alone.
    let changed = root.stat(path).ok().map(|stat| stat.mtime);
    Some(converted(&list, changed))
}

/// Whether a record is one of CNI's.
pub(crate) fn is_one(path: &HostPath) -> bool {
    path.as_bytes().ends_with(b".conflist")
}

fn converted(list: &Value, created: Option<Timestamp>) -> Value {
    let name = text(list, "name");
    let plugins = list.get("plugins").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let first = plugins.first().unwrap_or(&Value::Null);
    let driver = text(first, "type");
    let subnets = subnets(first);
    let ipv6 = subnets.iter().any(|subnet| text(subnet, "subnet").contains(':'));
    let is_gateway = first.get("isGateway").and_then(Value::as_bool).unwrap_or(false);
    json!({
        "name": name,
        // The list has none: podman makes it of the name (getNetworkIDFromName).
        "id": sha256(name.as_bytes()).hex(),
        "driver": driver,
        "network_interface": text(first, if driver == "bridge" { "bridge" } else { "master" }),
        "created": created.map(Timestamp::rfc3339),
        "subnets": subnets,
        "ipv6_enabled": ipv6,
        "internal": driver == "bridge" && !is_gateway,
        "dns_enabled": plugins.iter().any(|plugin| text(plugin, "type") == "dnsname"),
        "labels": argument(list, "podman_labels"),
        "options": options(list, first),
        "ipam_options": {"driver": text(first.get("ipam").unwrap_or(&Value::Null), "type")},
        "cni": list,
    })
}

/// Lists of ranges, each with its subnet and perhaps a gateway.
fn subnets(plugin: &Value) -> Vec<Value> {
    let ranges = plugin.pointer("/ipam/ranges").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let all = ranges.iter().filter_map(Value::as_array).flatten();
    all.map(|range| json!({"subnet": text(range, "subnet"), "gateway": text(range, "gateway")})).collect()
}

/// What podman was asked for, and what of it stands with the plugin itself.
fn options(list: &Value, plugin: &Value) -> Value {
    let mut options = match argument(list, "podman_options") {
        Value::Object(options) => options,
        _ => Map::new(),
    };
    for key in ["mtu", "vlan"] {
        if let Some(number) = plugin.get(key).and_then(Value::as_u64).filter(|&number| number != 0) {
            options.entry(key).or_insert_with(|| number.to_string().into());
        }
    }
    Value::Object(options)
}

fn argument(list: &Value, key: &str) -> Value {
    list.get("args").and_then(|args| args.get(key)).cloned().unwrap_or_else(|| json!({}))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_that_podman_3_comes_with_is_told_as_netavark_would() {
        // cni/87-podman-bridge.conflist of podman v3.4.4, shortened by the plugins that say nothing here.
        let list = json!({"cniVersion": "0.4.0", "name": "podman", "plugins": [
            {"type": "bridge", "bridge": "cni-podman0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
             "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}],
                      "ranges": [[{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]]}},
            {"type": "portmap", "capabilities": {"portMappings": true}}]});
        let told = converted(&list, None);
        // As 'podman network ls' says it, on every host alike.
        assert_eq!(text(&told, "id"), "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9");
        assert_eq!(text(&told, "network_interface"), "cni-podman0");
        assert_eq!(told["subnets"], json!([{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]));
        assert_eq!((&told["internal"], &told["ipv6_enabled"]), (&json!(false), &json!(false)));
    }

    #[test]
    fn a_list_of_anything_else_is_told_as_far_as_it_goes() {
        for list in
            [json!({}), json!({"plugins": 3}), json!({"name": "x", "plugins": [7, {"ipam": {"ranges": [1, [2]]}}]})]
        {
            converted(&list, None);
        }
    }
}
