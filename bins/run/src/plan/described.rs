//! A container as inspect JSON on stdin describes it, in docker's shape of today, whichever engine wrote it.

use std::io::Read;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Reads one container's or image's.
pub fn read() -> Result<Value> {
    const MOST: u64 = 16 << 20;
    let mut text = String::new();
    std::io::stdin().take(MOST).read_to_string(&mut text).context("cannot read stdin")?;
    let document: Value = serde_json::from_str(&text).context("stdin is not docker's inspect JSON")?;
    let mut one = match document {
        Value::Array(list) if list.len() == 1 => list.into_iter().next().unwrap_or_default(),
        Value::Array(list) => bail!("stdin describes {} containers, one is expected", list.len()),
        one => one,
    };
    if one["ID"].is_string() {
        // Docker's own before 1.3: a record as it lies on disk.
        let binds = old_binds(&one);
        one = layout::inspect_bytes(one.to_string().as_bytes()).0;
        if one["HostConfig"]["Binds"].is_null() {
            one["HostConfig"]["Binds"] = binds;
        }
    }
    as_dockers(&mut one);
    Ok(one)
}

/// The binds of a container of docker before 0.7, whose inspect has no host config. Volumes of docker's own are among them; a new
/// container gets others (docker v0.6.4 container.go, graph.go).
fn old_binds(one: &Value) -> Value {
    let volumes = one["Volumes"].as_object().into_iter().flatten();
    let own = |source: &str| source.ends_with("/layer") || source.contains("/vfs/dir/");
    volumes
        .filter_map(|(destination, source)| {
            let source = source.as_str().filter(|source| !own(source))?;
            let mode = if one["VolumesRW"][destination] == false { ":ro" } else { "" };
            Some(json!(format!("{source}:{destination}{mode}")))
        })
        .collect()
}

/// Puts what podman says otherwise into docker's words (podman v4.3.1 libpod/define/container_inspect.go). Docker's own stays as it
/// is.
fn as_dockers(one: &mut Value) {
    let (config, host) = (one["Config"].take(), one["HostConfig"].take());
    if config.is_null() {
        return;
    }
    without_init(one, &host);
    one["Config"] = dockers_config(config);
    one["HostConfig"] = if host.is_null() { host } else { dockers_host_config(host) };
}

fn dockers_config(mut config: Value) -> Value {
    if let Some(number) = config["StopSignal"].as_u64() {
        config["StopSignal"] = json!(number.to_string());
    }
    if let Some(entrypoint) = config["Entrypoint"].as_str() {
        config["Entrypoint"] = if entrypoint.is_empty() { Value::Null } else { json!([entrypoint]) };
    }
    config
}

fn dockers_host_config(mut host: Value) -> Value {
    for limit in host["Ulimits"].as_array_mut().into_iter().flatten() {
        let own = limit["Name"].as_str().and_then(|name| name.strip_prefix("RLIMIT_")).map(str::to_ascii_lowercase);
        if let Some(name) = own {
            limit["Name"] = json!(name);
        }
    }
    for (key, theirs, dockers) in [
        ("PidMode", &["private"][..], ""),
        ("UTSMode", &["private"], ""),
        ("UsernsMode", &["private"], ""),
        ("NetworkMode", &["slirp4netns", "pasta"], "default"),
    ] {
        if host[key].as_str().is_some_and(|mode| theirs.contains(&mode.split(':').next().unwrap_or(mode))) {
            host[key] = json!(dockers);
        }
    }
    if let Some(mode) = host["CgroupMode"].as_str().filter(|mode| matches!(*mode, "host" | "private")) {
        host["CgroupnsMode"] = json!(mode);
    }
    if matches!(host["LogConfig"]["Type"].as_str(), Some("k8s-file" | "journald" | "passthrough")) {
        host["LogConfig"] = json!({"Type": "json-file", "Config": {}});
    }
    host
}

/// podman names its init as the program.
fn without_init(one: &mut Value, host: &Value) {
    let args = one["Args"].as_array().cloned().unwrap_or_default();
    let is_init = host["Init"] == true && one["Path"].as_str().is_some_and(|path| path.ends_with("/podman-init"));
    if let ([dashes, program, rest @ ..], true) = (&args[..], is_init)
        && dashes == "--"
    {
        one["Path"] = program.clone();
        one["Args"] = rest.into();
    }
}
