//! What the flags say of a container, over its image's config: docker's inspect JSON, made as dockerd would record it.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::args::Args;

/// The record of a new container: `Path`, `Args`, `Config`, `HostConfig`. `image` is the image's own config document.
pub fn record(args: &Args, image: &Value, image_name: &str, command: &[String], id: &str) -> Result<Value> {
    let base = &image["config"];
    let config = config(args, base, image_name, command, id)?;
    let all: Vec<Value> = list(&config["Entrypoint"]).into_iter().chain(list(&config["Cmd"])).collect();
    let Some((path, rest)) = all.split_first() else { bail!("no command specified") };
    Ok(json!({
        "Id": id,
        "Path": path,
        "Args": rest,
        "Config": config,
        "HostConfig": host_config(args)?,
    }))
}

/// The image's config with the flags over it (moby v20.10.24 daemon/commit.go merge, in the other direction).
fn config(args: &Args, base: &Value, image_name: &str, command: &[String], id: &str) -> Result<Value> {
    let mut entrypoint = base["Entrypoint"].clone();
    let mut cmd = base["Cmd"].clone();
    if let Some(wanted) = &args.entrypoint {
        // Another entrypoint does not get the image's arguments; an empty one removes the image's.
        entrypoint = if wanted.is_empty() { Value::Null } else { json!([wanted]) };
        cmd = Value::Null;
    }
    if !command.is_empty() {
        cmd = json!(command);
    }
    let mut labels = base["Labels"].as_object().cloned().unwrap_or_default();
    for pair in lines(&args.label_file)?.iter().chain(&args.label) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        labels.insert(key.to_string(), json!(value));
    }
    let or_base = |flag: &Option<String>, key: &str| flag.clone().map_or(base[key].clone(), |text| json!(text));
    Ok(json!({
        "Hostname": args.hostname.clone().unwrap_or_else(|| id[..12].to_string()),
        "Domainname": args.domainname.clone().unwrap_or_default(),
        "User": or_base(&args.user, "User"),
        "AttachStdin": args.interactive,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": args.tty,
        "OpenStdin": args.interactive,
        "StdinOnce": args.interactive,
        "Env": env(args, &base["Env"])?,
        "Cmd": cmd,
        "Image": image_name,
        "Volumes": volumes(args, &base["Volumes"]),
        "WorkingDir": or_base(&args.workdir, "WorkingDir"),
        "Entrypoint": entrypoint,
        "OnBuild": Value::Null,
        "Labels": labels,
        "StopSignal": or_base(&args.stop_signal, "StopSignal"),
        "ExposedPorts": exposed(args, &base["ExposedPorts"])?,
        "Healthcheck": base["Healthcheck"],
    }))
}

/// The image's ports, those of `--expose`, and those that are published.
fn exposed(args: &Args, base: &Value) -> Result<Value> {
    let mut all = base.as_object().cloned().unwrap_or_default();
    for text in &args.expose {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        for port in ports(range).with_context(|| format!("invalid range format for --expose: {text}"))? {
            all.insert(format!("{port}/{protocol}"), json!({}));
        }
    }
    for key in bindings(args)?.keys() {
        all.insert(key.clone(), json!({}));
    }
    Ok(if all.is_empty() { Value::Null } else { Value::Object(all) })
}

/// `--publish [[IP:]HOST:]PORT[/PROTOCOL]`, ranges too, as docker's `PortBindings`.
fn bindings(args: &Args) -> Result<Map<String, Value>> {
    let mut all: Map<String, Value> = Map::new();
    for text in &args.publish {
        let wrong = || format!("invalid containerPort: {text}");
        let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let (rest, inside) = rest.rsplit_once(':').unwrap_or(("", rest));
        let (address, outside) = match rest.rsplit_once(':') {
            Some((address, outside)) => (address.trim_matches(['[', ']']), outside),
            None => ("", rest),
        };
        let inside = ports(inside).with_context(wrong)?;
        let outside = if outside.is_empty() { Vec::new() } else { ports(outside).with_context(wrong)? };
        if !outside.is_empty() && outside.len() != inside.len() {
            bail!("invalid ranges specified for container and host Ports: {text}");
        }
        for (at, port) in inside.iter().enumerate() {
            let host = outside.get(at).map(u16::to_string).unwrap_or_default();
            let list = all.entry(format!("{port}/{protocol}")).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(json!({"HostIp": address, "HostPort": host}));
            }
        }
    }
    Ok(all)
}

/// `80` or `8000-8010`.
fn ports(text: &str) -> Option<Vec<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last).then(|| (first..=last).collect())
}

/// The image's volumes, and those of `--volume` that name a place only.
fn volumes(args: &Args, base: &Value) -> Value {
    let mut all = base.as_object().cloned().unwrap_or_default();
    all.extend(args.volume.iter().filter(|text| !text.contains(':')).map(|place| (place.clone(), json!({}))));
    if all.is_empty() { Value::Null } else { Value::Object(all) }
}

