//! From docker's inspect JSON to a [`Spec`]: what dockerd fills in, and what each key means.
//!
//! The shape is that of docker inspect of today; `layout` brings older records to it. What only the caller can know
//! (where layers and mount sources lie on this machine) comes as [`Surroundings`].

mod devices;
mod json;
mod limits;
mod mounts;
mod namespaces;
mod settings;

use std::path::{Path, PathBuf};

use serde_json::Value;

use devices::devices;
use json::{is_said, strings, text, truth};
use limits::{limits, rlimits};
pub use mounts::bytes;
use mounts::{MASKED, READ_ONLY, mounts};
use namespaces::{namespaces, refuse_sharing};
pub use settings::SHARED_MEMORY;
use settings::sysctls;

use crate::capability::{Capabilities, UnknownCapability};
use crate::spec::{Mount, Namespace, Process, RootFiles, Seccomp, Spec, Users, set_env};
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
    /// A kernel setting that is not the container's own.
    #[error("sysctl \"{name}\" {why}")]
    Setting {
        /// Its name.
        name: String,
        /// Whose it is.
        why: &'static str,
    },
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
    let sysctls = sysctls(host, config, &namespaces)?;
    let spec = Spec {
        hostname: text(&config["Hostname"]).unwrap_or(&around.id[..around.id.len().min(12)]).to_string(),
        domainname: text(&config["Domainname"]).unwrap_or_default().to_string(),
        mounts: mounts(host, privileged, &around.joined, &namespaces, around.mounts)?,
        namespaces,
        masked: hidden("MaskedPaths", MASKED),
        read_only_paths: hidden("ReadonlyPaths", READ_ONLY),
        sysctls,
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
    let dockers = env.clone();
    for pair in strings(&config["Env"]) {
        let name = |text: &str| text.split('=').next().map(str::to_string);
        let place = env.iter().position(|old| name(old) == name(&pair));
        // A bare name in a record took its value from the client of that day, which is gone: docker then removes what it would
        // have given by itself, and nothing else.
        match (place, pair.contains('=')) {
            (Some(at), true) => env[at] = pair,
            (None, true) => env.push(pair),
            (Some(at), false) if dockers.iter().any(|own| name(own) == name(&pair)) => drop(env.remove(at)),
            (_, false) => {}
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
    for mount in host["Mounts"].as_array().into_iter().flatten() {
        let place = text(&mount["Target"]).unwrap_or_default();
        for (options, key, what) in [
            ("BindOptions", "ReadOnlyNonRecursive", "what is mounted below it is read-only too"),
            ("VolumeOptions", "Subpath", "it is the whole volume"),
        ] {
            if is_said(&mount[options][key]) {
                notes.push(format!("{options}.{key} of '{place}' is not done: {what}"));
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::MountSource;
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
