//! From docker's inspect JSON to a [`Spec`]: what dockerd fills in, and what each key means.
//!
//! The shape is that of docker inspect of today; `layout` brings older records to it. What only the caller can know
//! (where layers and mount sources lie on this machine) comes as [`Surroundings`].

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::capability::{Capabilities, UnknownCapability};
use crate::spec::{
    Device, DeviceRule, Limits, Mount, MountSource, Namespace, Namespaces, Process, Propagation, Rlimit, RootFiles,
    Seccomp, Spec, Throttle, Throttled, Users, set_env,
};
use crate::users::{self, UserError};

/// What the inspect JSON cannot say: where things lie on this machine.
pub struct Surroundings {
    /// Names the cgroups; 64 hex digits.
    pub id: String,
    /// The layers.
    pub root: RootFiles,
    /// `/etc/passwd` of the root filesystem; empty where it has none.
    pub passwd: Vec<u8>,
    /// `/etc/group` of the root filesystem; empty where it has none.
    pub group: Vec<u8>,
    /// Binds, volumes and the files in `/etc`, with sources on this machine. Mounted last, in this order.
    pub mounts: Vec<Mount>,
    /// The network namespace.
    pub network: Namespace,
    /// The namespaces of processes and shared memory, where they are another container's.
    pub joined: Joined,
    /// Variables of links, before the container's own.
    pub link_env: Vec<String>,
    /// The user namespace that the data root asks for, and that a container has unless it says otherwise.
    pub user: Option<Users>,
}

/// Namespaces of a running container that are shared.
#[derive(Default)]
pub struct Joined {
    /// Of processes.
    pub pid: Option<PathBuf>,
    /// Of shared memory.
    pub ipc: Option<PathBuf>,
}

