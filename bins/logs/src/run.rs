//! Finds the container and its log, and prints the entries that are wanted.

use std::thread;
use std::time::Duration;

use anyhow::Context;
use cli::{Findings, Outcome};
use host::Host;
use logfile::{Entry, Log};
use model::{Container, Finding, LogPlace, path::shown};

use crate::args::Args;
use crate::print::Printer;

/// How long to wait for more.
const PAUSE: Duration = Duration::from_millis(200);

/// Prints a container's log.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut host = Host::open(&args.root.path())?;
    let mut findings = Findings::from(host.take_findings());
    let container = findings.take(host.container(&args.container)?);
    let place = findings.take(layout::log_place(host.root(), host.store(container.store), &container));
    if is_missing(&host, &place) {
        findings.extend(missing(&container, &place));
        return Ok(findings.into());
    }
    let subject = || format!("cannot show the log of container '{}'", shown(args.container.as_bytes()));
    let mut log = Log::open(host.root(), &place, args.tail, &format!("container {}", container.id.short()))
        .with_context(subject)?;
    let mut printer = Printer::new(args, place.whole_seconds);
    print(args, &host, &container, &mut log, &mut printer)?;
    drop(printer);
    findings.extend(log.into_findings());
    Ok(findings.into())
}

fn is_missing(host: &Host, place: &LogPlace) -> bool {
    place.file.as_ref().is_some_and(|path| !host.root().exists(path))
}

/// A container that never ran has no log; that of another one was lost.
fn missing(container: &Container, place: &LogPlace) -> Option<Finding> {
    container.state.started?;
    let finding =
        Finding::new("log-missing", "the log is not there").about(format!("container {}", container.id.short()));
    Some(match &place.file {
        Some(path) => finding.at(path.clone()),
        None => finding,
    })
}

fn print(args: &Args, host: &Host, container: &Container, log: &mut Log, printer: &mut Printer) -> anyhow::Result<()> {
    let mut shows = true;
    loop {
        while let Some(entry) = log.next_entry(args.follow) {
            shows = if entry.continues { shows } else { is_wanted(args, &entry) };
            if shows {
                printer.entry(&entry)?;
            }
        }
        printer.flush()?;
        if !args.follow || !is_live(host, container) {
            break;
        }
        thread::sleep(PAUSE);
        log.renew();
    }
    while let Some(entry) = log.next_entry(false).filter(|_| args.follow) {
        printer.entry(&entry)?;
    }
    Ok(printer.flush()?)
}

fn is_wanted(args: &Args, entry: &Entry) -> bool {
    let Some(time) = entry.time else { return true };
    args.since.is_none_or(|since| time >= since) && args.until.is_none_or(|until| time <= until)
}

/// Whether the container still runs, as far as its record says now.
fn is_live(host: &Host, container: &Container) -> bool {
    let (found, _) = layout::container(host.root(), host.stores(), container.store, container.id.as_str());
    found.iter().any(|it| it.state.status.is_live())
}
