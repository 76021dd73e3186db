//! Limits, refused where dockerd refuses them (moby v20.10.24 daemon/daemon_unix.go verifyPlatformContainerResources).

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::text::{bytes, size};
use crate::args::limits::LimitArgs;
use crate::args::rest::RestArgs;

/// Docker's `HostConfig` keys of limits.
pub fn limits(args: &LimitArgs, rest: &RestArgs) -> Result<Map<String, Value>> {
    let memory = memory(args)?;
    processors(args)?;
    if args.blkio_weight.is_some_and(|weight| weight != 0 && !(10..=1000).contains(&weight)) {
        bail!("Range of blkio weight is from 10 to 1000");
    }
    if let Some(shares) = args.cpu_shares.filter(|shares| *shares < 0) {
        bail!("invalid CPU shares ({shares}): value must be a positive integer");
    }
    numbers(&args.cpuset_cpus, "cpus", "CPUs", "/sys/devices/system/cpu/online")?;
    numbers(&args.cpuset_mems, "mems", "memory nodes", "/sys/devices/system/node/online")?;
    if let Some(score) = args.oom_score_adj.filter(|score| !(-1000..=1000).contains(score)) {
        bail!("Invalid value {score}, range for oom score adj is [-1000, 1000]");
    }
    let made = json!({
        "CpuShares": args.cpu_shares.unwrap_or(0),
        "Memory": memory,
        "NanoCpus": args.cpus.map_or(0, |cpus| (cpus * 1e9).round() as i64),
        "CgroupParent": args.cgroup_parent.clone().unwrap_or_default(),
        "BlkioWeight": args.blkio_weight.unwrap_or(0),
        "BlkioWeightDevice": throttles(&args.blkio_weight_device, "--blkio-weight-device", "Weight")?,
        "BlkioDeviceReadBps": throttles(&args.device_read_bps, "--device-read-bps", "Rate")?,
        "BlkioDeviceWriteBps": throttles(&args.device_write_bps, "--device-write-bps", "Rate")?,
        "BlkioDeviceReadIOps": throttles(&args.device_read_iops, "--device-read-iops", "Rate")?,
        "BlkioDeviceWriteIOps": throttles(&args.device_write_iops, "--device-write-iops", "Rate")?,
        "CpuPeriod": args.cpu_period.unwrap_or(0),
        "CpuQuota": args.cpu_quota.unwrap_or(0),
        "CpuRealtimePeriod": args.cpu_rt_period.unwrap_or(0),
        "CpuRealtimeRuntime": args.cpu_rt_runtime.unwrap_or(0),
        "CpusetCpus": args.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": args.cpuset_mems.clone().unwrap_or_default(),
        "KernelMemory": bytes(&rest.kernel_memory, "--kernel-memory")?.unwrap_or(0),
        "MemoryReservation": bytes(&args.memory_reservation, "--memory-reservation")?.unwrap_or(0),
        "MemorySwap": bytes(&args.memory_swap, "--memory-swap")?.unwrap_or(0),
        "MemorySwappiness": args.memory_swappiness.filter(|value| *value >= 0),
        "OomKillDisable": args.oom_kill_disable,
        "OomScoreAdj": args.oom_score_adj.unwrap_or(0),
        "PidsLimit": args.pids_limit,
        "Ulimits": args.ulimit.iter().map(|text| ulimit(text)).collect::<Result<Vec<_>>>()?,
    });
    match made {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

fn memory(args: &LimitArgs) -> Result<i64> {
    const LEAST: i64 = 6 * 1024 * 1024;
    let memory = bytes(&args.memory, "--memory")?.unwrap_or(0);
    let swap = bytes(&args.memory_swap, "--memory-swap")?.unwrap_or(0);
    let reservation = bytes(&args.memory_reservation, "--memory-reservation")?.unwrap_or(0);
    if memory != 0 && memory < LEAST {
        bail!("Minimum memory limit allowed is 6MB");
    }
    if memory > 0 && swap > 0 && swap < memory {
        bail!("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if memory == 0 && swap > 0 {
        bail!("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if let Some(value) = args.memory_swappiness.filter(|value| !(-1..=100).contains(value)) {
        bail!("Invalid value: {value}, valid memory swappiness range is 0-100");
    }
    if reservation > 0 && reservation < LEAST {
        bail!("Minimum memory reservation allowed is 6MB");
    }
    if memory > 0 && reservation > 0 && memory < reservation {
        bail!("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    Ok(memory)
}

fn processors(args: &LimitArgs) -> Result<()> {
    let period = args.cpu_period.unwrap_or(0);
    let quota = args.cpu_quota.unwrap_or(0);
    if let Some(cpus) = args.cpus {
        if period != 0 {
            bail!("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
        }
        if quota != 0 {
            bail!("Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
        }
        let there = std::thread::available_parallelism().map_or(1, usize::from);
        if cpus < 0.0 || cpus > there as f64 || (cpus > 0.0 && cpus < 0.01) {
            bail!("Range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available");
        }
    }
    if period != 0 && !(1000..=1_000_000).contains(&period) {
        bail!("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if quota > 0 && quota < 1000 {
        bail!("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    Ok(())
}

/// `0-2,5`: refused where it cannot be read, or asks for what this host does not have.
fn numbers(typed: &Option<String>, what: &str, things: &str, there: &str) -> Result<()> {
    let Some(typed) = typed.as_deref().filter(|typed| !typed.is_empty()) else { return Ok(()) };
    let wanted = ranges(typed).with_context(|| format!("Invalid value {typed} for cpuset {what}"))?;
    let Ok(text) = std::fs::read_to_string(there) else { return Ok(()) };
    let has = ranges(text.trim()).unwrap_or_default();
    if !wanted.iter().all(|(from, to)| has.iter().any(|(first, last)| first <= from && to <= last)) {
        bail!("Requested {things} are not available - requested {typed}, available: {}", text.trim());
    }
    Ok(())
}

fn ranges(text: &str) -> Option<Vec<(u32, u32)>> {
    let one = |range: &str| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let pair = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (pair.0 <= pair.1).then_some(pair)
    };
    text.split(',').map(one).collect()
}

/// `/dev/sda:1mb`, `/dev/sda:200`.
fn throttles(list: &[String], flag: &str, key: &str) -> Result<Vec<Value>> {
    list.iter()
        .map(|text| {
            let (path, value) = text.rsplit_once(':').with_context(|| format!("bad format: {text}"))?;
            if !path.starts_with("/dev/") {
                bail!("bad format for device path: {text}");
            }
            if !std::path::Path::new(path).exists() {
                bail!("stat {path}: no such file or directory");
            }
            let value = size(value, flag)?;
            if key == "Weight" && value != 0 && !(10..=1000).contains(&value) {
                bail!("invalid argument \"{text}\" for \"{flag}\" flag: invalid weight for device: {text}");
            }
            if value < 0 {
                bail!("invalid argument \"{text}\" for \"{flag}\" flag: invalid rate for device: {text}");
            }
            Ok(json!({"Path": path, key: value}))
        })
        .collect()
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
