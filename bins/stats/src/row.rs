//! What stands in a row (docker/cli v20.10 cli/command/container/formatter_stats.go).

use cli::Row;
use cli::format::Column;
use cli::human;
use model::Container;

use crate::sample::Sample;

/// Columns by docker's names.
pub const HEADERS: &[Column] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

/// The row of a container between two samples; zeros for one that does not run.
pub fn row(name: &str, container: &Container, samples: Option<(&Sample, &Sample)>, trunc: bool) -> Row {
    let pair = |pair: (u64, u64)| format!("{} / {}", human::size(pair.0), human::size(pair.1));
    let zero = (0, 0);
    let last = samples.map(|(_, last)| last);
    let (memory, limit) = last.map_or(zero, |last| (last.memory, last.limit));
    let share = if limit == 0 { 0.0 } else { memory as f64 / limit as f64 * 100.0 };
    Row::new([
        ("Container", name.into()),
        ("ID", if trunc { container.id.short() } else { container.id.as_str() }.into()),
        ("Name", container.names.first().cloned().unwrap_or_default().into()),
        ("CPUPerc", format!("{:.2}%", samples.map_or(0.0, |(first, last)| processors(first, last))).into()),
        ("MemUsage", format!("{} / {}", binary(memory), binary(limit)).into()),
        ("MemPerc", format!("{share:.2}%").into()),
        ("NetIO", pair(last.map_or(zero, |last| last.network)).into()),
        ("BlockIO", pair(last.map_or(zero, |last| last.devices)).into()),
        ("PIDs", last.map_or(0, |last| last.pids).to_string().into()),
    ])
}

/// Percent of one processor: 200 is two of them all the time.
fn processors(first: &Sample, last: &Sample) -> f64 {
    let passed = last.at.duration_since(first.at).as_nanos() as f64;
    let used = last.cpu.saturating_sub(first.cpu) as f64;
    if passed > 0.0 { used / passed * 100.0 } else { 0.0 }
}

/// Four significant digits, base 1024 (docker/go-units BytesSize).
fn binary(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit < UNITS.len() - 1 {
        size /= 1024.0;
        unit += 1;
    }
    format!("{}{}", human::general(size, 4), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn shares_are_of_one_processor() {
        let at = Instant::now();
        let first = Sample { at, cpu: 1_000, memory: 0, limit: 0, network: (0, 0), devices: (0, 0), pids: 0 };
        let last = Sample { at: at + Duration::from_secs(2), cpu: 3_000_001_000, ..first.clone() };
        assert_eq!(processors(&first, &last), 150.0);
        assert_eq!([binary(0), binary(1536), binary(8_589_934_592)], ["0B", "1.5KiB", "8GiB"]);
    }
}
