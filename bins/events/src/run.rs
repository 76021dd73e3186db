//! Shows what was, then what comes.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use cli::{Filters, Findings, Outcome};
use host::Host;
use model::Timestamp;
use serde_json::Value;

use crate::args::Args;
use crate::filters::{self, KNOWN};
use crate::journal::Journal;
use crate::records::{self, time};
use crate::show::Form;

/// How long to wait before the journal is looked at again.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows events until `--until`, or for ever.
pub fn run(args: Args) -> Result<Outcome> {
    let wanted = args.filter.read(KNOWN)?;
    let form = Form::parse(args.format.as_deref())?;
    let mut host = Host::open(&args.root.path())?;
    let mut findings = Findings::from(host.take_findings());
    let begun = now();
    let mut journal = Journal::default();
    let mut found = Vec::new();
    let mut past = journal.more(host.root(), &mut found);
    if args.since.is_some() {
        let told = records::tell(&host, &past, &mut found);
        past.extend(told);
        past.sort_by_key(time);
    }
    findings.extend(found);
    let from = args.since.unwrap_or(begun);
    show(&past, (from, args.until), &wanted, &form)?;
    loop {
        let over = args.until.is_some_and(|until| now() >= until);
        let mut found = Vec::new();
        let more = journal.more(host.root(), &mut found);
        findings.extend(found);
        show(&more, (from, args.until), &wanted, &form)?;
        if over {
            return Ok(findings.into());
        }
        std::thread::sleep(PAUSE);
    }
}

fn now() -> Timestamp {
    cli::human::now()
}

fn show(events: &[Value], (from, until): (Timestamp, Option<Timestamp>), wanted: &Filters, form: &Form) -> Result<()> {
    let mut out = cli::stdout();
    for event in events {
        let at = time(event);
        if at >= from && until.is_none_or(|until| at <= until) && filters::take(wanted, event) {
            writeln!(out, "{}", form.text(event)?)?;
        }
    }
    Ok(out.flush()?)
}
