//! `net plan`: what configs imply, as text.

use std::io::Write;

use cli::table::Table;
use cli::{Findings, Outcome, Output, RootArg};
use wire::render::{iptables, json, nft, rows};
use wire::{Family, Plan};

use crate::args::{Format, PlanArgs};
use crate::input;

/// Plans and shows.
pub fn run(args: &PlanArgs, root: &RootArg) -> anyhow::Result<Outcome> {
    let mut findings = Findings::new();
    let input = input::read(&args.input, root, &mut findings)?;
    let daemon = input::daemon(&args.daemon, root, &mut findings)?;
    let plan = findings.take(wire::plan(&input.configs, &daemon, args.dialect, &input.selection));
    let mut output = Output::text(args.output.as_deref())?;
    output.write_all(text(&plan, args.format).as_bytes())?;
    output.finish()?;
    Ok(findings.into())
}

fn text(plan: &Plan, format: Format) -> String {
    match format {
        Format::Table => table(plan),
        Format::IptablesRestore => iptables::restore(&plan.rules, Family::V4),
        Format::Ip6tablesRestore => iptables::restore(&plan.rules, Family::V6),
        Format::Nft => nft::text(&plan.rules, plan.dialect),
        Format::Json => cli::json::pretty(&json::value(plan)) + "\n",
    }
}

fn table(plan: &Plan) -> String {
    let mut table = Table::new(["KIND", "WHAT", "WHY", "FROM"]);
    for row in rows::rows(plan) {
        table.row([row.kind, row.what, row.reason, row.from]);
    }
    table.text()
}
