//! What the flags say of a container, over its image's config: docker's inspect JSON, made as dockerd would record it.

mod env;
mod health;
mod limits;
mod log;
mod mounts;
mod network;
mod over;
mod ports;
mod text;

use anyhow::{Context, Result, bail};
use launch::docker::SHARED_MEMORY;
use serde_json::{Map, Value, json};

use crate::args::Args;
pub use over::over;
pub use text::list;
use text::map;

/// The record of a new container: `Path`, `Args`, `Config`, `HostConfig`. `image` is the image's own config document.
pub fn record(args: &Args, image: &Value, image_name: &str, command: &[String], id: &str) -> Result<Value> {
    let base = &image["config"];
    let config = config(args, base, image_name, command, id)?;
    let all: Vec<Value> = list(&config["Entrypoint"]).into_iter().chain(list(&config["Cmd"])).collect();
    let Some((path, rest)) = all.split_first() else { bail!("no command specified") };
    let (mode, networks) = network::networks(args)?;
    let mut record = json!({
        "Id": id,
        "Path": path,
        "Args": rest,
        "Config": config,
        "HostConfig": host_config(args, mode)?,
    });
    if let Some(networks) = networks {
        record["NetworkSettings"] = json!({ "Networks": networks });
    }
    Ok(record)
}

/// The image's config with the flags over it (moby v20.10.24 daemon/commit.go merge, in the other direction).
fn config(args: &Args, base: &Value, image_name: &str, command: &[String], id: &str) -> Result<Value> {
    let mut entrypoint = base["Entrypoint"].clone();
    let mut cmd = base["Cmd"].clone();
    if let Some(wanted) = &args.process.entrypoint {
        // Another entrypoint does not get the image's arguments; an empty one removes the image's.
        entrypoint = if wanted.is_empty() { Value::Null } else { json!([wanted]) };
        cmd = Value::Null;
    }
    if !command.is_empty() {
        cmd = json!(command);
    }
    let [stdin, stdout, stderr] = attached(args)?;
    let or_base = |flag: &Option<String>, key: &str| match flag.as_deref() {
        None | Some("") => base[key].clone(),
        Some(text) => json!(text),
    };
    let shares_name = args.network.network.first().is_some_and(|mode| mode == "host");
    let hostname = match (args.life.hostname.as_ref().filter(|name| !name.is_empty()), shares_name) {
        (Some(name), _) => name.clone(),
        (None, true) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (None, false) => id.get(..12).unwrap_or(id).to_string(),
    };
    let mut config = json!({
        "Hostname": hostname,
        "Domainname": args.life.domainname.clone().unwrap_or_default(),
        "User": or_base(&args.process.user, "User"),
        "AttachStdin": stdin,
        "AttachStdout": stdout,
        "AttachStderr": stderr,
        "Tty": args.process.tty,
        "OpenStdin": args.process.interactive,
        "StdinOnce": stdin,
        "Env": env::env(&args.process, &base["Env"])?,
        "Cmd": cmd,
        "Image": image_name,
        "Volumes": mounts::volumes(&args.files, &base["Volumes"]),
        "WorkingDir": or_base(&args.process.workdir, "WorkingDir"),
        "Entrypoint": entrypoint,
        "OnBuild": Value::Null,
        "Labels": labels(args, base)?,
        "StopSignal": stop_signal(args, base)?,
        "ExposedPorts": ports::exposed(&args.network, &base["ExposedPorts"])?,
        "Healthcheck": health::healthcheck(&args.health, &base["Healthcheck"])?,
    });
    if let Some(seconds) = args.life.stop_timeout {
        config["StopTimeout"] = json!(seconds);
    }
    if let Some(text) = &args.network.mac_address {
        config["MacAddress"] = json!(network::mac(text)?);
    }
    Ok(config)
}

/// Which of stdin, stdout and stderr this program is to be connected to (docker/cli v28 cli/command/container/opts.go).
pub fn attached(args: &Args) -> Result<[bool; 3]> {
    let mut all = [false; 3];
    for name in &args.process.attach {
        match name.to_ascii_lowercase().as_str() {
            "stdin" => all[0] = true,
            "stdout" => all[1] = true,
            "stderr" => all[2] = true,
            _ => bail!(
                "invalid argument \"{name}\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"
            ),
        }
    }
    if args.life.detach {
        if !args.process.attach.is_empty() {
            bail!("Conflicting options: -a and -d");
        }
        return Ok([false; 3]);
    }
    Ok(if args.process.attach.is_empty() { [args.process.interactive, true, true] } else { all })
}

fn labels(args: &Args, base: &Value) -> Result<Map<String, Value>> {
    let mut labels = base["Labels"].as_object().cloned().unwrap_or_default();
    for pair in cli::variables::pairs(&args.life.label_file)?.iter().chain(&args.life.label) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key.trim().is_empty() {
            bail!("invalid label '{pair}': empty name");
        }
        if key.contains(char::is_whitespace) {
            bail!("label '{key}' contains whitespaces");
        }
        labels.insert(key.to_string(), json!(value));
    }
    Ok(labels)
}

