//! Version 1: one folder in every hierarchy, limits where their controller is.

use std::fs;
use std::path::{Path, PathBuf};

use super::host::Hierarchy;
use super::{CgroupError, folder, make, write};
use crate::spec::{DeviceRule, Limits, Spec, Throttled};

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
            if controller == "cpu" {
                hand_down_real_time(&hierarchy.top, &path, &spec.limits)?;
            }
            for (file, value) in settings(controller, &spec.limits) {
                let file = known(&path, file);
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
            put("cpu.rt_period_us", text(limits.real_time_period));
            put("cpu.rt_runtime_us", limits.real_time_runtime.map(|number| number.to_string()));
        }
        "cpuset" => {
            put("cpuset.cpus", given(&limits.cpuset_cpus));
            put("cpuset.mems", given(&limits.cpuset_mems));
        }
        "pids" => put("pids.max", limits.pids.map(|number| if number < 0 { "max".into() } else { number.to_string() })),
        "blkio" => {
            put("blkio.weight", limits.blkio_weight.map(|number| number.to_string()));
            for limit in &limits.throttles {
                put(throttle(limit.what), Some(format!("{}:{} {}", limit.major, limit.minor, limit.value)));
            }
        }
        _ => {}
    }
    out
}

fn throttle(what: Throttled) -> &'static str {
    match what {
        Throttled::ReadBytes => "blkio.throttle.read_bps_device",
        Throttled::WriteBytes => "blkio.throttle.write_bps_device",
        Throttled::Reads => "blkio.throttle.read_iops_device",
        Throttled::Writes => "blkio.throttle.write_iops_device",
        Throttled::Weight => "blkio.weight_device",
    }
}

/// The name that this kernel has for a file: from 5.0 on weights are those of the BFQ scheduler only.
fn known(path: &Path, file: &'static str) -> &'static str {
    let other = match file {
        "blkio.weight" => "blkio.bfq.weight",
        "blkio.weight_device" => "blkio.bfq.weight_device",
        _ => return file,
    };
    if !path.join(file).exists() && path.join(other).exists() { other } else { file }
}

/// Real-time processes have what the folder above leaves them, and a new one leaves nothing: each on the way gets as much as
/// the container, as dockerd has it (moby v20.10.24 daemon/daemon_unix.go initCgroupsPath).
fn hand_down_real_time(top: &Path, path: &Path, limits: &Limits) -> Result<(), CgroupError> {
    let Some(runtime) = limits.real_time_runtime else { return Ok(()) };
    let above: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| *folder != top).collect();
    for folder in above.into_iter().rev() {
        let file = folder.join("cpu.rt_runtime_us");
        let has = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<i64>().ok());
        if has.is_some_and(|has| has < runtime) {
            if let Some(period) = limits.real_time_period {
                write(&folder.join("cpu.rt_period_us"), &period.to_string())?;
            }
            write(&file, &runtime.to_string())?;
        }
    }
    Ok(())
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
    use crate::spec::Throttle;

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
    fn throttles_of_devices_are_written_one_by_one() {
        let throttle = |minor, what, value| Throttle { major: 7, minor, what, value };
        let limits = Limits {
            throttles: vec![
                throttle(0, Throttled::ReadBytes, 1 << 20),
                throttle(1, Throttled::ReadBytes, 2 << 20),
                throttle(0, Throttled::WriteBytes, 5),
                throttle(0, Throttled::Reads, 6),
                throttle(0, Throttled::Writes, 7),
                throttle(0, Throttled::Weight, 300),
            ],
            real_time_runtime: Some(9_000),
            real_time_period: Some(1_000_000),
            ..Limits::default()
        };
        let said = |controller| {
            settings(controller, &limits).into_iter().map(|(file, value)| format!("{file}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(
            said("blkio"),
            [
                "blkio.throttle.read_bps_device=7:0 1048576",
                "blkio.throttle.read_bps_device=7:1 2097152",
                "blkio.throttle.write_bps_device=7:0 5",
                "blkio.throttle.read_iops_device=7:0 6",
                "blkio.throttle.write_iops_device=7:0 7",
                "blkio.weight_device=7:0 300",
            ]
        );
        assert_eq!(said("cpu"), ["cpu.rt_period_us=1000000", "cpu.rt_runtime_us=9000"]);
    }

    #[test]
    fn device_rules_are_written_as_the_kernel_reads_them() {
        let rule = DeviceRule { kind: 'c', major: Some(136), minor: None, access: "rwm".into() };
        assert_eq!(line(&rule), "c 136:* rwm");
        assert_eq!(line(&DeviceRule { kind: 'a', major: None, minor: None, access: "rwm".into() }), "a *:* rwm");
    }
}
