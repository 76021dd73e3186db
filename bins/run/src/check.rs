//! `--check`: what this machine can do for containers, and what it lacks. One line a point.

use std::io::Write;

use anyhow::Result;
use cli::Outcome;
use launch::cgroup::Hosts;

/// Prints the report; exit 3 where something is lacking.
pub fn report() -> Result<Outcome> {
    let mut findings = Vec::new();
    let mut out = cli::stdout();
    for (what, state, lacks) in points() {
        writeln!(out, "{what}: {state}")?;
        findings.extend(lacks.map(|how| model::Finding::new("machine", how)));
    }
    Ok(Outcome::from(findings))
}

type Point = (&'static str, String, Option<String>);

fn points() -> Vec<Point> {
    vec![kernel(), cgroups(), rights()]
}

fn kernel() -> Point {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let lacks = (version < (6, 5))
        .then(|| format!("Linux {release} cannot take overlay layers one by one: 6.5 or later is needed"));
    ("kernel", release, lacks)
}

fn cgroups() -> Point {
    match Hosts::read() {
        Hosts::Version1(all) => {
            let names: Vec<&str> =
                all.iter().flat_map(|hierarchy| &hierarchy.controllers).map(String::as_str).collect();
            let missing: Vec<&str> = ["memory", "cpu", "cpuset", "pids", "devices", "freezer", "blkio"]
                .into_iter()
                .filter(|name| !names.contains(name))
                .collect();
            let lacks = (!missing.is_empty())
                .then(|| format!("no cgroup for {}: these limits are not kept", missing.join(", ")));
            ("cgroups", format!("version 1: {}", names.join(", ")), lacks)
        }
        Hosts::Version2(top) => ("cgroups", format!("version 2 on {}", top.display()), None),
        Hosts::None => (
            "cgroups",
            "none".to_string(),
            Some("no cgroups are mounted: no limit is kept, and devices are not restricted".to_string()),
        ),
    }
}

fn rights() -> Point {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:\t"))
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .unwrap_or(0);
    let own = launch::capability::Capabilities(effective);
    let missing: Vec<String> =
        launch::capability::Capabilities(launch::capability::Capabilities::all().0 & !own.0).names();
    let lacks = (!missing.is_empty())
        .then(|| format!("this process lacks {}: what needs it is clamped or refused", missing.join(", ")));
    (
        "capabilities",
        if missing.is_empty() { "all".to_string() } else { format!("all but {}", missing.join(", ")) },
        lacks,
    )
}