fn host_config(args: &Args) -> Result<Value> {
    Ok(json!({
        "Binds": args.volume.iter().filter(|text| text.contains(':')).collect::<Vec<_>>(),
        "NetworkMode": args.network.clone().unwrap_or_else(|| "default".to_string()),
        "PortBindings": bindings(args)?,
        "PublishAllPorts": args.publish_all,
        "RestartPolicy": restart(args)?,
        "LogConfig": {"Type": "json-file", "Config": {}},
        "AutoRemove": args.rm,
        "CapAdd": args.cap_add,
        "CapDrop": args.cap_drop,
        "CgroupnsMode": args.cgroupns.clone().unwrap_or_default(),
        "Dns": args.dns,
        "DnsOptions": args.dns_option,
        "DnsSearch": args.dns_search,
        "ExtraHosts": args.add_host,
        "GroupAdd": args.group_add,
        "IpcMode": args.ipc.clone().unwrap_or_default(),
        "OomScoreAdj": args.oom_score_adj.unwrap_or(0),
        "PidMode": args.pid.clone().unwrap_or_default(),
        "Privileged": args.privileged,
        "ReadonlyRootfs": args.read_only,
        "SecurityOpt": security(&args.security_opt)?,
        "Tmpfs": map(&args.tmpfs, ':'),
        "UTSMode": args.uts.clone().unwrap_or_default(),
        "ShmSize": bytes(&args.shm_size, "--shm-size")?.unwrap_or(67_108_864),
        "CpuShares": args.cpu_shares.unwrap_or(0),
        "Memory": memory(args)?,
        "NanoCpus": args.cpus.map_or(0, |cpus| (cpus * 1e9).round() as i64),
        "CgroupParent": args.cgroup_parent.clone().unwrap_or_default(),
        "BlkioWeight": args.blkio_weight.unwrap_or(0),
        "CpuPeriod": args.cpu_period.unwrap_or(0),
        "CpuQuota": args.cpu_quota.unwrap_or(0),
        "CpusetCpus": args.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": args.cpuset_mems.clone().unwrap_or_default(),
        "Devices": args.device.iter().map(|text| device(text)).collect::<Vec<_>>(),
        "DeviceCgroupRules": args.device_cgroup_rule,
        "MemoryReservation": bytes(&args.memory_reservation, "--memory-reservation")?.unwrap_or(0),
        "MemorySwap": bytes(&args.memory_swap, "--memory-swap")?.unwrap_or(0),
        "OomKillDisable": args.oom_kill_disable,
        "PidsLimit": args.pids_limit,
        "Ulimits": args.ulimit.iter().map(|text| ulimit(text)).collect::<Result<Vec<_>>>()?,
        "Sysctls": map(&args.sysctl, '='),
    }))
}

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
fn restart(args: &Args) -> Result<Value> {
    let (name, most) = args.restart.split_once(':').unwrap_or((&args.restart, "0"));
    let most: u64 = most.parse().with_context(|| {
        format!("invalid restart policy format: maximum retry count must be an integer: '{}'", args.restart)
    })?;
    match name {
        "no" | "always" | "unless-stopped" if most > 0 => {
            bail!("maximum retry count cannot be used with restart policy '{name}'")
        }
        "always" | "unless-stopped" | "on-failure" if args.rm => {
            bail!("conflicting options: cannot specify both --restart and --rm")
        }
        "no" | "always" | "unless-stopped" | "on-failure" => Ok(json!({"Name": name, "MaximumRetryCount": most})),
        _ => bail!("invalid restart policy '{name}'"),
    }
}

/// The image's variables, then files, then flags; a bare name takes this program's own value, or is left out.
fn env(args: &Args, base: &Value) -> Result<Vec<String>> {
    let mut all: Vec<String> = list(base).iter().filter_map(Value::as_str).map(str::to_string).collect();
    for text in lines(&args.env_file)?.iter().chain(&args.env) {
        if text.contains('=') {
            set(&mut all, text.clone());
        } else if let Ok(value) = std::env::var(text) {
            set(&mut all, format!("{text}={value}"));
        }
    }
    Ok(all)
}

fn set(all: &mut Vec<String>, pair: String) {
    match all.iter_mut().find(|old| old.split('=').next() == pair.split('=').next()) {
        Some(old) => *old = pair,
        None => all.push(pair),
    }
}

/// The lines of `--env-file` and `--label-file`: empty ones and comments are none.
fn lines(files: &[std::path::PathBuf]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read '{}'", file.display()))?;
        all.extend(
            text.lines()
                .map(str::trim_start)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_string),
        );
    }
    Ok(all)
}

/// Seccomp profiles are read here, so that the record holds the text, as docker's does.
fn security(options: &[String]) -> Result<Vec<String>> {
    options
        .iter()
        .map(|option| match option.strip_prefix("seccomp=") {
            Some(file) if file != "unconfined" && file != "builtin" => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("opening seccomp profile ({file}) failed"))?;
                Ok(format!("seccomp={text}"))
            }
            _ => Ok(option.clone()),
        })
        .collect()
}

