//! Podman's records in the shape of docker's inspect. What docker has no key for stands under `Podman`, as recorded.

use model::{Container, Image, Mount, Network, Protocol, Store, Volume};
use serde_json::{Map, Value, json};

use super::age::Age;
use super::containers::Parts;
use super::records;
use crate::containerd::inspect::{mount, state, time};
use crate::oci::config::ImageConfig;
use crate::oci::spec::{Spec, texts};

/// A container that libpod knows.
pub(crate) fn container(store: &Store, container: &Container, parts: &Parts, pod: &Value) -> Value {
    let view = Spec::new(&parts.spec);
    let (path, args) = view.command();
    let config = &parts.config;
    json!({
        "Id": container.id.as_str(),
        "Created": time(container.created),
        "Path": path,
        // Of a single word podman makes both (libpod/container_inspect.go, v5.8.2).
        "Args": if args.is_empty() && !path.is_empty() { vec![path.clone()] } else { args },
        "State": state(&container.state),
        "Image": image_id(container),
        "ResolvConfPath": bind(parts, "/etc/resolv.conf"),
        "HostnamePath": bind(parts, "/etc/hostname"),
        "HostsPath": bind(parts, "/etc/hosts"),
        "LogPath": config.get("logPath").cloned().unwrap_or("".into()),
        "Name": format!("/{}", container.names.first().map_or("", String::as_str)),
        "RestartCount": parts.state.get("restartCount").and_then(Value::as_i64).unwrap_or(0),
        "Driver": &*container.driver,
        "Platform": "linux",
        "MountLabel": config.get("mountLabel").cloned().unwrap_or("".into()),
        "ProcessLabel": config.get("processLabel").cloned().unwrap_or("".into()),
        "HostConfig": host_config(parts, &view),
        "GraphDriver": {"Data": null, "Name": &*container.driver},
        "Mounts": container.mounts.iter().map(|mount| mounted(mount, parts)).collect::<Vec<_>>(),
        "Config": own_config(container, parts, &view),
        "NetworkSettings": network_settings(parts),
        "Podman": {"Config": config, "State": parts.state, "Pod": pod, "Storage": String::from_utf8_lossy(&store.recorded)},
    })
}

/// A container that only containers/storage knows.
pub(crate) fn stored_only(container: &Container, entry: Value) -> Value {
    json!({
        "Id": container.id.as_str(),
        "Created": time(container.created),
        "Path": "",
        "Args": [],
        "State": state(&container.state),
        "Image": image_id(container),
        "Name": format!("/{}", container.names.first().map_or("", String::as_str)),
        "Driver": &*container.driver,
        "Platform": "linux",
        "HostConfig": {},
        "GraphDriver": {"Data": null, "Name": &*container.driver},
        "Mounts": [],
        "Config": {"Image": container.image, "Labels": object(&container.labels)},
        "NetworkSettings": {"Networks": {}, "Ports": {}},
        "Podman": {"Storage": entry},
    })
}

/// A mount, with the propagation that its options name.
fn mounted(one: &Mount, parts: &Parts) -> Value {
    const WORDS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
    let is_this = |key: &str, value: &Value| value.get(key).and_then(Value::as_str) == Some(&one.destination);
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let volume = list(parts.config.get("namedVolumes")).into_iter().find(|volume| is_this("dest", volume));
    let found =
        volume.or_else(|| list(parts.spec.get("mounts")).into_iter().find(|mount| is_this("destination", mount)));
    let options = found.map(|found| texts(found.get("options").unwrap_or(&Value::Null))).unwrap_or_default();
    let mut out = mount(one);
    let said = |words: &[&str]| options.iter().rfind(|it| words.contains(&it.as_str())).cloned().unwrap_or_default();
    out["Propagation"] = said(&WORDS).into();
    out["Mode"] = said(&["z", "Z"]).into();
    out
}

fn image_id(container: &Container) -> String {
    container.image_id.as_ref().map_or(String::new(), |id| format!("sha256:{}", id.as_str()))
}

fn bind(parts: &Parts, inside: &str) -> Value {
    parts.state.get("bindMounts").and_then(|binds| binds.get(inside)).cloned().unwrap_or("".into())
}

fn object(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
}

