//! Binds, volumes, memory, devices.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::text::{fields, size, truth};
use crate::args::files::FileArgs;

/// The image's volumes, and those of `--volume` that name a place only.
pub fn volumes(args: &FileArgs, base: &Value) -> Value {
    let mut all = base.as_object().cloned().unwrap_or_default();
    all.extend(args.volume.iter().filter(|text| !text.contains(':')).map(|place| (place.clone(), json!({}))));
    if all.is_empty() { Value::Null } else { Value::Object(all) }
}

/// Docker's `HostConfig.Binds`: a relative source is this folder's (docker/cli v28 cli/command/container/opts.go).
pub fn binds(args: &FileArgs) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for text in &args.volume {
        let parts: Vec<&str> = text.split(':').collect();
        if let [place] = parts[..] {
            absolute(place, text)?;
            continue;
        }
        let ([source, place] | [source, place, _]) = parts[..] else { bail!("invalid volume specification: '{text}'") };
        absolute(place, text)?;
        if let [_, _, mode] = parts[..] {
            check_mode(mode)?;
            // What is copied into a volume is not copied into a folder of the host.
            if source.starts_with(['/', '.']) && mode.split(',').any(|word| word == "nocopy") {
                bail!(
                    "invalid volume specification: '{text}': invalid mount config for type \"bind\": field VolumeOptions must not be specified"
                );
            }
        }
        let source = match source {
            "" => bail!("invalid volume specification: '{text}'"),
            relative
                if relative == "." || relative == ".." || relative.starts_with("./") || relative.starts_with("../") =>
            {
                let here = std::env::current_dir().context("cannot tell where this is")?.join(relative);
                std::path::absolute(&here).unwrap_or(here).to_string_lossy().into_owned()
            }
            other => other.to_string(),
        };
        let bind = [&[source.as_str()], &parts[1..]].concat().join(":");
        // Said twice is said once (docker/cli v28 opts/opts.go ListOpts.GetMap).
        if !all.contains(&bind) {
            all.push(bind);
        }
    }
    Ok(all)
}

fn absolute(place: &str, text: &str) -> Result<()> {
    if !place.starts_with('/') {
        bail!(
            "invalid volume specification: '{text}': invalid mount config for type \"volume\": invalid mount path: '{place}' mount path must be absolute"
        );
    }
    if place.trim_matches('/').is_empty() {
        bail!("invalid volume specification: '{text}': invalid specification: destination can't be '/'");
    }
    Ok(())
}

/// Modes of a bind (moby v20.10.24 volume/mounts/linux_parser.go), each kind once.
fn check_mode(mode: &str) -> Result<()> {
    let mut kinds = Vec::new();
    for word in mode.split(',').filter(|_| !mode.is_empty()) {
        let kind = match word {
            "ro" | "rw" => "access",
            "z" | "Z" => "label",
            word if !word.is_empty() && PROPAGATION.contains(&word) => "propagation",
            "nocopy" => "copy",
            "consistent" | "cached" | "delegated" | "default" => "consistency",
            _ => bail!("invalid mode: {mode}"),
        };
        if kinds.contains(&kind) {
            bail!("invalid mode: {mode}");
        }
        kinds.push(kind);
    }
    Ok(())
}

/// Docker's `HostConfig.Mounts` (docker/cli v28 opts/mount.go).
pub fn mounts(args: &FileArgs) -> Result<Vec<Value>> {
    args.mount
        .iter()
        .map(|text| mount(text).with_context(|| format!("invalid argument \"{text}\" for \"--mount\" flag")))
        .collect()
}

