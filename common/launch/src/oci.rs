//! A [`Spec`] as the `config.json` of an OCI bundle (opencontainers/runtime-spec v1.0.2 config.md, config-linux.md).
//!
//! What OCI has no words for (a layer in memory over a bind, another namespace's files, the small init) is laid out in the
//! bundle's folder by the caller, who gives each mount its [`Source`].

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::inside::identity;
use crate::seccomp::{self, ProfileError};
use crate::spec::{
    Device, DeviceRule, Limits, Mount, MountSource, Namespace, Process, Propagation, Seccomp, Spec, Throttled,
};

/// Where a mount's files lie, beside the bundle's root.
pub enum Source {
    /// As the mount itself says.
    Own,
    /// A file or folder of this machine in its stead.
    Bind(PathBuf),
    /// A folder of this machine under a layer of its own.
    Overlay {
        /// What is read.
        lower: PathBuf,
        /// Where changes go.
        upper: PathBuf,
        /// The kernel's own.
        work: PathBuf,
    },
}

/// Why a spec cannot be a bundle.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the seccomp profile")]
pub struct BundleError(#[from] ProfileError);

/// The document; `root` is the folder of the files, `sources` belong to the spec's mounts in their order.
pub fn config(spec: &Spec, root: &str, sources: &[Source]) -> Result<Value, BundleError> {
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": process(&spec.process),
        "root": {"path": root, "readonly": spec.root.read_only},
        "mounts": mounts(spec, sources),
        "linux": {
            "namespaces": namespaces(spec),
            "devices": devices(&spec.devices),
            "resources": resources(&spec.limits, &spec.device_rules),
            "cgroupsPath": format!("{}/{}", cgroup_parent(spec), spec.id),
            "maskedPaths": spec.masked,
            "readonlyPaths": spec.read_only_paths,
            "sysctl": spec.sysctls.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>(),
            "rootfsPropagation": "private",
        },
    });
    if spec.namespaces.uts == Namespace::New {
        config["hostname"] = json!(spec.hostname);
        if !spec.domainname.is_empty() {
            config["domainname"] = json!(spec.domainname);
        }
    }
    let facts = identity::facts(&spec.process);
    let profile = match &spec.process.seccomp {
        Seccomp::Unconfined => None,
        Seccomp::Default => Some(seccomp::plain(seccomp::DEFAULT, &facts)?),
        Seccomp::Profile(text) => Some(seccomp::plain(text, &facts)?),
    };
    if let Some(profile) = profile {
        config["linux"]["seccomp"] = profile;
    }
    Ok(config)
}

fn cgroup_parent(spec: &Spec) -> String {
    match spec.cgroup_parent.trim_end_matches('/') {
        "" => format!("/{}", crate::cgroup::PARENT),
        parent => format!("/{}", parent.trim_start_matches('/')),
    }
}

fn process(process: &Process) -> Value {
    let own = process.capabilities.names();
    // Another user's process has them to give, not to use: the kernel takes them away as it changes the user.
    let effective = if process.user.uid == 0 { own.clone() } else { Vec::new() };
    let mut out = json!({
        "terminal": process.terminal,
        "user": {"uid": process.user.uid, "gid": process.user.gid, "additionalGids": process.user.groups},
        "args": process.args,
        "env": process.env,
        "cwd": process.cwd,
        "capabilities": {"bounding": own, "effective": effective, "permitted": effective},
        "rlimits": process.rlimits.iter().map(|limit| json!({"type": format!("RLIMIT_{}", limit.name.to_uppercase()), "soft": limit.soft, "hard": limit.hard})).collect::<Vec<_>>(),
        "noNewPrivileges": process.no_new_privileges,
    });
    if let Some(score) = process.oom_score_adj {
        out["oomScoreAdj"] = json!(score);
    }
    out
}

fn namespaces(spec: &Spec) -> Vec<Value> {
    let own = &spec.namespaces;
    let mut all = vec![json!({"type": "mount"})];
    for (kind, namespace) in
        [("network", &own.network), ("pid", &own.pid), ("ipc", &own.ipc), ("uts", &own.uts), ("cgroup", &own.cgroup)]
    {
        match namespace {
            Namespace::Host => {}
            Namespace::New => all.push(json!({ "type": kind })),
            Namespace::Of(path) => all.push(json!({"type": kind, "path": path})),
        }
    }
    all
}

fn mounts(spec: &Spec, sources: &[Source]) -> Vec<Value> {
    let one = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
    let dev = one("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (mount, source) in spec.mounts.iter().zip(sources) {
        let made = self::mount(mount, source);
        if matches!(mount.source, MountSource::Proc) { first.push(made) } else { rest.push(made) }
    }
    first.push(dev);
    first.extend(rest);
    first
}