fn own_config(container: &Container, parts: &Parts, spec: &Spec) -> Value {
    let config = &parts.config;
    let list = |key: &str| texts(config.get(key).unwrap_or(&Value::Null));
    let hostname = parts.hostname.as_deref().unwrap_or(container.id.short());
    let ports = parts.exposed.iter().copied().chain(parts.ports.iter().map(|binding| (binding.port, binding.protocol)));
    json!({
        "Hostname": hostname,
        "Domainname": "",
        "User": config.get("user").cloned().unwrap_or("".into()),
        "Tty": spec.at("/process/terminal").as_bool().unwrap_or(false),
        "OpenStdin": config.get("stdin").and_then(Value::as_bool).unwrap_or(false),
        "StdinOnce": false,
        "Env": environment(parts, spec),
        "Cmd": list("command"),
        "Healthcheck": config.get("healthcheck").cloned(),
        "Image": container.image,
        "Volumes": null,
        "WorkingDir": spec.at("/process/cwd").as_str().unwrap_or_default(),
        "Entrypoint": list("entrypoint"),
        "ExposedPorts": ports.map(|(port, protocol)| (key(port, protocol), json!({}))).collect::<Map<_, _>>(),
        "Labels": object(&container.labels),
        "StopSignal": config.get("stopSignal").map(|signal| signal.to_string()).unwrap_or_default(),
        "StopTimeout": config.get("stopTimeout").cloned(),
    })
}

fn key(port: u16, protocol: Protocol) -> String {
    format!("{port}/{}", protocol.word())
}

fn host_config(parts: &Parts, spec: &Spec) -> Value {
    let config = &parts.config;
    let number = |path: &str| spec.at(path).as_i64().unwrap_or(0);
    let flag = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
    let annotation = spec.at("/annotations").get("io.podman.annotations.autoremove").and_then(Value::as_str);
    json!({
        "LogConfig": {"Type": text("logDriver"), "Config": null},
        "NetworkMode": text("networkMode"),
        "PortBindings": bindings(parts, false),
        "RestartPolicy": {"Name": restart_policy(parts), "MaximumRetryCount": config.get("restart_retries").and_then(Value::as_i64).unwrap_or(0)},
        "AutoRemove": annotation == Some("TRUE"),
        "Privileged": flag("privileged"),
        "ReadonlyRootfs": spec.at("/root/readonly").as_bool().unwrap_or(false),
        "Dns": texts(config.get("dnsServer").unwrap_or(&Value::Null)),
        "DnsSearch": texts(config.get("dnsSearch").unwrap_or(&Value::Null)),
        "ExtraHosts": texts(config.get("hostsAdd").unwrap_or(&Value::Null)),
        "GroupAdd": texts(config.get("groups").unwrap_or(&Value::Null)),
        "ShmSize": config.get("shmSize").and_then(Value::as_i64).unwrap_or(0),
        "OomScoreAdj": number("/process/oomScoreAdj"),
        "Memory": number("/linux/resources/memory/limit"),
        "MemorySwap": number("/linux/resources/memory/swap"),
        "MemoryReservation": number("/linux/resources/memory/reservation"),
        "CpuShares": number("/linux/resources/cpu/shares"),
        "CpuPeriod": number("/linux/resources/cpu/period"),
        "CpuQuota": number("/linux/resources/cpu/quota"),
        "CpusetCpus": spec.at("/linux/resources/cpu/cpus").as_str().unwrap_or_default(),
        "CpusetMems": spec.at("/linux/resources/cpu/mems").as_str().unwrap_or_default(),
        "PidsLimit": number("/linux/resources/pids/limit"),
        "CgroupParent": text("cgroupParent"),
        "Runtime": text("runtime"),
    })
}

/// The policy; podman says `no` for none from 5.1 on (libpod/container_inspect.go, v5.1.0).
fn restart_policy(parts: &Parts) -> &str {
    match parts.config.get("restart_policy").and_then(Value::as_str).unwrap_or_default() {
        "" if parts.age >= Age::From5_0 => "no",
        policy => policy,
    }
}

/// The environment; a secret's value stays hidden, as podman hides it (libpod/container_inspect.go, v5.8.2).
fn environment(parts: &Parts, spec: &Spec) -> Vec<String> {
    let secrets = parts.config.get("secret_env");
    let one = |variable: String| {
        let name = variable.split('=').next().unwrap_or_default();
        let secret = secrets.and_then(|all| all.get(name)?.get("name")?.as_str());
        secret.map_or_else(|| variable.clone(), |secret| format!("{secret}=*******"))
    };
    texts(spec.at("/process/env")).into_iter().map(one).collect()
}

/// Ports as docker's maps have them: published with a list, exposed only with null.
fn bindings(parts: &Parts, with_exposed: bool) -> Map<String, Value> {
    let mut out = Map::new();
    for binding in &parts.ports {
        let (address, port) = binding.host.unwrap_or((None, 0));
        let host =
            json!({"HostIp": address.map(|it| it.to_string()).unwrap_or_default(), "HostPort": port.to_string()});
        match out.entry(key(binding.port, binding.protocol)).or_insert_with(|| json!([])) {
            Value::Array(list) => list.push(host),
            _ => unreachable!("only lists are put in"),
        }
    }
    if with_exposed {
        for (port, protocol) in &parts.exposed {
            out.entry(key(*port, *protocol)).or_insert(Value::Null);
        }
    }
    out
}

