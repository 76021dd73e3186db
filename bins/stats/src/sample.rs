//! What the kernel counts for a container, at one instant: cgroup v1 and v2, and the interfaces of its network.

use std::time::Instant;

use launch::cgroup::Cgroup;

/// Counters at one instant.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Nanoseconds of processor time.
    pub cpu: u64,
    /// Bytes of memory, without what can be given back at once.
    pub memory: u64,
    /// Bytes that it may have.
    pub limit: u64,
    /// Bytes received and sent.
    pub network: (u64, u64),
    /// Bytes read from and written to devices.
    pub devices: (u64, u64),
    /// Processes and threads.
    pub pids: u64,
}

/// Reads the counters of a container whose first process is `pid`.
pub fn read(cgroup: &Cgroup, pid: i32) -> Sample {
    let host = memory_of_the_machine(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default());
    let number = |files: &[&str]| cgroup.read(files).and_then(|text| text.trim().parse::<u64>().ok());
    let usage = number(&["memory.usage_in_bytes", "memory.current"]).unwrap_or(0);
    let stat = cgroup.read(&["memory.stat"]).unwrap_or_default();
    // What docker's client takes away (docker/cli v20.10 cli/command/container/stats_helpers.go).
    let cache = keyed(&stat, "total_inactive_file").or_else(|| keyed(&stat, "inactive_file")).unwrap_or(0);
    let interfaces = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    Sample {
        at: Instant::now(),
        cpu: number(&["cpuacct.usage"]).or_else(|| microseconds(cgroup)).unwrap_or(0),
        memory: if cache < usage { usage - cache } else { usage },
        limit: number(&["memory.limit_in_bytes", "memory.max"]).unwrap_or(host).min(host),
        network: traffic(&interfaces),
        devices: devices(cgroup),
        pids: number(&["pids.current"]).unwrap_or(cgroup.processes().len() as u64),
    }
}

fn microseconds(cgroup: &Cgroup) -> Option<u64> {
    keyed(&cgroup.read(&["cpu.stat"])?, "usage_usec").map(|micros| micros.saturating_mul(1000))
}

/// `key N` in a file of such lines.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `MemTotal:  N kB` (proc(5)), in bytes.
fn memory_of_the_machine(text: &str) -> u64 {
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    total.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The sums over all interfaces but loopback: bytes received are the first number, bytes sent the ninth (proc(5)).
fn traffic(text: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for (name, rest) in text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo") {
        let numbers: Vec<u64> = rest.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if let (false, Some(received), Some(sent)) = (name.contains('|'), numbers.first(), numbers.get(8)) {
            sums = (sums.0 + received, sums.1 + sent);
        }
    }
    sums
}

/// v1: `8:0 Read N` (Documentation/admin-guide/cgroup-v1/blkio-controller.rst); v2: `8:0 rbytes=N wbytes=N …`
/// (cgroup-v2.rst, io.stat).
fn devices(cgroup: &Cgroup) -> (u64, u64) {
    let files = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes", "io.stat"];
    transferred(&cgroup.read(&files).unwrap_or_default())
}

fn transferred(text: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "Read", count] => sums.0 += count.parse().unwrap_or(0),
            [_, "Write", count] => sums.1 += count.parse().unwrap_or(0),
            _ => {
                let named = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
                sums.0 += named("rbytes=").unwrap_or(0);
                sums.1 += named("wbytes=").unwrap_or(0);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_cgroups_are_read() {
        assert_eq!(transferred("8:0 Read 4096\n8:0 Write 10\n8:0 Total 4106\n8:16 Read 4\nTotal 4110\n"), (4100, 10));
        assert_eq!(transferred("8:0 rbytes=7 wbytes=8 rios=1 wios=2\n8:1 rbytes=1 wbytes=1\n"), (8, 9));
        assert_eq!(keyed("cache 1\ntotal_inactive_file 55\n", "total_inactive_file"), Some(55));
        assert_eq!(keyed("inactive_file 3\n", "total_inactive_file"), None);
    }

    #[test]
    fn traffic_is_that_of_all_interfaces_but_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  eth0: 100 2 0 0 0 0 0 0 50 3 0 0 0 0 0 0\n";
        assert_eq!(traffic(text), (100, 50));
    }
}
