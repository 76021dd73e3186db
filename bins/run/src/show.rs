//! `--plan`: everything that would be done, and where each value comes from.

use std::io::Write;

use anyhow::Result;
use cli::Outcome;
use launch::spec::{Mount, MountSource, Propagation};
use lifecycle::mounts::Missing;
use serde_json::{Value, json};

use crate::args::PlanFormat;
use crate::plan::Plan;

/// Prints the plan and changes nothing.
pub fn plan(plan: &Plan, format: PlanFormat) -> Result<Outcome> {
    let document = document(plan)?;
    let mut out = cli::stdout();
    match format {
        PlanFormat::Json => writeln!(out, "{}", cli::json::pretty(&document))?,
        PlanFormat::Text => text(&mut out, "", &document)?,
    }
    Ok(Outcome::from(plan.findings.clone()))
}

fn document(plan: &Plan) -> Result<Value> {
    let mut document = json!({ "origin": plan.title(), "kept": plan.kept, "notDone": plan.notes });
    let spec = serde_json::to_value(&plan.spec)?;
    for (key, value) in spec.as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    document["mounts"] = plan.spec.mounts.iter().map(mount).chain(plan.missing.iter().map(missing)).collect();
    document["files"] =
        plan.etc.iter().map(|(name, text)| json!({ "destination": format!("/etc/{name}"), "content": text })).collect();
    document["writtenOut"] = plan.write_out.into();
    document["from"] = plan.origin.of_all(&plan.host, &plan.subject, &plan.inspect);
    Ok(document)
}

fn mount(mount: &Mount) -> Value {
    let mut value = serde_json::to_value(mount).unwrap_or_default();
    if let MountSource::Bind { path } | MountSource::BindAlone { path } | MountSource::BindOverlay { path } =
        &mount.source
        && !path.exists()
        && !path.starts_with("/run/dockless")
    {
        value["missing"] = true.into();
    }
    value
}

/// A mount of an old container that is left out.
fn missing(missing: &Missing) -> Value {
    let mount = Mount {
        destination: missing.destination.clone(),
        source: MountSource::BindOverlay { path: missing.source.clone() },
        read_only: missing.read_only,
        propagation: Propagation::Private,
        from: "Mounts".to_string(),
    };
    let mut value = serde_json::to_value(mount).unwrap_or_default();
    value["missing"] = true.into();
    value
}

/// One value a line, by its place: `process.env[0] = PATH=…`.
fn text(out: &mut impl Write, place: &str, value: &Value) -> Result<()> {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                text(out, &if place.is_empty() { key.clone() } else { format!("{place}.{key}") }, value)?;
            }
        }
        Value::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                text(out, &format!("{place}[{n}]"), value)?;
            }
        }
        Value::String(said) => writeln!(out, "{place} = {}", model::path::shown(said.as_bytes()))?,
        other => writeln!(out, "{place} = {other}")?,
    }
    Ok(())
}