fn mount(text: &str) -> Result<Value> {
    let mut out = json!({"Type": "volume"});
    for field in fields(text) {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        let switch = |value: Option<&str>| match value.map(truth) {
            None => Ok(true),
            Some(Some(truth)) => Ok(truth),
            Some(None) => bail!("invalid value for {key}: {}", value.unwrap_or_default()),
        };
        match (key.as_str(), value) {
            ("readonly" | "ro", value) => out["ReadOnly"] = json!(switch(value)?),
            ("volume-nocopy", value) => out["VolumeOptions"]["NoCopy"] = json!(switch(value)?),
            ("bind-nonrecursive", value) => out["BindOptions"]["NonRecursive"] = json!(switch(value)?),
            (_, None) => bail!("invalid field '{field}' must be a key=value pair"),
            ("type", Some(value)) => out["Type"] = json!(value.to_ascii_lowercase()),
            ("source" | "src", Some(value)) => out["Source"] = json!(value),
            ("target" | "dst" | "destination", Some(value)) => out["Target"] = json!(value),
            ("consistency", Some(value)) => out["Consistency"] = json!(value.to_ascii_lowercase()),
            ("bind-propagation", Some(value)) => out["BindOptions"]["Propagation"] = json!(value.to_ascii_lowercase()),
            ("bind-recursive", Some("enabled")) => {}
            ("bind-recursive", Some("disabled")) => out["BindOptions"]["NonRecursive"] = json!(true),
            ("bind-recursive", Some("writable")) => out["BindOptions"]["ReadOnlyNonRecursive"] = json!(true),
            ("bind-recursive", Some("readonly")) => out["BindOptions"]["ReadOnlyForceRecursive"] = json!(true),
            ("volume-label", Some(value)) => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                out["VolumeOptions"]["Labels"][key] = json!(value);
            }
            ("volume-driver", Some(value)) => out["VolumeOptions"]["DriverConfig"]["Name"] = json!(value),
            ("volume-subpath", Some(_)) => bail!("'volume-subpath' is not done: bind the folder of the volume"),
            ("volume-opt", Some(value)) => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                out["VolumeOptions"]["DriverConfig"]["Options"][key] = json!(value);
            }
            ("tmpfs-size", Some(value)) => out["TmpfsOptions"]["SizeBytes"] = json!(size(value, "tmpfs-size")?),
            ("tmpfs-mode", Some(value)) => {
                let mode =
                    u32::from_str_radix(value, 8).map_err(|_| anyhow::anyhow!("invalid value for {key}: {value}"))?;
                out["TmpfsOptions"]["Mode"] = json!(mode);
            }
            (_, Some(_)) => bail!("unexpected key '{key}' in '{field}'"),
        }
    }
    whole(&out)?;
    Ok(out)
}

/// How a bind may spread (moby v20.10.24 volume/mounts/linux_parser.go).
const PROPAGATION: &[&str] = &["", "private", "rprivate", "slave", "rslave", "shared", "rshared"];

/// What the fields must be together; the texts are docker's client's and daemon's.
fn whole(mount: &Value) -> Result<()> {
    let kind = mount["Type"].as_str().unwrap_or_default();
    for (options, own) in [("VolumeOptions", "volume"), ("BindOptions", "bind"), ("TmpfsOptions", "tmpfs")] {
        if !mount[options].is_null() && kind != own {
            bail!("cannot mix '{own}-*' options with mount type '{kind}'");
        }
    }
    let Some(target) = mount["Target"].as_str().filter(|target| !target.is_empty()) else {
        bail!("target is required")
    };
    if !matches!(kind, "bind" | "volume" | "tmpfs") {
        bail!("mount type unknown: \"{kind}\"");
    }
    let propagation = mount["BindOptions"]["Propagation"].as_str().unwrap_or_default();
    let why = match (kind, mount["Source"].as_str()) {
        _ if !target.starts_with('/') => format!("invalid mount path: '{target}' mount path must be absolute"),
        _ if target.trim_matches('/').is_empty() => "invalid specification: destination can't be '/'".to_string(),
        ("bind", None | Some("")) => "field Source must not be empty".to_string(),
        ("bind", Some(source)) if !source.starts_with('/') => {
            format!("invalid mount path: '{source}' mount path must be absolute")
        }
        ("bind", Some(source)) if !std::path::Path::new(source).exists() => {
            format!("bind source path does not exist: {source}")
        }
        ("bind", Some(_)) if !PROPAGATION.contains(&propagation) => format!("invalid propagation mode: {propagation}"),
        ("tmpfs", Some(_)) => "field Source must not be specified".to_string(),
        _ => return Ok(()),
    };
    bail!("invalid mount config for type \"{kind}\": {why}")
}

