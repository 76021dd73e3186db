//! Asks `ps`, and shows the lines of the container's processes.

use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result, bail};
use cli::Outcome;
use launch::cgroup::Cgroup;
use lifecycle::{end, events};

use crate::args::Args;
use crate::table;

/// Shows the processes, in `ps`'s columns.
pub fn run(args: &Args) -> Result<Outcome> {
    let root = args.root.path();
    let (_, container, living) = end::named(&root, &args.container, &cli::note)?;
    let Some(living) = living else {
        bail!("Container {} is not running", container.id);
    };
    if living.record["State"]["Restarting"] == true {
        bail!("Container {} is restarting, wait until the container is running", container.id);
    }
    events::tell(&root, &living.record, "top", &[]);
    let own = processes(&root, &container.id, living.pid);
    let shown = table::of(&list(&args.options, &own)?, &own)?;
    let mut out = cli::stdout();
    out.write_all(table::aligned(&shown).as_bytes())?;
    Ok(out.flush().map(|()| Outcome::done())?)
}

/// What is in its cgroup; where it has none, what is in its namespace of processes.
fn processes(root: &std::path::Path, id: &model::Id, pid: i32) -> Vec<i32> {
    let parent = lifecycle::begin::host_config(root, id)["CgroupParent"].as_str().unwrap_or_default().to_string();
    let mut all = Cgroup::of(id.as_str(), &parent).processes();
    if all.is_empty() {
        all = lifecycle::end::beside(pid);
    }
    if !all.contains(&pid) {
        all.push(pid);
    }
    all
}

/// The host's `ps`: in PATH there may be ours, which lists containers.
fn program() -> &'static str {
    ["/usr/bin/ps", "/bin/ps"].into_iter().find(|path| std::path::Path::new(path).exists()).unwrap_or("ps")
}

/// What `ps` prints with these options: of these processes, and of all that it would list where the options do not go with a
/// list of processes (moby v20.10.24 daemon/top_unix.go). Without the list it may leave out what is on another terminal.
fn list(options: &[String], own: &[i32]) -> Result<String> {
    let usual = ["-ef".to_string()];
    let options = if options.is_empty() { &usual[..] } else { options };
    // Options may come as one word, as in `top web "-o pid,args"`.
    let words: Vec<&str> = options.iter().flat_map(|option| option.split_whitespace()).collect();
    let those = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let ask =
        |more: &[&str]| Command::new(program()).args(&words).args(more).output().context("cannot run the host's ps");
    let mut out = ask(&["-q", &those])?;
    if !out.status.success() {
        out = ask(&[])?;
    }
    if !out.status.success() {
        // One line of it, as docker shows it; the rest is how ps is used.
        let said = String::from_utf8_lossy(&out.stderr);
        match said.trim().lines().next() {
            Some(why) => bail!("ps: {why}"),
            None => bail!("ps: {}", out.status),
        }
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
