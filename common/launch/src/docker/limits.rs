//! Limits of processes, and those that cgroups keep.

use std::path::Path;

use serde_json::Value;

use super::DockerError;
use super::devices::device;
use super::json::{list, text, truth};
use crate::spec::{Device, Limits, Rlimit, Throttle, Throttled};

pub(super) fn rlimits(host: &Value, notes: &mut Vec<String>) -> Result<Vec<Rlimit>, DockerError> {
    let mut out = Vec::new();
    for limit in host["Ulimits"].as_array().into_iter().flatten() {
        let name = text(&limit["Name"]).unwrap_or_default().to_string();
        let Some(resource) = crate::rlimit(&name) else {
            return Err(DockerError::Key { key: "HostConfig.Ulimits", value: name, why: "no such limit".to_string() });
        };
        let number = |key: &str| {
            limit[key].as_i64().map_or(u64::MAX, |number| if number < 0 { u64::MAX } else { number as u64 })
        };
        let (soft, hard) = (number("Soft"), number("Hard"));
        let most = crate::most(resource);
        if hard > most {
            let wanted = if hard == u64::MAX { "unlimited".to_string() } else { hard.to_string() };
            notes.push(format!(
                "the limit '{name}' is clamped from {wanted} to {most}, the most that this host lets us set"
            ));
        }
        // The last word counts: a limit that was lowered could not be raised again.
        out.retain(|known: &Rlimit| known.name != name);
        out.push(Rlimit { name, soft: soft.min(most), hard: hard.min(most) });
    }
    Ok(out)
}

pub(super) fn limits(host: &Value, notes: &mut Vec<String>) -> Limits {
    let positive = |key: &str| host[key].as_u64().filter(|&number| number > 0);
    let signed = |key: &str| host[key].as_i64().filter(|&number| number != 0);
    let nano = positive("NanoCpus");
    let memory = positive("Memory");
    Limits {
        memory,
        memory_reservation: positive("MemoryReservation"),
        // Docker gives as much swap again where only memory is said.
        memory_swap: signed("MemorySwap").or(memory.map(|bytes| (bytes as i64).saturating_mul(2))),
        memory_swappiness: host["MemorySwappiness"].as_u64(),
        oom_kill_disable: truth(&host["OomKillDisable"]),
        cpu_shares: positive("CpuShares"),
        cpu_quota: nano.map(|nano| (nano / 10_000) as i64).or(signed("CpuQuota")),
        cpu_period: nano.map(|_| 100_000).or(positive("CpuPeriod")),
        cpuset_cpus: text(&host["CpusetCpus"]).unwrap_or_default().to_string(),
        cpuset_mems: text(&host["CpusetMems"]).unwrap_or_default().to_string(),
        pids: signed("PidsLimit"),
        blkio_weight: positive("BlkioWeight").and_then(|weight| u16::try_from(weight).ok()),
        throttles: throttles(host, notes),
        real_time_runtime: signed("CpuRealtimeRuntime"),
        real_time_period: positive("CpuRealtimePeriod"),
    }
}

/// Whether a device's scheduler is BFQ, as far as this host tells; before Linux 5.0 it was CFQ.
fn weighs(major: u32, minor: u32) -> bool {
    let own = format!("/sys/dev/block/{major}:{minor}");
    // A partition has its disk's.
    let read = |place: &str| std::fs::read_to_string(format!("{own}/{place}/scheduler")).ok();
    let scheduler = read("queue").or_else(|| read("../queue"));
    scheduler.is_none_or(|text| text.contains("[bfq]") || text.contains("[cfq]"))
}

/// Limits of block devices, by their numbers on this host.
pub(super) fn throttles(host: &Value, notes: &mut Vec<String>) -> Vec<Throttle> {
    const KEYS: [(&str, &str, Throttled); 5] = [
        ("BlkioDeviceReadBps", "Rate", Throttled::ReadBytes),
        ("BlkioDeviceReadIOps", "Rate", Throttled::Reads),
        ("BlkioDeviceWriteBps", "Rate", Throttled::WriteBytes),
        ("BlkioDeviceWriteIOps", "Rate", Throttled::Writes),
        ("BlkioWeightDevice", "Weight", Throttled::Weight),
    ];
    let mut out = Vec::new();
    for (key, number, what) in KEYS {
        for wanted in list(&host[key]) {
            let path = text(&wanted["Path"]).unwrap_or_default();
            match device(Path::new(path), Path::new(path)).filter(|found| found.kind == 'b') {
                // Only the scheduler BFQ weighs, and the kernel refuses the others' devices (block/bfq-cgroup.c).
                Some(Device { major, minor, .. }) if what == Throttled::Weight && !weighs(major, minor) => {
                    notes.push(format!("the scheduler of '{path}' keeps no weights: its weight is discarded"));
                }
                Some(Device { major, minor, .. }) => {
                    out.push(Throttle { major, minor, what, value: wanted[number].as_u64().unwrap_or(0) })
                }
                None => notes.push(format!("HostConfig.{key}: '{path}' is no block device of this host")),
            }
        }
    }
    out
}