fn stop_signal(args: &Args, base: &Value) -> Result<Value> {
    match &args.life.stop_signal {
        None => Ok(base["StopSignal"].clone()),
        Some(text) if text.is_empty() => Ok(base["StopSignal"].clone()),
        Some(text) if launch::docker::signal(text).is_some() => Ok(json!(text)),
        Some(text) => bail!("Invalid signal: {text}"),
    }
}

fn host_config(args: &Args, network: String) -> Result<Value> {
    let (files, rights) = (&args.files, &args.rights);
    let binds = mounts::binds(files)?;
    let own_mounts = mounts::mounts(files)?;
    let tmpfs = mounts::tmpfs(files)?;
    mounts::once(&binds, &own_mounts, &tmpfs)?;
    let named = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut made = json!({
        "Binds": binds,
        "ContainerIDFile": args.life.cidfile.as_ref().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default(),
        "NetworkMode": network,
        "PortBindings": ports::bindings(&args.network)?,
        "PublishAllPorts": args.network.publish_all,
        "RestartPolicy": restart(args)?,
        "LogConfig": log::config(&args.life)?,
        "AutoRemove": args.life.rm,
        "VolumeDriver": named(&args.rest.volume_driver),
        "VolumesFrom": files.volumes_from,
        "CapAdd": rights.cap_add,
        "CapDrop": rights.cap_drop,
        "CgroupnsMode": one_of(&rights.cgroupns, "--cgroupns", &["host", "private"])?,
        "Dns": dns(&args.network.dns)?,
        "DnsOptions": args.network.dns_option,
        "DnsSearch": searched(&args.network.dns_search)?,
        "ExtraHosts": network::extra_hosts(&args.network.add_host)?,
        "GroupAdd": args.process.group_add,
        "IpcMode": namespace(&rights.ipc, "IPC", &["none", "private", "shareable", "host"])?,
        "Links": network::links(&args.network.link)?,
        "PidMode": namespace(&rights.pid, "PID", &["host"])?,
        "Privileged": rights.privileged,
        "ReadonlyRootfs": files.read_only,
        "SecurityOpt": security(&rights.security_opt)?,
        "StorageOpt": map(&args.rest.storage_opt, '='),
        "Tmpfs": tmpfs,
        "UTSMode": one_of(&rights.uts, "--uts", &["host"])?,
        "UsernsMode": one_of(&rights.userns, "--userns", &["host"])?,
        "ShmSize": shm_size(args)?,
        "Sysctls": sysctls(args, &rights.sysctl)?,
        "Runtime": args.life.runtime.clone().unwrap_or_else(|| "runc".to_string()),
        "Isolation": named(&args.rest.isolation),
        "Devices": files.device.iter().map(|text| mounts::device(text)).collect::<Result<Vec<_>>>()?,
        "DeviceCgroupRules": files.device_cgroup_rule.iter().map(|text| mounts::device_rule(text)).collect::<Result<Vec<_>>>()?,
        "DeviceRequests": gpus(&args.rest.gpus),
        "LxcConf": args.rest.lxc_conf.iter().map(|text| text.split_once('=').unwrap_or((text, ""))).map(|(key, value)| json!({"Key": key, "Value": value})).collect::<Vec<_>>(),
    });
    for (key, wanted, value) in [
        ("Mounts", !own_mounts.is_empty(), json!(own_mounts)),
        ("Init", args.process.init, json!(true)),
        ("Annotations", !args.life.annotation.is_empty(), map(&args.life.annotation, '=')),
    ] {
        if wanted {
            made[key] = value;
        }
    }
    if rights.security_opt.iter().any(|option| is_open(option)) {
        made["MaskedPaths"] = json!([]);
        made["ReadonlyPaths"] = json!([]);
    }
    for (key, value) in limits::limits(&args.limits, &args.rest)? {
        made[key] = value;
    }
    Ok(made)
}

/// What docker warns of; the texts are its own (docker/cli v28 cli/command/container/run.go, moby v20.10.24 daemon/daemon_unix.go).
pub fn warnings(args: &Args) -> Vec<String> {
    let own = &args.network;
    let is_here = |text: &&String| text.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    let published =
        (!own.publish.is_empty() || own.publish_all) && own.network.first().is_some_and(|mode| mode == "host");
    let may_fill = args.limits.oom_kill_disable && args.limits.memory.is_none();
    let local = own.dns.iter().find(is_here).map(|text| format!("Localhost DNS ({text}) may fail in containers."));
    let published = published.then(|| "Published ports are discarded when using host network mode".to_string());
    let may_fill = may_fill.then(|| {
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.".to_string()
    });
    [local, published, may_fill].into_iter().flatten().collect()
}

fn gpus(wanted: &[String]) -> Vec<Value> {
    wanted.iter().map(|text| json!({"Driver": "", "Count": -1, "DeviceIDs": null, "Capabilities": [["gpu"]], "Options": {"asked": text}})).collect()
}