/// Docker's `HostConfig.Tmpfs`.
pub fn tmpfs(args: &FileArgs) -> Result<Value> {
    let mut all = Map::new();
    for text in &args.tmpfs {
        let (place, options) = text.split_once(':').unwrap_or((text, ""));
        if !place.starts_with('/') {
            bail!("invalid mount config for type \"tmpfs\": invalid mount path: '{place}' mount path must be absolute");
        }
        if place.trim_matches('/').is_empty() {
            bail!("invalid specification: destination can't be '/'");
        }
        memory_options(options)?;
        all.insert(place.to_string(), json!(options));
    }
    Ok(Value::Object(all))
}

/// Options of `--tmpfs` that docker takes (moby v20.10.24 pkg/mount/flags.go, flags_linux.go).
fn memory_options(options: &str) -> Result<()> {
    const PLAIN: &[&str] = &[
        "async",
        "atime",
        "bind",
        "defaults",
        "dev",
        "diratime",
        "dirsync",
        "exec",
        "mand",
        "noatime",
        "nodev",
        "nodiratime",
        "noexec",
        "nomand",
        "norelatime",
        "nostrictatime",
        "nosuid",
        "private",
        "rbind",
        "relatime",
        "remount",
        "ro",
        "rprivate",
        "rshared",
        "rslave",
        "runbindable",
        "rw",
        "shared",
        "slave",
        "strictatime",
        "suid",
        "sync",
        "unbindable",
    ];
    const VALUED: &[&str] = &["gid", "mode", "mpol", "nr_blocks", "nr_inodes", "size", "uid"];
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            None if PLAIN.contains(&option) => {}
            Some(("size", value)) if value.ends_with('%') => {}
            Some(("size", value)) if launch::docker::bytes(value).is_none() => {
                bail!("invalid tmpfs option: \"{option}\"")
            }
            Some(("mode", value)) if u32::from_str_radix(value, 8).is_err() => {
                bail!("invalid tmpfs option: \"{option}\"")
            }
            Some((key, _)) if VALUED.contains(&key) => {}
            _ => bail!("invalid tmpfs option [\"{option}\"]"),
        }
    }
    Ok(())
}

/// No place is mounted on twice.
pub fn once(binds: &[String], mounts: &[Value], tmpfs: &Value) -> Result<()> {
    let places = binds
        .iter()
        .filter_map(|bind| bind.split(':').nth(1))
        .chain(mounts.iter().filter_map(|mount| mount["Target"].as_str()))
        .chain(tmpfs.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str)));
    let mut seen: Vec<&str> = Vec::new();
    for place in places {
        let place = place.trim_end_matches('/');
        if seen.contains(&place) {
            bail!("Duplicate mount point: {place}");
        }
        seen.push(place);
    }
    Ok(())
}