/// Why a record cannot become a container.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// There is nothing to run.
    #[error("no command specified")]
    NoCommand,
    /// A key holds what cannot be used.
    #[error("{key} is '{value}': {why}")]
    Key {
        /// The key, `HostConfig.Ulimits` form.
        key: &'static str,
        /// What it holds.
        value: String,
        /// Why not.
        why: String,
    },
    /// A mount in the place of the kernel's own files.
    #[error("\"{}\" cannot be mounted because it is inside /proc", .0.display())]
    Mount(PathBuf),
    /// What a user namespace of its own keeps a container from.
    #[error("{0}")]
    Users(&'static str),
    /// The user.
    #[error(transparent)]
    User(#[from] UserError),
    /// A capability.
    #[error(transparent)]
    Capability(#[from] UnknownCapability),
}

/// A spec, and what of the record is not done, one line each.
pub type Made = (Spec, Vec<String>);

/// What docker gives a container as PATH where its image has none (moby v20.10.24 pkg/system/path_unix.go).
pub const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the spec of a container from its inspect JSON.
pub fn spec(record: &Value, around: Surroundings) -> Result<Made, DockerError> {
    let config = &record["Config"];
    let host = &record["HostConfig"];
    let privileged = truth(&host["Privileged"]);
    let mut notes = Vec::new();
    let process = process(record, &around, privileged, &mut notes)?;
    let (devices, device_rules) = devices(host, privileged, &mut notes)?;
    let hidden = |key: &str, default: &[&str]| match &host[key] {
        _ if privileged => Vec::new(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(PathBuf::from).collect(),
        _ => default.iter().map(PathBuf::from).collect(),
    };
    let namespaces = namespaces(host, &around, &mut notes);
    if namespaces.user.is_some() {
        refuse_sharing(&namespaces, privileged)?;
    }
    let spec = Spec {
        hostname: text(&config["Hostname"]).unwrap_or(&around.id[..around.id.len().min(12)]).to_string(),
        domainname: text(&config["Domainname"]).unwrap_or_default().to_string(),
        mounts: mounts(host, privileged, &around.joined, &namespaces, around.mounts)?,
        namespaces,
        masked: hidden("MaskedPaths", MASKED),
        read_only_paths: hidden("ReadonlyPaths", READ_ONLY),
        sysctls: pairs(&host["Sysctls"]),
        limits: limits(host, &mut notes),
        cgroup_parent: text(&host["CgroupParent"]).unwrap_or_default().to_string(),
        id: around.id,
        root: around.root,
        process,
        devices,
        device_rules,
    };
    name_the_rest(host, &mut notes);
    Ok((spec, notes))
}

fn process(
    record: &Value,
    around: &Surroundings,
    privileged: bool,
    notes: &mut Vec<String>,
) -> Result<Process, DockerError> {
    let config = &record["Config"];
    let host = &record["HostConfig"];
    let mut args = command(record);
    if args.is_empty() {
        return Err(DockerError::NoCommand);
    }
    if truth(&host["Init"]) {
        args.splice(0..0, [INIT.to_string(), "--".to_string()]);
    }
    let terminal = truth(&config["Tty"]);
    let user = users::resolve(
        text(&config["User"]).unwrap_or(""),
        &around.passwd,
        &around.group,
        &strings(&host["GroupAdd"]),
    )?;
    let (no_new_privileges, seccomp) = security(host, privileged, notes);
    Ok(Process {
        env: environment(config, around, terminal, &user.home),
        cwd: Path::new("/").join(text(&config["WorkingDir"]).unwrap_or("/")),
        capabilities: Capabilities::tweak(&strings(&host["CapAdd"]), &strings(&host["CapDrop"]), privileged)?,
        rlimits: rlimits(host, notes)?,
        oom_score_adj: host["OomScoreAdj"]
            .as_i64()
            .filter(|&score| score != 0)
            .and_then(|score| i32::try_from(score).ok()),
        stop_signal: signal(text(&config["StopSignal"]).unwrap_or("TERM")).unwrap_or(libc::SIGTERM),
        args,
        user,
        terminal,
        no_new_privileges,
        seccomp,
    })
}

/// Where docker mounts the init of `--init` (moby v20.10.24 daemon/oci_linux.go inContainerInitPath).
pub const INIT: &str = "/sbin/docker-init";

/// Program and arguments: those of the record, else entrypoint and command of its config.
fn command(record: &Value) -> Vec<String> {
    if let Some(path) = text(&record["Path"]) {
        return std::iter::once(path.to_string()).chain(strings(&record["Args"])).collect();
    }
    let config = &record["Config"];
    strings(&config["Entrypoint"]).into_iter().chain(strings(&config["Cmd"])).collect()
}

/// Docker's order: PATH, HOSTNAME, TERM, links, then the container's own over them, HOME last
/// (moby v20.10.24 container/container_unix.go CreateDaemonEnvironment).
fn environment(config: &Value, around: &Surroundings, terminal: bool, home: &str) -> Vec<String> {
    let hostname = text(&config["Hostname"]).unwrap_or(&around.id[..around.id.len().min(12)]);
    let mut env = vec![PATH.to_string(), format!("HOSTNAME={hostname}")];
    if terminal {
        env.push("TERM=xterm".to_string());
    }
    env.extend(around.link_env.iter().cloned());
    for pair in strings(&config["Env"]) {
        let place = env.iter().position(|old| old.split('=').next() == pair.split('=').next());
        // A bare name in a record took its value from the client of that day, which is gone: docker then removes it.
        match (place, pair.contains('=')) {
            (Some(at), true) => env[at] = pair,
            (None, true) => env.push(pair),
            (Some(at), false) => drop(env.remove(at)),
            (None, false) => {}
        }
    }
    if !env.iter().any(|pair| pair.starts_with("HOME=")) {
        set_env(&mut env, &format!("HOME={home}"));
    }
    env
}

fn security(host: &Value, privileged: bool, notes: &mut Vec<String>) -> (bool, Seccomp) {
    let mut no_new_privileges = false;
    let mut seccomp = if privileged { Seccomp::Unconfined } else { Seccomp::Default };
    for option in strings(&host["SecurityOpt"]) {
        let (key, value) = option.split_once(['=', ':']).unwrap_or((&option, ""));
        match (key, value) {
            ("no-new-privileges", value) => no_new_privileges = value != "false",
            ("seccomp", "unconfined") => seccomp = Seccomp::Unconfined,
            ("seccomp", "builtin") => seccomp = Seccomp::Default,
            ("seccomp", profile) => seccomp = Seccomp::Profile(profile.to_string()),
            ("apparmor", "unconfined") | ("label", "disable") => {}
            _ => notes.push(format!("security option '{option}' is not done")),
        }
    }
    (no_new_privileges, seccomp)
}

// Namespaces and mounts -----------------------------------------------------------------------------------------------

fn namespaces(host: &Value, around: &Surroundings, notes: &mut Vec<String>) -> Namespaces {
    let mode =
        |key: &str, joined: &Option<PathBuf>, notes: &mut Vec<String>| match (text(&host[key]).unwrap_or(""), joined) {
            (_, Some(path)) => Namespace::Of(path.clone()),
            ("host", _) => Namespace::Host,
            ("" | "private" | "shareable" | "none", _) => Namespace::New,
            (other, _) => {
                notes.push(format!("HostConfig.{key} '{other}' is not done: it gets its own"));
                Namespace::New
            }
        };
    Namespaces {
        network: around.network.clone(),
        pid: mode("PidMode", &around.joined.pid, notes),
        ipc: mode("IpcMode", &around.joined.ipc, notes),
        uts: mode("UTSMode", &None, notes),
        user: around.user.filter(|_| text(&host["UsernsMode"]) != Some("host")),
        cgroup: match text(&host["CgroupnsMode"]) {
            Some("host") => Namespace::Host,
            _ => Namespace::New,
        },
    }
}

/// What a container with a user namespace of its own cannot have of others; the texts but the last are docker's (moby v20.10.24
/// runconfig/hostconfig_unix.go, daemon/daemon_unix.go verifyPlatformContainerSettings).
fn refuse_sharing(own: &Namespaces, privileged: bool) -> Result<(), DockerError> {
    let refusal = match (&own.network, &own.pid, &own.ipc) {
        _ if privileged => {
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"
        }
        (Namespace::Host, ..) => "cannot share the host's network namespace when user namespaces are enabled",
        (_, Namespace::Host, _) => "cannot share the host PID namespace when user namespaces are enabled",
        (Namespace::Of(_), ..) | (_, Namespace::Of(_), _) | (_, _, Namespace::Of(_)) => {
            "namespaces of another container are not shared when user namespaces are enabled"
        }
        _ => return Ok(()),
    };
    Err(DockerError::Users(refusal))
}

fn mounts(
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
    // One mount a place: the container's own instead of the default.
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
fn share_what_is_the_hosts(mut mounts: Vec<Mount>, namespaces: &Namespaces) -> Vec<Mount> {
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
fn hides_processes(destination: &Path) -> bool {
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
fn shared_memory(host: &Value, joined: &Joined) -> Option<MountSource> {
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
fn memory(mount: &Value) -> Mount {
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
fn tmpfs(destination: &str, options: &str) -> Mount {
    let (mut size, mut mode, mut rest) = (None, None, Vec::new());
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", text)) => size = bytes(text),
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
const MASKED: &[&str] = &[
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
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

// Devices and limits --------------------------------------------------------------------------------------------------

fn devices(
    host: &Value,
    privileged: bool,
    notes: &mut Vec<String>,
) -> Result<(Vec<Device>, Vec<DeviceRule>), DockerError> {
    let node =
        |path: &str, major, minor| Device { path: path.into(), kind: 'c', major, minor, mode: 0o666, uid: 0, gid: 0 };
    let mut nodes = vec![
        node("/dev/null", 1, 3),
        node("/dev/zero", 1, 5),
        node("/dev/full", 1, 7),
        node("/dev/random", 1, 8),
        node("/dev/urandom", 1, 9),
        node("/dev/tty", 5, 0),
    ];
    let rule = |kind, major, minor, access: &str| DeviceRule { kind, major, minor, access: access.into() };
    let mut rules = vec![
        rule('c', None, None, "m"),
        rule('b', None, None, "m"),
        rule('c', Some(136), None, "rwm"),
        rule('c', Some(5), Some(2), "rwm"),
        rule('c', Some(5), Some(1), "rwm"),
    ];
    rules.extend(nodes.iter().map(|device| rule('c', Some(device.major), Some(device.minor), "rwm")));
    if privileged {
        nodes.extend(hosts_devices(&nodes));
        return Ok((nodes, vec![rule('a', None, None, "rwm")]));
    }
    for wanted in host["Devices"].as_array().into_iter().flatten() {
        let path = text(&wanted["PathOnHost"]).unwrap_or_default();
        let inside = text(&wanted["PathInContainer"]).unwrap_or(path);
        let access = text(&wanted["CgroupPermissions"]).unwrap_or("rwm");
        let found = devices_below(Path::new(path), Path::new(inside));
        if found.is_empty() {
            notes.push(format!("the device '{path}' is not on this host"));
        }
        for found in found {
            rules.push(rule(found.kind, Some(found.major), Some(found.minor), access));
            nodes.retain(|known| known.path != found.path);
            nodes.push(found);
        }
    }
    for text in strings(&host["DeviceCgroupRules"]) {
        rules.push(parse_rule(&text).ok_or_else(|| DockerError::Key {
            key: "HostConfig.DeviceCgroupRules",
            value: text.clone(),
            why: "it should read like 'c 10:200 rwm'".to_string(),
        })?);
    }
    Ok((nodes, rules))
}

/// The node of a device of this host.
fn device(path: &Path, inside: &Path) -> Option<Device> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let stat = std::fs::metadata(path).ok()?;
    let kind = match stat.file_type() {
        kind if kind.is_char_device() => 'c',
        kind if kind.is_block_device() => 'b',
        _ => return None,
    };
    let number = stat.rdev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    Some(Device {
        path: inside.to_path_buf(),
        kind,
        major,
        minor,
        mode: stat.mode() & 0o777,
        uid: stat.uid(),
        gid: stat.gid(),
    })
}

/// A device, or all devices below a folder, as docker takes them.
fn devices_below(path: &Path, inside: &Path) -> Vec<Device> {
    if !path.is_dir() {
        return device(path, inside).into_iter().collect();
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let below = |entry: &PathBuf| entry.file_name().map(|name| devices_below(entry, &inside.join(name)));
    entries.iter().filter_map(below).flatten().collect()
}

/// Every device of this host's `/dev`, as a privileged container has them.
fn hosts_devices(known: &[Device]) -> Vec<Device> {
    // The container's own, of its own terminals.
    const OWN: &[&str] = &["console", "ptmx"];
    let mut out = Vec::new();
    let mut folders = vec![PathBuf::from("/dev")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !["pts", "shm", "mqueue", "fd"].iter().any(|own| path.ends_with(own)) => {
                    folders.push(path)
                }
                Ok(kind)
                    if !kind.is_symlink()
                        && !OWN.iter().any(|own| path.ends_with(own))
                        && known.iter().all(|own| own.path != path) =>
                {
                    out.extend(device(&path, &path));
                }
                _ => {}
            }
        }
    }
    out
}

/// `c 10:200 rwm`.
fn parse_rule(text: &str) -> Option<DeviceRule> {
    let mut fields = text.split_whitespace();
    let kind = fields.next().filter(|kind| ["a", "b", "c"].contains(kind))?.chars().next()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let number = |text: &str| if text == "*" { Some(None) } else { text.parse().ok().map(Some) };
    let access = fields.next().unwrap_or("rwm").to_string();
    Some(DeviceRule { kind, major: number(major)?, minor: number(minor)?, access })
}

fn rlimits(host: &Value, notes: &mut Vec<String>) -> Result<Vec<Rlimit>, DockerError> {
    let mut out = Vec::new();
    for limit in host["Ulimits"].as_array().into_iter().flatten() {
        let name = text(&limit["Name"]).unwrap_or_default().to_string();
        let Some(resource) = crate::rlimit(&name) else {
            return Err(DockerError::Key { key: "HostConfig.Ulimits", value: name, why: "no such limit".to_string() });
        };
        let number = |key: &str| {
            limit[key].as_i64().map_or(u64::MAX, |number| if number < 0 { u64::MAX } else { number as u64 })
        };
        let (soft, hard) = (number("Soft"), number("Hard"));
        let most = crate::most(resource);
        if hard > most {
            notes.push(format!(
                "the limit '{name}' is clamped from {hard} to {most}, the most that this host lets us set"
            ));
        }
        out.push(Rlimit { name, soft: soft.min(most), hard: hard.min(most) });
    }
    Ok(out)
}

fn limits(host: &Value, notes: &mut Vec<String>) -> Limits {
    let positive = |key: &str| host[key].as_u64().filter(|&number| number > 0);
    let signed = |key: &str| host[key].as_i64().filter(|&number| number != 0);
    let nano = positive("NanoCpus");
    let memory = positive("Memory");
    Limits {
        memory,
        memory_reservation: positive("MemoryReservation"),
        // Docker gives as much swap again where only memory is said.
        memory_swap: signed("MemorySwap").or(memory.map(|bytes| (bytes as i64).saturating_mul(2))),
        memory_swappiness: host["MemorySwappiness"].as_u64(),
        oom_kill_disable: truth(&host["OomKillDisable"]),
        cpu_shares: positive("CpuShares"),
        cpu_quota: nano.map(|nano| (nano / 10_000) as i64).or(signed("CpuQuota")),
        cpu_period: nano.map(|_| 100_000).or(positive("CpuPeriod")),
        cpuset_cpus: text(&host["CpusetCpus"]).unwrap_or_default().to_string(),
        cpuset_mems: text(&host["CpusetMems"]).unwrap_or_default().to_string(),
        pids: signed("PidsLimit"),
        blkio_weight: positive("BlkioWeight").and_then(|weight| u16::try_from(weight).ok()),
        throttles: throttles(host, notes),
        real_time_runtime: signed("CpuRealtimeRuntime"),
        real_time_period: positive("CpuRealtimePeriod"),
    }
}

/// Limits of block devices, by their numbers on this host.
fn throttles(host: &Value, notes: &mut Vec<String>) -> Vec<Throttle> {
    const KEYS: [(&str, &str, Throttled); 5] = [
        ("BlkioDeviceReadBps", "Rate", Throttled::ReadBytes),
        ("BlkioDeviceReadIOps", "Rate", Throttled::Reads),
        ("BlkioDeviceWriteBps", "Rate", Throttled::WriteBytes),
        ("BlkioDeviceWriteIOps", "Rate", Throttled::Writes),
        ("BlkioWeightDevice", "Weight", Throttled::Weight),
    ];
    let mut out = Vec::new();
    for (key, number, what) in KEYS {
        for wanted in list(&host[key]) {
            let path = text(&wanted["Path"]).unwrap_or_default();
            match device(Path::new(path), Path::new(path)).filter(|found| found.kind == 'b') {
                Some(Device { major, minor, .. }) => {
                    out.push(Throttle { major, minor, what, value: wanted[number].as_u64().unwrap_or(0) })
                }
                None => notes.push(format!("HostConfig.{key}: '{path}' is no block device of this host")),
            }
        }
    }
    out
}

/// Keys that ask for something this launcher does not do.
fn name_the_rest(host: &Value, notes: &mut Vec<String>) {
    const NOT_DONE: &[(&str, &str)] = &[
        ("DeviceRequests", "--gpus"),
        ("Isolation", "--isolation"),
        ("KernelMemory", "--kernel-memory"),
        ("KernelMemoryTCP", "--kernel-memory-tcp"),
        ("StorageOpt", "--storage-opt"),
    ];
    for (key, flag) in NOT_DONE.iter().filter(|(key, _)| is_said(&host[*key])) {
        notes.push(format!("HostConfig.{key} ({flag}) is not done"));
    }
    if let Some(mode) = text(&host["UsernsMode"]).filter(|mode| *mode != "host") {
        notes.push(format!("HostConfig.UsernsMode '{mode}' is not done: its users are the host's"));
    }
    for setting in host["LxcConf"].as_array().into_iter().flatten() {
        let (key, value) = (text(&setting["Key"]).unwrap_or_default(), text(&setting["Value"]).unwrap_or_default());
        notes.push(format!("the lxc setting '{key} = {value}' is not done"));
    }
}

/// The number of a signal by docker's spellings: `SIGTERM`, `TERM`, `15`, `RTMIN+3`.
pub fn signal(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(above) = name.strip_prefix("RTMIN") {
        return if above.is_empty() {
            Some(34)
        } else {
            above.strip_prefix('+')?.parse::<i32>().ok().map(|n| 34 + n).filter(|n| *n <= 64)
        };
    }
    if let Some(below) = name.strip_prefix("RTMAX") {
        return if below.is_empty() {
            Some(64)
        } else {
            below.strip_prefix('-')?.parse::<i32>().ok().map(|n| 64 - n).filter(|n| *n >= 34)
        };
    }
    let alias = match name {
        "CLD" => "CHLD",
        "POLL" => "IO",
        other => other,
    };
    format!("SIG{alias}").parse::<nix::sys::signal::Signal>().ok().map(|signal| signal as i32)
}

// JSON as docker writes it --------------------------------------------------------------------------------------------

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn truth(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

/// A list of strings; a bare string counts as one, as images of third parties have it.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_string).collect(),
        _ => Vec::new(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let map = value.as_object().into_iter().flatten();
    map.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_string())).collect()
}

fn is_said(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty() && text != "default",
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(true) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn around() -> Surroundings {
        Surroundings {
            id: "a".repeat(64),
            root: RootFiles { lower: vec!["/l".into()], changes: crate::spec::Changes::Memory, read_only: false },
            passwd: b"root:x:0:0:root:/root:/bin/sh\n".to_vec(),
            group: Vec::new(),
            mounts: Vec::new(),
            network: Namespace::New,
            joined: Joined::default(),
            user: None,
            link_env: vec!["DB_NAME=/web/db".into()],
        }
    }

    fn made(record: Value) -> Made {
        spec(&record, around()).expect("the record can be a container")
    }

    #[test]
    fn the_environment_is_in_dockers_order() {
        let (spec, notes) = made(
            json!({"Config": {"Cmd": ["sh"], "Hostname": "h", "Tty": true, "Env": ["A=1", "PATH=/bin", "GONE", "A=2"]}}),
        );
        assert_eq!(spec.process.env, ["PATH=/bin", "HOSTNAME=h", "TERM=xterm", "DB_NAME=/web/db", "A=2", "HOME=/root"]);
        assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn path_and_args_go_before_the_configs_command() {
        let (spec, _) = made(json!({"Path": "/e", "Args": ["1"], "Config": {"Cmd": ["c"], "Entrypoint": "x"}}));
        assert_eq!(spec.process.args, ["/e", "1"]);
        let (spec, _) = made(json!({"Config": {"Cmd": ["c"], "Entrypoint": "x"}}));
        assert_eq!(spec.process.args, ["x", "c"]);
        assert!(matches!(super::spec(&json!({"Config": {}}), around()), Err(DockerError::NoCommand)));
    }

    #[test]
    fn what_is_not_done_is_named() {
        let host = json!({"StorageOpt": {"size": "1G"}, "UsernsMode": "", "LxcConf": [{"Key": "lxc.aa_profile", "Value": "x"}], "SecurityOpt": ["label:type:t"], "PidMode": "container:x"});
        let (_, notes) = made(json!({"Path": "x", "HostConfig": host}));
        assert_eq!(
            notes,
            [
                "security option 'label:type:t' is not done",
                "HostConfig.PidMode 'container:x' is not done: it gets its own",
                "HostConfig.StorageOpt (--storage-opt) is not done",
                "the lxc setting 'lxc.aa_profile = x' is not done",
            ]
        );
    }

    #[test]
    fn limits_follow_dockers_rules() {
        let (spec, _) = made(
            json!({"Path": "x", "HostConfig": {"Memory": 64, "NanoCpus": 1_500_000_000u64, "Tmpfs": {"/run": "size=64k,mode=700,exec"}}}),
        );
        assert_eq!((spec.limits.memory, spec.limits.memory_swap), (Some(64), Some(128)));
        assert_eq!((spec.limits.cpu_quota, spec.limits.cpu_period), (Some(150_000), Some(100_000)));
        let run = spec.mounts.iter().find(|mount| mount.destination == Path::new("/run")).expect("it is mounted");
        let MountSource::Tmpfs { size, mode, options } = &run.source else { panic!("not memory") };
        assert_eq!((*size, *mode, options.join(",")), (Some(65_536), Some(0o700), "exec".to_string()));
    }

    #[test]
    fn signals_are_known_by_all_spellings() {
        for (text, number) in [
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("9", Some(9)),
            ("RTMIN+3", Some(37)),
            ("SIGRTMAX-1", Some(63)),
            ("NOSUCH", None),
            ("0", None),
            ("65", None),
        ] {
            assert_eq!(signal(text), number, "{text}");
        }
    }
}