fn shm_size(args: &Args) -> Result<i64> {
    match text::bytes(&args.files.shm_size, "--shm-size")? {
        Some(size) if size < 0 => bail!("SHM size can not be less than 0"),
        other => Ok(other.filter(|&size| size > 0).unwrap_or(67_108_864)),
    }
}

/// One of docker's words, or none.
fn one_of(text: &Option<String>, what: &str, words: &[&str]) -> Result<String> {
    match text.as_deref() {
        None | Some("") => Ok(String::new()),
        Some(word) if words.contains(&word) => Ok(word.to_string()),
        Some(_) => {
            bail!("{what}: invalid {} mode", what.trim_start_matches("--").trim_end_matches("ns").to_uppercase())
        }
    }
}

/// One of docker's words, or `container:NAME`.
fn namespace(text: &Option<String>, what: &str, words: &[&str]) -> Result<String> {
    match text.as_deref() {
        Some(word) if word.strip_prefix("container:").is_some_and(|name| !name.is_empty()) => Ok(word.to_string()),
        _ => one_of(text, &format!("--{}", what.to_ascii_lowercase()), words),
    }
}

fn dns(list: &[String]) -> Result<&[String]> {
    match list.iter().find(|text| text.parse::<std::net::IpAddr>().is_err()) {
        Some(text) => bail!("invalid argument \"{text}\" for \"--dns\" flag: {text} is not an ip address"),
        None => Ok(list),
    }
}

/// Domains, or `.` for none (docker/cli v28 opts/opts.go ValidateDNSSearch).
fn searched(list: &[String]) -> Result<&[String]> {
    let is_label = |label: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        (1..=63).contains(&label.len())
            && label.starts_with(ends)
            && label.ends_with(ends)
            && label.chars().all(|c| ends(c) || c == '-' || c == '_')
    };
    let is_domain =
        |text: &str| text == "." || (text.len() < 255 && text.trim_end_matches('.').split('.').all(is_label));
    match list.iter().find(|text| !is_domain(text.trim())) {
        Some(text) => bail!("invalid argument \"{text}\" for \"--dns-search\" flag: {text} is not a valid domain"),
        None => Ok(list),
    }
}

/// Kernel settings that a namespace has for itself (docker/cli v28 opts/opts.go ValidateSysctl), none of a shared one.
fn sysctls(args: &Args, list: &[String]) -> Result<Value> {
    let host_network = args.network.network.first().is_some_and(|mode| mode == "host");
    for text in list {
        let (name, _) = text.split_once('=').with_context(|| {
            format!("invalid argument \"{text}\" for \"--sysctl\" flag: {text} is not a valid sysctl")
        })?;
        let known = SHARED_MEMORY.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.");
        let uts = name == "kernel.domainname";
        if !known && !uts {
            bail!("invalid argument \"{text}\" for \"--sysctl\" flag: sysctl '{text}' is not allowed");
        }
        if host_network && name.starts_with("net.") {
            bail!("sysctl \"{name}\" not allowed in host network namespace");
        }
    }
    Ok(map(list, '='))
}

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
fn restart(args: &Args) -> Result<Value> {
    let typed = &args.life.restart;
    let (name, most) = typed.split_once(':').unwrap_or((typed, "0"));
    let most: u64 = most
        .parse()
        .with_context(|| format!("invalid restart policy format: maximum retry count must be an integer: '{typed}'"))?;
    match name {
        "no" | "always" | "unless-stopped" if most > 0 => {
            bail!("maximum retry count cannot be used with restart policy '{name}'")
        }
        "always" | "unless-stopped" | "on-failure" if args.life.rm => {
            bail!("conflicting options: cannot specify both --restart and --rm")
        }
        "" | "no" | "always" | "unless-stopped" | "on-failure" => {
            Ok(json!({"Name": if name.is_empty() { "no" } else { name }, "MaximumRetryCount": most}))
        }
        _ => bail!("invalid restart policy '{name}'"),
    }
}

/// Whether nothing of `/proc` and `/sys` is to be hidden or locked (docker/cli v28 cli/command/container/opts.go parseSystemPaths).
fn is_open(option: &str) -> bool {
    option == "systempaths=unconfined"
}

/// Seccomp profiles are read here, so that the record holds the text, as docker's does.
fn security(options: &[String]) -> Result<Vec<String>> {
    options
        .iter()
        .filter(|option| !is_open(option))
        .map(|option| match option.strip_prefix("seccomp=").or_else(|| option.strip_prefix("seccomp:")) {
            Some("") => bail!("invalid --security-opt: \"{option}\""),
            Some(file) if file != "unconfined" && file != "builtin" => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("opening seccomp profile ({file}) failed"))?;
                Ok(format!("seccomp={text}"))
            }
            _ => match option.split(['=', ':']).next().unwrap_or_default() {
                "no-new-privileges" if !matches!(option.split(['=', ':']).nth(1), None | Some("true" | "false")) => {
                    bail!("invalid --security-opt: \"{option}\"")
                }
                "no-new-privileges" | "seccomp" | "apparmor" | "label" | "systempaths" | "writable-cgroups" => {
                    Ok(option.clone())
                }
                _ => bail!("invalid --security-opt: \"{option}\""),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests;
