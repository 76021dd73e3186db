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
    if !rustix::process::geteuid().is_root() {
        return vec![kernel(), files(), namespaces(), filters(), users(), limits(), passed_on()];
    }
    vec![kernel(), files(), namespaces(), filters(), cgroups(), rights(), resolver()]
}

/// An ordinary user's ids.
fn users() -> Point {
    let (state, lacks) = match userns::enter() {
        Ok(userns::Entered::Alone(why)) => {
            ("your own id".to_string(), Some(format!("{why}: other users and groups cannot be had")))
        }
        Ok(_) => (format!("{} ids", userns::ids::users().iter().map(|line| u64::from(line.count)).sum::<u64>()), None),
        Err(error) => ("none".to_string(), Some(format!("{error}: nothing can be started"))),
    };
    ("users", state, lacks)
}

/// An ordinary user's limits.
fn limits() -> Point {
    ("cgroups", "none".to_string(), Some("an ordinary user has no cgroups: no limit is kept".to_string()))
}

/// An ordinary user's network.
fn passed_on() -> Point {
    match lifecycle::usernet::program() {
        Ok(program) => ("network", format!("by {}", program.display()), None),
        Err(why) => ("network", "none".to_string(), Some(format!("containers have no network: {why}"))),
    }
}

/// The file systems that every container needs.
fn files() -> Point {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let needed = ["overlay", "tmpfs", "proc", "sysfs", "devpts", "mqueue"];
    let has = |name: &&&str| known.lines().any(|line| line.trim_start_matches("nodev").trim() == **name);
    let (there, missing): (Vec<&str>, Vec<&str>) =
        (needed.iter().filter(has).copied().collect(), needed.iter().filter(|name| !has(name)).copied().collect());
    let lacks = (!missing.is_empty())
        .then(|| format!("the kernel has no {}: load the module, or nothing can be started", missing.join(", ")));
    ("file systems", there.join(", "), lacks)
}

fn namespaces() -> Point {
    let kinds = ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user"];
    let has = |kind: &&&str| std::path::Path::new("/proc/self/ns").join(kind).symlink_metadata().is_ok();
    let (there, missing): (Vec<&str>, Vec<&str>) =
        (kinds.iter().filter(has).copied().collect(), kinds.iter().filter(|kind| !has(kind)).copied().collect());
    let lacks = (!missing.is_empty()).then(|| format!("the kernel has no namespaces of {}", missing.join(", ")));
    ("namespaces", there.join(", "), lacks)
}

/// Whether system calls can be filtered.
fn filters() -> Point {
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let lacks = actions.is_empty().then(|| {
        "the kernel filters no system calls: only --security-opt seccomp=unconfined can be started".to_string()
    });
    ("seccomp", if actions.is_empty() { "none".to_string() } else { actions.trim().to_string() }, lacks)
}

/// The program that answers for names on networks of the user's.
fn resolver() -> Point {
    let beside = std::env::current_exe().map(|own| own.with_file_name("net")).unwrap_or_default();
    let lacks = (!beside.exists()).then(|| {
        format!("'{}' is not there: on own networks containers do not know each other by name", beside.display())
    });
    ("names", if lacks.is_none() { "answered by net".to_string() } else { "not answered".to_string() }, lacks)
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