fn network_settings(parts: &Parts) -> Value {
    let status = parts.state.get("networkStatus").unwrap_or(&Value::Null);
    let one = |(name, options): &(String, Value)| {
        (name.clone(), endpoint(name, options, status.get(name).unwrap_or(&Value::Null)))
    };
    json!({"Networks": parts.networks.iter().map(one).collect::<Map<_, _>>(), "Ports": bindings(parts, true)})
}

/// What a container has on a network: `networkStatus` is written while it runs (containers/common libnetwork/types,
/// v0.64).
fn endpoint(name: &str, options: &Value, status: &Value) -> Value {
    let interface =
        status.get("interfaces").and_then(Value::as_object).and_then(|all| all.values().next()).unwrap_or(&Value::Null);
    let subnets = interface.get("subnets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let subnet =
        |six: bool| subnets.iter().find(|subnet| text(subnet, "ipnet").contains(':') == six).unwrap_or(&Value::Null);
    let split = |net: String| {
        net.split_once('/').map_or((net.clone(), 0), |(ip, size)| (ip.to_string(), size.parse().unwrap_or(0u32)))
    };
    let ((ip4, size4), (ip6, size6)) = (split(text(subnet(false), "ipnet")), split(text(subnet(true), "ipnet")));
    json!({
        "IPAMConfig": null,
        "Links": null,
        "Aliases": options.get("aliases").cloned(),
        "NetworkID": name,
        "EndpointID": "",
        "Gateway": text(subnet(false), "gateway"),
        "IPAddress": ip4,
        "IPPrefixLen": size4,
        "IPv6Gateway": text(subnet(true), "gateway"),
        "GlobalIPv6Address": ip6,
        "GlobalIPv6PrefixLen": size6,
        "MacAddress": text(interface, "mac_address"),
        "DriverOpts": null,
    })
}

/// An image.
pub(crate) fn image(image: &Image, store: &Store, entry: &records::Image, config: &ImageConfig) -> Value {
    let mut out = Map::new();
    out.insert("Id".into(), format!("sha256:{}", image.id.as_str()).into());
    out.insert("RepoTags".into(), image.tags.as_slice().into());
    out.insert("RepoDigests".into(), image.digests.as_slice().into());
    out.insert("Parent".into(), "".into());
    out.append(&mut config.inspect());
    if !is_docker(image) {
        let comment = config.first_comment();
        out.entry("Comment").and_modify(|it| {
            if it == "" {
                *it = comment.into()
            }
        });
    }
    out.insert("Size".into(), image.size.into());
    out.insert("GraphDriver".into(), json!({"Data": null, "Name": records::prefix(&store.driver)}));
    out.insert("Metadata".into(), json!({"LastTagTime": time(None)}));
    out.insert("Podman".into(), json!({"Digest": entry.digest, "Layer": entry.layer, "Stored": entry.created}));
    Value::Object(out)
}

/// Whether the image has docker's form and not OCI's, where podman shows the first step's comment as the image's
/// (containers/common libimage/inspect.go, v0.64).
fn is_docker(image: &Image) -> bool {
    let manifest: Value = image.manifest.as_ref().and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
    let types = [manifest.get("mediaType"), manifest.pointer("/config/mediaType")];
    types.into_iter().flatten().filter_map(Value::as_str).any(|it| it.contains("vnd.docker"))
}

/// A volume.
pub(crate) fn volume(volume: &Volume, config: &Value) -> Value {
    json!({
        "CreatedAt": time(volume.created),
        "Driver": volume.driver,
        "Labels": object(&volume.labels),
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": object(&volume.options),
        "Scope": "local",
        "Podman": config,
    })
}

/// A network, from netavark's file.
pub(crate) fn network(network: &Network, config: &Value) -> Value {
    let subnets = config.get("subnets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let subnet = |subnet: &Value| {
        let text = |key: &str| subnet.get(key).and_then(Value::as_str).unwrap_or_default();
        json!({"Subnet": text("subnet"), "Gateway": text("gateway")})
    };
    json!({
        "Name": network.name,
        "Id": network.id.as_str(),
        "Created": time(network.created),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv6": network.ipv6,
        "IPAM": {"Driver": "default", "Options": config.get("ipam_options").cloned(), "Config": subnets.iter().map(subnet).collect::<Vec<_>>()},
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": false,
        "Containers": {},
        "Options": config.get("options").cloned().unwrap_or(json!({})),
        "Labels": object(&network.labels),
        "Podman": config,
    })
}

/// Whether a container is one that libpod knows: the others have no record but in `containers.json`.
pub(crate) fn is_stored_only(container: &Container) -> bool {
    container.record.name() == b"containers.json"
}

/// The raw entry of a container in `containers.json`.
pub(crate) fn entry(all: &Value, id: &str) -> Value {
    let list = all.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().find(|entry| entry.get("id").and_then(Value::as_str) == Some(id)).cloned().unwrap_or_default()
}