fn memory(args: &Args) -> Result<i64> {
    const LEAST: i64 = 6 * 1024 * 1024;
    match bytes(&args.memory, "--memory")? {
        Some(bytes) if bytes < LEAST => bail!("Minimum memory limit allowed is 6MB"),
        other => Ok(other.unwrap_or(0)),
    }
}

/// Docker's sizes: `64m`, `1.5g`, plain bytes, -1.
fn bytes(text: &Option<String>, flag: &str) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = lower[number.len()..].trim_end_matches('b').trim_end_matches('i');
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => bail!("invalid argument \"{text}\" for \"{flag}\" flag: invalid size: '{text}'"),
    };
    let value: f64 = number
        .trim()
        .parse()
        .with_context(|| format!("invalid argument \"{text}\" for \"{flag}\" flag: invalid size: '{text}'"))?;
    Ok(Some((value * (1i64 << shift) as f64) as i64))
}

/// `/dev/fuse[:/dev/inside][:rwm]`.
fn device(text: &str) -> Value {
    let parts: Vec<&str> = text.split(':').collect();
    let is_access = |part: &str| !part.is_empty() && part.chars().all(|c| "rwm".contains(c));
    let (inside, access) = match parts[1..] {
        [access] if is_access(access) => (parts[0], access),
        [inside] => (inside, "rwm"),
        [inside, access] => (inside, access),
        _ => (parts[0], "rwm"),
    };
    json!({"PathOnHost": parts[0], "PathInContainer": inside, "CgroupPermissions": access})
}

/// `nofile=1024[:2048]`.
fn ulimit(text: &str) -> Result<Value> {
    let wrong = || format!("invalid argument \"{text}\" for \"--ulimit\" flag: invalid ulimit argument: {text}");
    let (name, values) = text.split_once('=').with_context(wrong)?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let number = |text: &str| text.parse::<i64>().with_context(wrong);
    let (soft, hard) = (number(soft)?, number(hard)?);
    if launch::rlimit(name).is_none() {
        bail!("invalid argument \"{text}\" for \"--ulimit\" flag: invalid ulimit type: {name}");
    }
    if hard != -1 && (soft > hard || soft == -1) {
        bail!(
            "invalid argument \"{text}\" for \"--ulimit\" flag: ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        );
    }
    Ok(json!({"Name": name, "Soft": soft, "Hard": hard}))
}

fn map(list: &[String], separator: char) -> Value {
    let pairs = list.iter().map(|text| text.split_once(separator).unwrap_or((text, "")));
    Value::Object(pairs.map(|(key, value)| (key.to_string(), json!(value))).collect::<Map<_, _>>())
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.clone(),
        Value::String(_) => vec![value.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn recorded(typed: &[&str]) -> Value {
        let mut all = vec!["run"];
        all.extend(typed);
        let args = Args::try_parse_from(all).expect("these can be typed");
        let image = json!({"config": {"Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=1", "B=2"], "Labels": {"x": "y"}, "User": "web"}});
        record(&args, &image, "img", &args.image_and_command[1..], &"f".repeat(64)).expect("these can be run")
    }

    #[test]
    fn flags_go_over_the_images_config() {
        let made = recorded(&["-e", "B=3", "-e", "C=", "-u", "0", "-l", "k=v", "img", "-x", "arg"]);
        assert_eq!((&made["Path"], &made["Args"]), (&json!("/e"), &json!(["-x", "arg"])));
        assert_eq!(made["Config"]["Env"], json!(["A=1", "B=3", "C="]));
        assert_eq!((&made["Config"]["User"], &made["Config"]["Labels"]), (&json!("0"), &json!({"x": "y", "k": "v"})));
    }

    #[test]
    fn another_entrypoint_does_not_get_the_images_arguments() {
        let made = recorded(&["--entrypoint", "/bin/sh", "img"]);
        assert_eq!((&made["Path"], &made["Args"]), (&json!("/bin/sh"), &json!([])));
        let made = recorded(&["--entrypoint", "", "img", "ls"]);
        assert_eq!(made["Path"], json!("ls"));
    }

    #[test]
    fn sizes_devices_and_limits_are_dockers() {
        let made =
            recorded(&["-m", "64m", "--device", "/dev/fuse:rw", "--ulimit", "nofile=10:20", "--cpus", "1.5", "img"]);
        assert_eq!(
            (&made["HostConfig"]["Memory"], &made["HostConfig"]["NanoCpus"]),
            (&json!(67_108_864), &json!(1_500_000_000))
        );
        assert_eq!(
            made["HostConfig"]["Devices"],
            json!([{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rw"}])
        );
        assert_eq!(made["HostConfig"]["Ulimits"], json!([{"Name": "nofile", "Soft": 10, "Hard": 20}]));
    }
}
