//! The four sums (docker/cli v28, cli/command/formatter/disk_usage.go).

use anyhow::Context;
use cli::format::Column;
use cli::human::size_four;
use cli::{Format, Row, Rows};

use crate::survey::Survey;

/// The usual table.
pub const USUAL: &str = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

const HEADERS: &[Column] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
    ("SizeBytes", "SIZE"),
    ("ReclaimableBytes", "RECLAIMABLE"),
];

/// One sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sum {
    kind: &'static str,
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

/// The last row has no percentage.
const CACHE: &str = "Build Cache";

/// Prints the sums.
pub fn print(survey: &Survey, format: &Format) -> anyhow::Result<()> {
    let sums = [images(survey), containers(survey), volumes(survey), cache(survey)];
    Rows { kind: "*formatter.diskUsageContext", headers: HEADERS, format }
        .print(&mut cli::stdout(), sums.into_iter().map(row))
        .context("cannot show what takes how much room")
}

fn row(sum: Sum) -> Row {
    Row::new([
        ("Type", sum.kind.into()),
        ("TotalCount", sum.total.to_string().into()),
        ("Active", sum.active.to_string().into()),
        ("Size", size_four(sum.size).into()),
        ("Reclaimable", reclaimable(sum).into()),
        ("SizeBytes", sum.size.into()),
        ("ReclaimableBytes", sum.reclaimable.into()),
    ])
}

fn reclaimable(sum: Sum) -> String {
    match u128::from(sum.reclaimable).saturating_mul(100).checked_div(u128::from(sum.size)) {
        Some(percent) if sum.kind != CACHE => format!("{} ({percent}%)", size_four(sum.reclaimable)),
        _ => size_four(sum.reclaimable),
    }
}

// Docker takes what images in use have alone from all layers; what only they share with one another stays reclaimable.
fn images(survey: &Survey) -> Sum {
    let used = survey.images.iter().filter(|image| image.containers > 0);
    let alone: u64 = used.clone().map(|image| image.unique()).sum();
    Sum {
        kind: "Images",
        total: survey.images.len(),
        active: used.count(),
        size: survey.layers,
        reclaimable: survey.layers.saturating_sub(alone),
    }
}

fn containers(survey: &Survey) -> Sum {
    let live = survey.containers.iter().filter(|it| it.container.state.status.is_live());
    let size = survey.containers.iter().map(|it| it.size).sum();
    let used: u64 = live.clone().map(|it| it.size).sum();
    Sum { kind: "Containers", total: survey.containers.len(), active: live.count(), size, reclaimable: size - used }
}

fn volumes(survey: &Survey) -> Sum {
    let bytes = |linked: bool| {
        let some = survey.volumes.iter().filter(move |it| (it.links > 0) == linked);
        some.filter_map(|it| it.room).map(|room| room.size).sum::<u64>()
    };
    Sum {
        kind: "Local Volumes",
        total: survey.volumes.len(),
        active: survey.volumes.iter().filter(|it| it.links > 0).count(),
        size: bytes(true) + bytes(false),
        reclaimable: bytes(false),
    }
}

// Nothing is in use on a dead host; what an image has too is counted there.
fn cache(survey: &Survey) -> Sum {
    let size = cache_size(survey);
    Sum { kind: CACHE, total: survey.cache.len(), active: 0, size, reclaimable: size }
}

/// Bytes of the build cache that no image has.
pub fn cache_size(survey: &Survey) -> u64 {
    survey.cache.iter().filter(|it| !it.shared).filter_map(|it| it.record.size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_cut_as_docker_cuts_them() {
        for (size, part, shown) in
            [(0, 0, "0B"), (3, 2, "2B (66%)"), (9_876_543, 9_876_543, "9.877MB (100%)"), (1000, 0, "0B (0%)")]
        {
            let sum = Sum { kind: "Images", total: 1, active: 0, size, reclaimable: part };
            assert_eq!(reclaimable(sum), shown);
        }
    }
}
