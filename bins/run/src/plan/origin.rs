//! Which file each value of the plan came from.

use host::Host;
use layout::Object;
use serde_json::{Map, Value, json};

use super::Subject;

/// What is recorded, and where.
pub struct Origin {
    /// The inspect JSON as it was recorded; of an image, its config.
    pub recorded: Value,
    /// The container's, had nothing been typed.
    pub plain: Value,
    /// Whether it was read from stdin.
    pub piped: bool,
}

/// Values of the plan, and the keys of docker's inspect JSON that decide on them.
const KEYS: &[(&str, &[&str])] = &[
    ("process.args", &["/Path", "/Args", "/Config/Entrypoint", "/Config/Cmd"]),
    ("process.env", &["/Config/Env", "/HostConfig/Links"]),
    ("process.cwd", &["/Config/WorkingDir"]),
    ("process.user", &["/Config/User", "/HostConfig/GroupAdd"]),
    ("process.terminal", &["/Config/Tty"]),
    ("process.capabilities", &["/HostConfig/CapAdd", "/HostConfig/CapDrop", "/HostConfig/Privileged"]),
    ("process.no_new_privileges", &["/HostConfig/SecurityOpt"]),
    ("process.seccomp", &["/HostConfig/SecurityOpt", "/HostConfig/Privileged"]),
    ("process.rlimits", &["/HostConfig/Ulimits"]),
    ("process.oom_score_adj", &["/HostConfig/OomScoreAdj"]),
    ("process.stop_signal", &["/Config/StopSignal"]),
    ("root.read_only", &["/HostConfig/ReadonlyRootfs"]),
    ("hostname", &["/Config/Hostname"]),
    ("domainname", &["/Config/Domainname"]),
    (
        "namespaces",
        &[
            "/HostConfig/NetworkMode",
            "/HostConfig/PidMode",
            "/HostConfig/IpcMode",
            "/HostConfig/UTSMode",
            "/HostConfig/CgroupnsMode",
            "/HostConfig/UsernsMode",
        ],
    ),
    (
        "mounts",
        &[
            "/Mounts",
            "/HostConfig/Binds",
            "/HostConfig/Mounts",
            "/HostConfig/Tmpfs",
            "/HostConfig/VolumesFrom",
            "/HostConfig/ShmSize",
        ],
    ),
    ("devices", &["/HostConfig/Devices", "/HostConfig/Privileged"]),
    ("device_rules", &["/HostConfig/Devices", "/HostConfig/DeviceCgroupRules", "/HostConfig/Privileged"]),
    ("masked", &["/HostConfig/MaskedPaths"]),
    ("read_only_paths", &["/HostConfig/ReadonlyPaths"]),
    ("sysctls", &["/HostConfig/Sysctls"]),
    (
        "limits",
        &[
            "/HostConfig/Memory",
            "/HostConfig/MemoryReservation",
            "/HostConfig/MemorySwap",
            "/HostConfig/MemorySwappiness",
            "/HostConfig/OomKillDisable",
            "/HostConfig/CpuShares",
            "/HostConfig/CpuQuota",
            "/HostConfig/CpuPeriod",
            "/HostConfig/NanoCpus",
            "/HostConfig/CpusetCpus",
            "/HostConfig/CpusetMems",
            "/HostConfig/PidsLimit",
            "/HostConfig/BlkioWeight",
            "/HostConfig/CpuRealtimeRuntime",
            "/HostConfig/CpuRealtimePeriod",
        ],
    ),
    ("cgroup_parent", &["/HostConfig/CgroupParent"]),
    (
        "files",
        &[
            "/Config/Hostname",
            "/HostConfig/ExtraHosts",
            "/HostConfig/Dns",
            "/HostConfig/DnsSearch",
            "/HostConfig/DnsOptions",
        ],
    ),
];

impl Origin {
    /// For each value its files and keys, `the command line`, or `docker's default`.
    pub fn of_all(&self, host: &Host, subject: &Subject, inspect: &Value) -> Value {
        let files = Files::of(host, subject, self.piped);
        let mut all = Map::new();
        for (name, keys) in KEYS {
            let mut from: Vec<String> = keys.iter().flat_map(|key| self.of_key(&files, inspect, key)).collect();
            from.sort_by_key(|text| text == TYPED);
            from.dedup();
            if from.is_empty() {
                from.push("docker's default".to_string());
            }
            all.insert((*name).to_string(), json!(from));
        }
        all.insert("root.lower".to_string(), json!([files.main]));
        Value::Object(all)
    }

    fn of_key(&self, files: &Files, inspect: &Value, key: &str) -> Vec<String> {
        let value = |document: &Value| document.pointer(key).cloned().unwrap_or_default();
        let (now, recorded) = (value(inspect), value(&self.recorded));
        let mut from = Vec::new();
        if !is_nothing(&recorded) && !is_nothing(&now) {
            let file = if key.starts_with("/HostConfig/") { &files.host } else { &files.main };
            from.push(format!("{file}: {}", key[1..].replace('/', ".")));
        }
        if now != value(&self.plain) {
            from.push(TYPED.to_string());
        }
        from
    }
}

const TYPED: &str = "the command line";

/// Whether a value says nothing: docker writes many that are empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "default",
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Where the container is recorded.
struct Files {
    main: String,
    /// That of its host config.
    host: String,
}

impl Files {
    fn of(host: &Host, subject: &Subject, piped: bool) -> Files {
        let object = match subject {
            _ if piped => return Files { main: "stdin".to_string(), host: "stdin".to_string() },
            Subject::New(image) => Object::Image(image),
            Subject::Old(container) => Object::Container(container),
        };
        let all: Vec<String> =
            layout::raw_records(host.root(), host.stores(), object).iter().map(ToString::to_string).collect();
        let main = all.first().cloned().unwrap_or_default();
        let host = all.iter().find(|path| path.contains("hostconfig")).unwrap_or(&main).clone();
        Files { main, host }
    }
}
