//! The work: count, then print.

use anyhow::bail;
use cli::{Findings, Format, Outcome};
use host::Host;

use crate::args::Args;
use crate::survey::Survey;
use crate::{details, summary};

/// Prints what takes how much room.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let format = Format::parse(args.format.as_deref(), summary::USUAL)?;
    if args.verbose && args.format.as_deref().is_some_and(|format| format.trim() != "json") {
        bail!("-v shows tables or, with --format json, one document: a template has no place in it");
    }
    userns::enter_whole(&args.root.path());
    let mut host = Host::open_with(&args.root.path(), args.root.host_root())?;
    let mut findings = Findings::from(host.take_findings());
    let survey = Survey::new(&host, &mut findings);
    match (args.verbose, &format) {
        (false, format) => summary::print(&survey, format)?,
        (true, Format::Json) => details::print_json(&survey)?,
        (true, _) => details::print_tables(&survey)?,
    }
    Ok(findings.into())
}
