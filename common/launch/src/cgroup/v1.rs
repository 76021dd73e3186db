//! Version 1: one folder in every hierarchy, limits where their controller is.

use std::fs;
use std::path::{Path, PathBuf};

use super::host::Hierarchy;
use super::{CgroupError, folder, make, write};
use crate::spec::{DeviceRule, Limits, Spec};

pub fn create(
    spec: &Spec,
    all: &[Hierarchy],
    folders: &mut Vec<PathBuf>,
    warnings: &mut Vec<String>,
) -> Result<(), CgroupError> {
    for hierarchy in all {
        let path = folder(&hierarchy.top, &spec.cgroup_parent, &spec.id);
        if hierarchy.controllers.iter().any(|name| name == "cpuset") {
            inherit_cpuset(&hierarchy.top, &path)?;
        } else {
            make(&path)?;
        }
        folders.push(path.clone());
        for controller in &hierarchy.controllers {
            for (file, value) in settings(controller, &spec.limits) {
                if !path.join(file).exists() {
                    warnings.push(format!("this kernel does not support '{file}'; the limit is not kept"));
                } else {
                    write(&path.join(file), &value)?;
                }
            }
            if controller == "devices" {
                write(&path.join("devices.deny"), "a")?;
                for rule in &spec.device_rules {
                    write(&path.join("devices.allow"), &line(rule))?;
                }
            }
        }
    }
    warn_of_missing(spec, all, warnings);
    Ok(())
}

/// Files and values for one controller (Documentation/admin-guide/cgroup-v1). Memory before memory with swap: the
/// kernel refuses a total below the part.
fn settings(controller: &str, limits: &Limits) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let mut put = |file: &'static str, value: Option<String>| out.extend(value.map(|value| (file, value)));
    let text = |value: Option<u64>| value.map(|number| number.to_string());
    let given = |value: &String| (!value.is_empty()).then(|| value.clone());
    match controller {
        "memory" => {
            put("memory.limit_in_bytes", text(limits.memory));
            put("memory.soft_limit_in_bytes", text(limits.memory_reservation));
            put("memory.memsw.limit_in_bytes", limits.memory_swap.map(|number| number.to_string()));
            put("memory.swappiness", text(limits.memory_swappiness));
            put("memory.oom_control", limits.oom_kill_disable.then(|| "1".to_string()));
        }
        "cpu" => {
            put("cpu.shares", text(limits.cpu_shares));
            put("cpu.cfs_period_us", text(limits.cpu_period));
            put("cpu.cfs_quota_us", limits.cpu_quota.map(|number| number.to_string()));
        }
        "cpuset" => {
            put("cpuset.cpus", given(&limits.cpuset_cpus));
            put("cpuset.mems", given(&limits.cpuset_mems));
        }
        "pids" => put("pids.max", limits.pids.map(|number| if number < 0 { "max".into() } else { number.to_string() })),
        "blkio" => put("blkio.weight", limits.blkio_weight.map(|number| number.to_string())),
        _ => {}
    }
    out
}

/// A new cpuset is empty and takes no process: each folder on the way takes what the one above has.
fn inherit_cpuset(top: &Path, path: &Path) -> Result<(), CgroupError> {
    let mut at = top.to_path_buf();
    for part in path.strip_prefix(top).unwrap_or(path) {
        let above = at.clone();
        at.push(part);
        make(&at)?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let own = fs::read_to_string(at.join(file)).unwrap_or_default();
            if own.trim().is_empty() {
                write(&at.join(file), fs::read_to_string(above.join(file)).unwrap_or_default().trim())?;
            }
        }
    }
    Ok(())
}

fn line(rule: &DeviceRule) -> String {
    let number = |value: Option<u32>| value.map_or("*".to_string(), |number| number.to_string());
    if rule.kind == 'a' && rule.major.is_none() {
        return "a *:* rwm".to_string();
    }
    format!("{} {}:{} {}", rule.kind, number(rule.major), number(rule.minor), rule.access)
}

/// Limits whose controller is not mounted at all.
fn warn_of_missing(spec: &Spec, all: &[Hierarchy], warnings: &mut Vec<String>) {
    for controller in ["memory", "cpu", "cpuset", "pids", "blkio"] {
        let mounted = all.iter().any(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller));
        if !mounted && !settings(controller, &spec.limits).is_empty() {
            warnings.push(format!("this host has no '{controller}' cgroup; its limits are not kept"));
        }
    }
    if !all.iter().any(|hierarchy| hierarchy.controllers.iter().any(|name| name == "devices")) {
        warnings.push("this host has no 'devices' cgroup; devices are not restricted".to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_the_kernels_files() {
        let limits = Limits {
            memory: Some(1 << 20),
            memory_swap: Some(-1),
            pids: Some(-1),
            cpu_shares: Some(512),
            ..Limits::default()
        };
        let said = |controller| {
            settings(controller, &limits).into_iter().map(|(file, value)| format!("{file}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(said("memory"), ["memory.limit_in_bytes=1048576", "memory.memsw.limit_in_bytes=-1"]);
        assert_eq!(said("pids"), ["pids.max=max"]);
        assert_eq!(said("cpu"), ["cpu.shares=512"]);
        assert_eq!(said("freezer"), Vec::<String>::new());
    }

    #[test]
    fn device_rules_are_written_as_the_kernel_reads_them() {
        let rule = DeviceRule { kind: 'c', major: Some(136), minor: None, access: "rwm".into() };
        assert_eq!(line(&rule), "c 136:* rwm");
        assert_eq!(line(&DeviceRule { kind: 'a', major: None, minor: None, access: "rwm".into() }), "a *:* rwm");
    }
}
