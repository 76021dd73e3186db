//! A container's files: its layers as folders of this machine, single files of it, and what docker puts in its `/etc`.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use host::Host;
use model::{EntryPath, Finding, HostPath, Kind, Rootfs, Source};
use serde_json::Value;
use storage::dialect::Dialect;
use wire::files::{HOSTS, RESOLVER, resolv_conf};

use crate::links::Line;
use crate::network::Connected;
use crate::{LifeError, begin};

/// Where the layers lie, top first; or `None` where the kernel cannot join them: another driver's marks, owners shifted in pieces,
/// or an evidence root that is a tar. Then the tree has to be written out first.
pub fn layers(host: &Host, rootfs: &Rootfs, findings: &mut Vec<Finding>) -> Result<Option<Vec<PathBuf>>, LifeError> {
    let (branches, more) =
        storage::drivers::stack(host.root(), rootfs).map_err(|error| LifeError::Files(error.into()))?;
    findings.extend(more);
    // Which marks the kernel goes by, it says by the user namespace that the overlay is mounted in.
    let marks = Dialect::Overlay { user: !userns::is_first() };
    let joins = |dialect| dialect == Dialect::Plain || dialect == marks;
    let can = host.root().path().is_dir()
        && (rootfs.ids.uids.is_empty() || begin::users(rootfs).is_some())
        && branches.iter().all(|branch| joins(branch.dialect));
    Ok(can.then(|| branches.iter().map(|branch| on_this_machine(host, &branch.path)).collect()))
}

/// The path of this machine for one of the evidence.
pub fn on_this_machine(host: &Host, path: &HostPath) -> PathBuf {
    host.root().path().join(OsStr::from_bytes(path.as_bytes()))
}

/// One small file of the merged tree; empty where there is none.
pub fn read(host: &Host, rootfs: &Rootfs, path: &str) -> Result<Vec<u8>, LifeError> {
    const MOST: u64 = 4 << 20;
    let wanted = EntryPath::parse(path.as_bytes()).expect("the callers' paths are their own");
    let found = storage::open_at(host.root(), rootfs, &wanted).map_err(|error| LifeError::Files(error.into()))?;
    let Some(mut tree) = found else { return Ok(Vec::new()) };
    let entry = tree.next_entry().map_err(LifeError::Files)?;
    if !entry.is_some_and(|entry| matches!(entry.kind, Kind::File { size: 1.. })) {
        return Ok(Vec::new());
    }
    let mut content = Vec::new();
    let read = tree.content().map_err(LifeError::Files)?.take(MOST).read_to_end(&mut content);
    read.map(|_| content).map_err(|error| LifeError::Files(error.into()))
}

/// `hostname`, `hosts` and `resolv.conf` as docker makes them, by name and content. `connected` says its address once it has
/// one, `links` is what others are known as.
pub fn etc(record: &Value, connected: Option<&Connected>, links: &[Line]) -> Vec<(String, String)> {
    let host = &record["HostConfig"];
    let list = |key: &str| -> Vec<String> {
        host[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
    };
    let own = record["Config"]["Hostname"].as_str().unwrap_or_default().to_string();
    let domain = record["Config"]["Domainname"].as_str().filter(|name| !name.is_empty());
    // A host name may hold its domain: both are then known, the whole and the first part (libnetwork of moby v20.10.24
    // sandbox_dns_unix.go updateHostsFile).
    let whole = domain.map_or_else(|| own.clone(), |domain| format!("{own}.{domain}"));
    let full = match whole.split_once('.') {
        Some((first, _)) => format!("{whole} {first}"),
        None => whole,
    };
    let shared = host["NetworkMode"] == "host";
    let of_host = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut hosts = if shared { of_host("/etc/hosts") } else { HOSTS.to_string() };
    for extra in list("ExtraHosts") {
        if let Some((name, address)) = extra.split_once(':').or_else(|| extra.split_once('=')) {
            let gateway = connected.and_then(|connected| connected.gateway.as_deref());
            let address = if address == "host-gateway" { gateway.unwrap_or(address) } else { address };
            hosts.push_str(&format!("{address}\t{name}\n"));
        }
    }
    links.iter().for_each(|(address, names)| hosts.push_str(&format!("{address}\t{names}\n")));
    for address in connected.into_iter().flat_map(|connected| &connected.addresses) {
        hosts.push_str(&format!("{address}\t{full}\n"));
    }
    let theirs = of_host("/etc/resolv.conf");
    // On networks of the user's our own resolver answers, and asks the servers that the record names.
    let other = connected.and_then(|connected| connected.resolver.clone()).filter(|_| list("Dns").is_empty());
    let asked = match other {
        _ if answers_names(record) => vec![RESOLVER.to_string()],
        Some(other) => vec![other],
        None => list("Dns"),
    };
    let mut options = list("DnsOptions");
    if answers_names(record) && !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0".to_string());
    }
    let as_it_is = shared && asked.is_empty() && options.is_empty() && list("DnsSearch").is_empty();
    let resolv = if as_it_is { theirs } else { resolv_conf(&theirs, &asked, &list("DnsSearch"), &options) };
    vec![("hostname".into(), format!("{own}\n")), ("hosts".into(), hosts), ("resolv.conf".into(), resolv)]
}

/// Whether a container's questions for names are answered by our resolver: on every network but docker's own.
pub fn answers_names(record: &Value) -> bool {
    let mode = record["HostConfig"]["NetworkMode"].as_str().unwrap_or("none");
    let is_own = !matches!(mode, "" | "default" | "bridge" | "none" | "host") && !mode.starts_with("container:");
    is_own && userns::person().is_none()
}
