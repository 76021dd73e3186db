//! Samples each container once a second and shows what lies between.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cli::{Format, Outcome, Row, Rows};
use host::Host;
use launch::cgroup::Cgroup;
use lifecycle::{begin, runtime};
use model::{Container, Id};

use crate::args::Args;
use crate::row;
use crate::sample::{self, Sample};

const USUAL: &str =
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
/// Between two samples, as docker's daemon has it.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows what containers use, once or for ever.
pub fn run(args: &Args) -> Result<Outcome> {
    let root = args.root.path();
    lifecycle::sweep::all(&cli::note);
    let format = Format::parse(args.format.as_deref(), USUAL)?;
    let mut before: HashMap<Id, Sample> = HashMap::new();
    let mut first = true;
    loop {
        let containers = wanted(args, &root)?;
        let now = samples(&root, &containers);
        if !first {
            let rows = containers.iter().map(|(name, container)| {
                let both = before.get(&container.id).zip(now.get(&container.id));
                row::row(name, container, both, !args.no_trunc)
            });
            show(args, &format, rows.collect())?;
            if args.no_stream {
                return Ok(Outcome::done());
            }
        }
        first = false;
        before = now;
        std::thread::sleep(PAUSE);
    }
}

/// The containers by the names they are asked for: those named, else all that run, with `--all` the others too.
fn wanted(args: &Args, root: &Path) -> Result<Vec<(String, Container)>> {
    let host = Host::open(root)?;
    if !args.containers.is_empty() {
        return args.containers.iter().map(|name| Ok((name.clone(), host.container(name)?.0))).collect();
    }
    let (all, _) = host.containers();
    let shown = all.into_iter().filter(|container| args.all || pid(root, &container.id).is_some());
    Ok(shown.map(|container| (container.id.short().to_string(), container)).collect())
}

/// The first process of a container that runs on this machine.
fn pid(root: &Path, id: &Id) -> Option<i32> {
    begin::raw(&root.join("containers").join(id.as_str())).ok().and_then(|record| runtime::living(&record))
}

fn samples(root: &Path, containers: &[(String, Container)]) -> HashMap<Id, Sample> {
    let one = |(_, container): &(String, Container)| {
        let pid = pid(root, &container.id)?;
        let host = begin::host_config(root, &container.id);
        let cgroup = Cgroup::of(container.id.as_str(), host["CgroupParent"].as_str().unwrap_or_default());
        Some((container.id.clone(), sample::read(&cgroup, pid)))
    };
    containers.iter().filter_map(one).collect()
}

fn show(args: &Args, format: &Format, rows: Vec<Row>) -> Result<()> {
    let mut out = cli::stdout();
    // A stream of tables begins anew at the top of the screen each time.
    if !args.no_stream && matches!(format, Format::Table(_)) {
        out.write_all(b"\x1b[2J\x1b[H")?;
    }
    Rows { kind: "*container.statsContext", headers: row::HEADERS, format }
        .print(&mut out, rows)
        .context("cannot show what containers use")?;
    Ok(out.flush()?)
}