fn mount(mount: &Mount, source: &Source) -> Value {
    let mut options: Vec<String> = Vec::new();
    let mut words = |list: &[&str]| options.extend(list.iter().map(|word| word.to_string()));
    let (kind, from) = match (&mount.source, source) {
        (_, Source::Bind(path)) | (MountSource::Bind { path } | MountSource::Inside { path, .. }, Source::Own) => {
            words(&["rbind", spread(mount.propagation)]);
            ("bind", path.to_string_lossy().into_owned())
        }
        (MountSource::BindAlone { path }, Source::Own) => {
            words(&["bind", spread(mount.propagation)]);
            ("bind", path.to_string_lossy().into_owned())
        }
        (_, Source::Overlay { lower, upper, work }) => {
            options.push(format!("lowerdir={}", lower.display()));
            options.push(format!("upperdir={}", upper.display()));
            options.push(format!("workdir={}", work.display()));
            ("overlay", "overlay".to_string())
        }
        (MountSource::BindOverlay { path }, _) => {
            words(&["rbind", "ro"]);
            ("bind", path.to_string_lossy().into_owned())
        }
        (MountSource::Tmpfs { size, mode, options: more }, _) => {
            words(&["nosuid", "nodev", "noexec"]);
            options.extend(size.map(|size| format!("size={size}")));
            options.extend(mode.map(|mode| format!("mode={mode:o}")));
            options.extend(more.iter().cloned());
            ("tmpfs", "tmpfs".to_string())
        }
        (MountSource::Proc, _) => ("proc", "proc".to_string()),
        (MountSource::Sysfs, _) => {
            words(&["nosuid", "noexec", "nodev"]);
            ("sysfs", "sysfs".to_string())
        }
        (MountSource::Devpts, _) => {
            words(&["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]);
            ("devpts", "devpts".to_string())
        }
        (MountSource::Mqueue, _) => {
            words(&["nosuid", "noexec", "nodev"]);
            ("mqueue", "mqueue".to_string())
        }
        (MountSource::Cgroup, _) => {
            words(&["nosuid", "noexec", "nodev"]);
            ("cgroup", "cgroup".to_string())
        }
        (MountSource::Init, _) => {
            words(&["bind"]);
            ("bind", crate::init::NAME.to_string())
        }
    };
    if mount.read_only && !options.iter().any(|option| option == "ro") {
        options.push("ro".to_string());
    }
    json!({"destination": mount.destination, "type": kind, "source": from, "options": options})
}

fn spread(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Private => "rprivate",
        Propagation::Slave => "rslave",
        Propagation::Shared => "rshared",
    }
}

/// Nodes beside those that every runtime makes.
fn devices(list: &[Device]) -> Vec<Value> {
    const USUAL: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
    let more = list.iter().filter(|device| !USUAL.iter().any(|usual| Path::new(usual) == device.path));
    more.map(|device| {
        json!({
            "path": device.path, "type": device.kind.to_string(), "major": device.major, "minor": device.minor,
            "fileMode": device.mode, "uid": device.uid, "gid": device.gid,
        })
    })
    .collect()
}

fn resources(limits: &Limits, rules: &[DeviceRule]) -> Value {
    let mut allowed = vec![json!({"allow": false, "access": "rwm"})];
    allowed.extend(rules.iter().map(|rule| {
        let mut out = json!({"allow": true, "type": rule.kind.to_string(), "access": rule.access});
        // Without a number it is every one.
        for (key, number) in [("major", rule.major), ("minor", rule.minor)] {
            if let Some(number) = number {
                out[key] = json!(number);
            }
        }
        out
    }));
    let mut out = json!({ "devices": allowed });
    let mut set = |group: &str, key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out[group][key] = value;
        }
    };
    let text = |text: &str| (!text.is_empty()).then(|| json!(text));
    set("memory", "limit", limits.memory.map(|bytes| json!(bytes)));
    set("memory", "reservation", limits.memory_reservation.map(|bytes| json!(bytes)));
    set("memory", "swap", limits.memory_swap.map(|bytes| json!(bytes)));
    set("memory", "swappiness", limits.memory_swappiness.map(|value| json!(value)));
    set("memory", "disableOOMKiller", limits.oom_kill_disable.then(|| json!(true)));
    set("cpu", "shares", limits.cpu_shares.map(|value| json!(value)));
    set("cpu", "quota", limits.cpu_quota.map(|value| json!(value)));
    set("cpu", "period", limits.cpu_period.map(|value| json!(value)));
    set("cpu", "cpus", text(&limits.cpuset_cpus));
    set("cpu", "mems", text(&limits.cpuset_mems));
    set("pids", "limit", limits.pids.map(|value| json!(value)));
    set("cpu", "realtimeRuntime", limits.real_time_runtime.map(|value| json!(value)));
    set("cpu", "realtimePeriod", limits.real_time_period.map(|value| json!(value)));
    set("blockIO", "weight", limits.blkio_weight.map(|value| json!(value)));
    for (key, number, what) in [
        ("throttleReadBpsDevice", "rate", Throttled::ReadBytes),
        ("throttleWriteBpsDevice", "rate", Throttled::WriteBytes),
        ("throttleReadIOPSDevice", "rate", Throttled::Reads),
        ("throttleWriteIOPSDevice", "rate", Throttled::Writes),
        ("weightDevice", "weight", Throttled::Weight),
    ] {
        let of = limits.throttles.iter().filter(|limit| limit.what == what);
        let all: Vec<Value> =
            of.map(|limit| json!({"major": limit.major, "minor": limit.minor, number: limit.value})).collect();
        set("blockIO", key, (!all.is_empty()).then(|| json!(all)));
    }
    out
}
