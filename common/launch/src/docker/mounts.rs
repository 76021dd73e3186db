//! What is mounted, hidden and kept from being written: docker's own, and what its record asks for.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::{list, pairs, text, truth};
use super::{DockerError, INIT, Joined};
use crate::spec::{Mount, MountSource, Namespace, Namespaces, Propagation};

pub(super) fn mounts(
    host: &Value,
    privileged: bool,
    joined: &Joined,
    namespaces: &Namespaces,
    own: Vec<Mount>,
) -> Result<Vec<Mount>, DockerError> {
    let default = |destination: &str, source: MountSource, read_only: bool| Mount {
        destination: PathBuf::from(destination),
        source,
        read_only,
        propagation: Propagation::Private,
        from: "docker's default".to_string(),
    };
    let mut out = vec![
        default("/proc", MountSource::Proc, false),
        default("/dev/pts", MountSource::Devpts, false),
        default("/sys", MountSource::Sysfs, !privileged),
        default("/dev/mqueue", MountSource::Mqueue, false),
    ];
    out.extend(shared_memory(host, joined).map(|source| default("/dev/shm", source, false)));
    if truth(&host["Init"]) {
        out.push(default(INIT, MountSource::Init, true));
    }
    if matches!(crate::cgroup::Hosts::read(), crate::cgroup::Hosts::Version2(_)) {
        out.push(default("/sys/fs/cgroup", MountSource::Cgroup, !privileged));
    }
    for (destination, options) in pairs(&host["Tmpfs"]) {
        out.push(tmpfs(&destination, &options));
    }
    out.extend(list(&host["Mounts"]).filter(|mount| text(&mount["Type"]) == Some("tmpfs")).map(memory));
    // One mount a place: memory that was asked for instead of the container's own (moby v20.10.24 daemon/volumes_unix.go
    // setupMounts), that instead of the default.
    let is_memory =
        |place: &Path| host["Tmpfs"].as_object().is_some_and(|map| map.keys().any(|key| Path::new(key) == place));
    let own: Vec<Mount> = own.into_iter().filter(|mount| !is_memory(&mount.destination)).collect();
    out.retain(|mount| own.iter().all(|other| other.destination != mount.destination));
    out.extend(own);
    match out.iter().find(|mount| !matches!(mount.source, MountSource::Proc) && hides_processes(&mount.destination)) {
        Some(mount) => Err(DockerError::Mount(mount.destination.clone())),
        None if userns::is_first() && namespaces.user.is_none() => Ok(out),
        None => Ok(share_what_is_the_hosts(out, namespaces)),
    }
}

/// Outside of the first user namespace the kernel makes a new view only of namespaces that are one's own: of the host's, its
/// own view is taken.
pub(super) fn share_what_is_the_hosts(mut mounts: Vec<Mount>, namespaces: &Namespaces) -> Vec<Mount> {
    for mount in &mut mounts {
        let (namespace, path) = match mount.source {
            MountSource::Proc => (&namespaces.pid, "/proc"),
            MountSource::Sysfs => (&namespaces.network, "/sys"),
            MountSource::Mqueue => (&namespaces.ipc, "/dev/mqueue"),
            _ => continue,
        };
        if *namespace == Namespace::Host {
            mount.source = MountSource::Bind { path: PathBuf::from(path) };
        }
    }
    // Few hosts have their message queues mounted.
    let is_there = |mount: &Mount| match &mount.source {
        MountSource::Bind { path } if path == Path::new("/dev/mqueue") => path.exists(),
        _ => true,
    };
    mounts.retain(is_there);
    mounts
}

/// Whether a mount there would put other files in the place of the kernel's own: all of `/proc` but what runc lets through
/// (runc v1.1.5 libcontainer/rootfs_linux.go checkProcMount).
pub(super) fn hides_processes(destination: &Path) -> bool {
    const ALLOWED: &[&str] = &[
        "cpuinfo",
        "diskstats",
        "loadavg",
        "meminfo",
        "net/dev",
        "slabinfo",
        "stat",
        "swaps",
        "sys/kernel/ns_last_pid",
        "uptime",
    ];
    let below = destination.strip_prefix("/proc");
    below.is_ok_and(|below| !ALLOWED.iter().any(|allowed| below == Path::new(allowed)))
}

/// `/dev/shm`: memory of its own, that of whose it shares, or none.
pub(super) fn shared_memory(host: &Value, joined: &Joined) -> Option<MountSource> {
    let size = host["ShmSize"].as_u64().filter(|&size| size > 0).unwrap_or(67_108_864);
    match (text(&host["IpcMode"]), joined.ipc.as_ref().and_then(|ipc| ipc.parent())) {
        (_, Some(namespaces)) => {
            Some(MountSource::Inside { namespace: namespaces.join("mnt"), path: PathBuf::from("/dev/shm") })
        }
        (Some("none"), _) => None,
        (Some("host"), _) => Some(MountSource::Bind { path: PathBuf::from("/dev/shm") }),
        _ => Some(MountSource::Tmpfs { size: Some(size), mode: Some(0o1777), options: Vec::new() }),
    }
}

/// Memory of `HostConfig.Mounts`.
pub(super) fn memory(mount: &Value) -> Mount {
    let options = &mount["TmpfsOptions"];
    let mode = options["Mode"].as_u64().and_then(|mode| u32::try_from(mode).ok()).filter(|&mode| mode > 0);
    let size = options["SizeBytes"].as_u64().filter(|&size| size > 0);
    Mount {
        destination: PathBuf::from(text(&mount["Target"]).unwrap_or_default()),
        source: MountSource::Tmpfs { size, mode, options: Vec::new() },
        read_only: truth(&mount["ReadOnly"]),
        propagation: Propagation::Private,
        from: "HostConfig.Mounts".to_string(),
    }
}

/// Docker's `--tmpfs /run:size=64k,mode=1770`.
pub(super) fn tmpfs(destination: &str, options: &str) -> Mount {
    let (mut size, mut mode, mut rest) = (None, None, Vec::new());
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            // A share of the host's memory, `10%`, is the kernel's to read.
            Some(("size", text)) if bytes(text).is_some() => size = bytes(text),
            Some(("mode", text)) => mode = u32::from_str_radix(text, 8).ok(),
            _ => rest.push(option.to_string()),
        }
    }
    let source = MountSource::Tmpfs { size, mode, options: rest };
    Mount {
        destination: PathBuf::from(destination),
        source,
        read_only: false,
        propagation: Propagation::Private,
        from: "HostConfig.Tmpfs".to_string(),
    }
}

/// Bytes as docker and the kernel write them: `65536`, `64k`, `1g`.
pub fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let shift = match lower[digits.len()..].trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.checked_shl(shift)
}

/// What docker 29.7 hides (moby v29 daemon/pkg/oci/defaults.go).
pub(super) const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What docker 29.7 locks (moby v29 daemon/pkg/oci/defaults.go).
pub(super) const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
