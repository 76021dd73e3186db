//! Device nodes and the rules of who may use them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::DockerError;
use super::json::{strings, text};
use crate::spec::{Device, DeviceRule};

pub(super) fn devices(
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
    match privileged {
        true => Ok((nodes, vec![rule('a', None, None, "rwm")])),
        false => Ok((nodes, rules)),
    }
}

/// The node of a device of this host.
pub(super) fn device(path: &Path, inside: &Path) -> Option<Device> {
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
pub(super) fn devices_below(path: &Path, inside: &Path) -> Vec<Device> {
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
pub(super) fn hosts_devices(known: &[Device]) -> Vec<Device> {
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
pub(super) fn parse_rule(text: &str) -> Option<DeviceRule> {
    let mut fields = text.split_whitespace();
    let kind = fields.next().filter(|kind| ["a", "b", "c"].contains(kind))?.chars().next()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let number = |text: &str| if text == "*" { Some(None) } else { text.parse().ok().map(Some) };
    let access = fields.next().unwrap_or("rwm").to_string();
    Some(DeviceRule { kind, major: number(major)?, minor: number(minor)?, access })
}
