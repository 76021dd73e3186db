//! Prints what was found: one JSON array, a line for each by template, or the records as they lie.

use std::io::Write;

use anyhow::Context;
use cli::{Findings, Outcome};
use host::Host;
use layout::Object;
use serde_json::Value;

use crate::args::Args;
use crate::plan::{Found, Plan};
use crate::{sizes, survey};

/// Prints, and says which names meant nothing.
pub fn run(args: &Args, plan: Plan) -> anyhow::Result<Outcome> {
    let Plan { host, found, mut findings, missing, template } = plan;
    if args.raw {
        raw(host.as_ref(), &found)?;
    } else {
        let mut shown: Vec<Value> = Vec::new();
        for one in &found {
            match show(host.as_ref(), one, args.size, &mut findings)? {
                Value::Array(several) => shown.extend(several),
                Value::Null => {}
                one => shown.push(one),
            }
        }
        if let Some(host) = host.as_ref().filter(|_| args.host) {
            shown.push(findings.take(survey::host(host)));
        }
        let mut out = cli::output::stdout();
        match template {
            None => writeln!(out, "{}", cli::json::array(&shown))?,
            Some(template) => {
                for value in &shown {
                    writeln!(out, "{}", model::path::shown(template.run(value)?.as_bytes()))?;
                }
            }
        }
        out.flush()?;
    }
    Ok(end(missing, findings))
}

/// Docker's own lines for what is not there, and exit 1.
fn end(missing: Vec<String>, findings: Findings) -> Outcome {
    let outcome = Outcome::done().and_findings(findings);
    if missing.is_empty() {
        return outcome;
    }
    for line in missing {
        eprintln!("{}", model::path::shown(line.as_bytes()));
    }
    outcome.with_status(1)
}

fn show(host: Option<&Host>, found: &Found, size: bool, findings: &mut Findings) -> anyhow::Result<Value> {
    if let Found::Document(raw) = found {
        return Ok(findings.take(layout::inspect_bytes(raw)));
    }
    let host = host.context("no host is open")?;
    let (root, stores) = (host.root(), host.stores());
    Ok(findings.take(match found {
        Found::Container(it) => {
            let mut shown = layout::inspect_container(root, stores, it);
            if size {
                shown.1.extend(sizes::add(host, it, &mut shown.0));
            }
            shown
        }
        Found::Image(it) => layout::inspect_image(root, stores, it),
        Found::Volume(it) => layout::inspect_volume(root, stores, it),
        Found::Network(it) => layout::inspect_network(root, stores, it),
        Found::Plugin(it) => (it.clone(), Vec::new()),
        Found::Document(raw) => layout::inspect_bytes(raw),
    }))
}

/// The very bytes of each main record, one after the other.
fn raw(host: Option<&Host>, found: &[Found]) -> anyhow::Result<()> {
    let mut out = cli::output::Output::binary(None)?;
    for one in found {
        let object = match one {
            Found::Container(it) => Object::Container(it),
            Found::Image(it) => Object::Image(it),
            Found::Volume(it) => Object::Volume(it),
            Found::Network(it) => Object::Network(it),
            Found::Plugin(it) => {
                let record = it.pointer("/Dockless/Record").and_then(Value::as_str).unwrap_or_default();
                let host = host.context("no host is open")?;
                let mut file = host.root().open_file(&record.into())?;
                std::io::copy(&mut file, &mut out).with_context(|| format!("cannot read '{record}'"))?;
                continue;
            }
            Found::Document(raw) => {
                out.write_all(raw)?;
                continue;
            }
        };
        let host = host.context("no host is open")?;
        let records = layout::raw_records(host.root(), host.stores(), object);
        let record = records.first().context("it has no record of its own")?;
        let mut file = host.root().open_file(record)?;
        std::io::copy(&mut file, &mut out).with_context(|| format!("cannot read '{record}'"))?;
    }
    out.finish()
}
