//! Version 2: one folder, controllers handed down from above, device rules as a small program.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CgroupError, device, folder, make, write};
use crate::spec::{Limits, Spec, Throttled};

pub fn create(
    spec: &Spec,
    top: &Path,
    folders: &mut Vec<PathBuf>,
    warnings: &mut Vec<String>,
) -> Result<(), CgroupError> {
    let path = folder(top, &spec.cgroup_parent, &spec.id);
    hand_down(top, &path, warnings)?;
    make(&path)?;
    folders.push(path.clone());
    for (file, value) in settings(&spec.limits) {
        if path.join(file).exists() {
            write(&path.join(file), &value)?;
        } else {
            warnings.push(format!("this host does not keep '{file}'; the limit is not kept"));
        }
    }
    warnings.extend(without_file(&spec.limits));
    if let Err(error) = device::attach(&path, &spec.device_rules) {
        warnings.push(format!("devices are not restricted: {error}"));
    }
    Ok(())
}

/// Makes each folder above the container's and lets it pass its controllers on.
fn hand_down(top: &Path, path: &Path, warnings: &mut Vec<String>) -> Result<(), CgroupError> {
    let mut at = top.to_path_buf();
    let above = path.parent().unwrap_or(top);
    for part in std::iter::once(None).chain(above.strip_prefix(top).unwrap_or(above).iter().map(Some)) {
        if let Some(part) = part {
            at.push(part);
            make(&at)?;
        }
        let offered = fs::read_to_string(at.join("cgroup.controllers")).unwrap_or_default();
        for controller in offered.split_whitespace() {
            if fs::write(at.join("cgroup.subtree_control"), format!("+{controller}")).is_err() {
                warnings.push(format!(
                    "the cgroup controller '{controller}' cannot be handed down from '{}'",
                    at.display()
                ));
            }
        }
    }
    Ok(())
}

/// Files and values (Documentation/admin-guide/cgroup-v2.rst; conversions as runc v1.1.5 libcontainer/cgroups/utils.go).
fn settings(limits: &Limits) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let mut put = |file: &'static str, value: Option<String>| out.extend(value.map(|value| (file, value)));
    let given = |value: &String| (!value.is_empty()).then(|| value.clone());
    put("memory.max", limits.memory.map(|bytes| bytes.to_string()));
    put("memory.low", limits.memory_reservation.map(|bytes| bytes.to_string()));
    put("memory.swap.max", swap(limits));
    put("cpu.weight", limits.cpu_shares.map(|shares| weight(shares).to_string()));
    if limits.cpu_quota.is_some() || limits.cpu_period.is_some() {
        let quota = limits.cpu_quota.filter(|&quota| quota > 0).map_or("max".to_string(), |quota| quota.to_string());
        put("cpu.max", Some(format!("{quota} {}", limits.cpu_period.unwrap_or(100_000))));
    }
    put("cpuset.cpus", given(&limits.cpuset_cpus));
    put("cpuset.mems", given(&limits.cpuset_mems));
    put("pids.max", limits.pids.map(|number| if number < 0 { "max".into() } else { number.to_string() }));
    put("io.weight", limits.blkio_weight.map(|weight| io_weight(weight.into()).to_string()));
    for limit in &limits.throttles {
        let device = format!("{}:{}", limit.major, limit.minor);
        let (file, value) = match limit.what {
            Throttled::ReadBytes => ("io.max", format!("rbps={}", limit.value)),
            Throttled::WriteBytes => ("io.max", format!("wbps={}", limit.value)),
            Throttled::Reads => ("io.max", format!("riops={}", limit.value)),
            Throttled::Writes => ("io.max", format!("wiops={}", limit.value)),
            Throttled::Weight => ("io.weight", io_weight(limit.value).to_string()),
        };
        put(file, Some(format!("{device} {value}")));
    }
    out
}

/// What version 2 has no file for.
fn without_file(limits: &Limits) -> impl Iterator<Item = String> {
    let lost = [
        ("memory swappiness", limits.memory_swappiness.is_some()),
        ("disabling of the OOM killer", limits.oom_kill_disable),
        ("real-time processor limits", limits.real_time_runtime.is_some() || limits.real_time_period.is_some()),
    ];
    lost.into_iter().filter(|(_, asked)| *asked).map(|(what, _)| format!("cgroups of version 2 have no {what}"))
}

/// A weight of 10 to 1000 as one of 1 to 10,000.
fn io_weight(weight: u64) -> u64 {
    1 + (weight.clamp(10, 1000) - 10) * 9999 / 990
}

/// Version 1 counts memory and swap together, version 2 swap alone.
fn swap(limits: &Limits) -> Option<String> {
    match (limits.memory_swap?, limits.memory) {
        (total, _) if total < 0 => Some("max".to_string()),
        (total, Some(memory)) => Some((total as u64).saturating_sub(memory).to_string()),
        (_, None) => None,
    }
}

/// Shares of 2 to 262,144 as a weight of 1 to 10,000.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Throttle;

    #[test]
    fn limits_become_the_kernels_files() {
        let limits = Limits {
            memory: Some(100),
            memory_swap: Some(150),
            cpu_shares: Some(1024),
            cpu_quota: Some(50_000),
            pids: Some(7),
            blkio_weight: Some(1000),
            throttles: vec![
                Throttle { major: 8, minor: 0, what: Throttled::ReadBytes, value: 1048576 },
                Throttle { major: 8, minor: 0, what: Throttled::Writes, value: 9 },
                Throttle { major: 8, minor: 16, what: Throttled::Weight, value: 10 },
            ],
            memory_swappiness: Some(0),
            ..Limits::default()
        };
        let said: Vec<String> = settings(&limits).into_iter().map(|(file, value)| format!("{file}={value}")).collect();
        assert_eq!(
            said,
            [
                "memory.max=100",
                "memory.swap.max=50",
                "cpu.weight=39",
                "cpu.max=50000 100000",
                "pids.max=7",
                "io.weight=10000",
                "io.max=8:0 rbps=1048576",
                "io.max=8:0 wiops=9",
                "io.weight=8:16 1",
            ]
        );
        assert_eq!(without_file(&limits).collect::<Vec<_>>(), ["cgroups of version 2 have no memory swappiness"]);
    }
}