/// `/dev/fuse[:/dev/inside][:rwm]`.
pub fn device(text: &str) -> Result<Value> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_access = |part: &str| !part.is_empty() && part.chars().all(|c| "rwm".contains(c));
    let (inside, access) = match parts[1..] {
        [] => (parts[0], "rwm"),
        [access] if is_access(access) => (parts[0], access),
        [inside] => (inside, "rwm"),
        [inside, access] if is_access(access) => (inside, access),
        [_, access] => bail!("bad mode specified: {access}"),
        _ => bail!("invalid device specification: {text}"),
    };
    if !inside.starts_with('/') {
        bail!("{inside} is not an absolute path");
    }
    if !std::path::Path::new(parts[0]).exists() {
        bail!(
            "error gathering device information while adding custom device \"{}\": no such file or directory",
            parts[0]
        );
    }
    if !is_device(std::path::Path::new(parts[0])) {
        bail!("error gathering device information while adding custom device \"{}\": not a device node", parts[0]);
    }
    Ok(json!({"PathOnHost": parts[0], "PathInContainer": inside, "CgroupPermissions": access}))
}

/// Whether it is a device, or a folder, of which all devices are taken.
fn is_device(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata(path).map(|about| about.file_type());
    kind.is_ok_and(|kind| kind.is_dir() || kind.is_char_device() || kind.is_block_device())
}

/// `c 10:200 rwm` (docker/cli v28 cli/command/container/opts.go deviceCgroupRuleRegexp).
pub fn device_rule(text: &str) -> Result<&str> {
    let number = |text: &str| text == "*" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let is_access = |text: &str| (1..=3).contains(&text.len()) && text.chars().all(|c| "rwm".contains(c));
    let fields: Vec<&str> = text.split(' ').collect();
    match fields[..] {
        ["a" | "b" | "c", numbers, access]
            if is_access(access)
                && numbers.split_once(':').is_some_and(|(major, minor)| number(major) && number(minor)) =>
        {
            Ok(text)
        }
        _ => bail!(
            "invalid argument \"{text}\" for \"--device-cgroup-rule\" flag: invalid device cgroup format '{text}'"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, made: &str) {
        match mount(text) {
            Ok(value) => assert_eq!(Some(value), serde_json::from_str(made).ok(), "{text}"),
            Err(error) => assert_eq!(error.to_string(), made, "{text}"),
        }
    }

    #[test]
    fn mounts_are_read_as_dockers_client_reads_them() {
        check("type=bind,src=/tmp,dst=/t,readonly", r#"{"ReadOnly":true,"Source":"/tmp","Target":"/t","Type":"bind"}"#);
        check("dst=/t", r#"{"Target":"/t","Type":"volume"}"#);
        check(
            "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700",
            r#"{"Target":"/t","TmpfsOptions":{"Mode":448,"SizeBytes":1048576},"Type":"tmpfs"}"#,
        );
        check(
            "source=v,target=/t,volume-nocopy,volume-opt=a=b",
            r#"{"Source":"v","Target":"/t","Type":"volume","VolumeOptions":{"DriverConfig":{"Options":{"a":"b"}},"NoCopy":true}}"#,
        );
        for (text, why) in [
            ("type=bind,src=/tmp", "target is required"),
            ("type=bind,dst=/t", "invalid mount config for type \"bind\": field Source must not be empty"),
            (
                "type=bind,src=/no/such,dst=/t",
                "invalid mount config for type \"bind\": bind source path does not exist: /no/such",
            ),
            ("type=bind,src=/tmp,dst=/t,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
            (
                "type=bind,src=/tmp,dst=t",
                "invalid mount config for type \"bind\": invalid mount path: 't' mount path must be absolute",
            ),
            (
                "type=bind,src=/tmp,dst=/t,bind-propagation=loud",
                "invalid mount config for type \"bind\": invalid propagation mode: loud",
            ),
            ("src=v,dst=/t,volume-subpath=a", "'volume-subpath' is not done: bind the folder of the volume"),
            ("type=tmpfs,dst=/t,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
            ("type=nfs,dst=/t", "mount type unknown: \"nfs\""),
            ("dst=/t,size", "invalid field 'size' must be a key=value pair"),
            ("dst=/t,size=1", "unexpected key 'size' in 'size=1'"),
            ("dst=/t,ro=perhaps", "invalid value for ro: perhaps"),
        ] {
            check(text, why);
        }
    }
}
