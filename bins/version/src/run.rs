//! The work: this program's version and the stores of the root.

use std::io::Write;

use anyhow::Context;
use cli::{Findings, Outcome, Template, json};
use host::{Host, OpenError};
use layout::Engine;
use model::Store;
use serde_json::{Value, json};

use crate::args::Args;

const USUAL: &str = "\
Client:
 Version:  {{.Client.Version}}
 OS/Arch:  {{.Client.Os}}/{{.Client.Arch}}

Root:      {{.Root.Path}}
{{- range .Root.Stores}}
 Store:    {{.Generation}}
  Driver:     {{.Driver}}
  Folder:     {{.Folder}}
  Recorded:   {{.Recorded}}
  {{- if .Namespace}}
  Namespace:  {{.Namespace}}
  {{- end}}
  Evidence:   {{join .Evidence \", \"}}
{{- else}}
 No store of a container engine in it.
{{- end}}
{{- range .Root.Engines}}
 Engine:   {{.Name}}
  Version:    {{.Version}}
  By:         {{.By}}
  Place:      {{.Place}}
{{- end}}";

/// Shows versions.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let path = args.root.path();
    let mut findings = Findings::default();
    let (stores, engines) = match Host::open_with(&path, args.root.host_root()) {
        Ok(mut host) => {
            findings.take(((), host.take_findings()));
            (host.stores().to_vec(), findings.take(layout::engines::engines(host.root(), host.stores())))
        }
        // A version can be told without a root, but not silently where one was named.
        Err(OpenError::NoStore { findings: more, .. }) => {
            findings.take(((), more));
            Default::default()
        }
        Err(_) if !args.root.is_given() => Default::default(),
        Err(error) => return Err(error.into()),
    };
    let answer = json!({
        "Client": { "Version": env!("CARGO_PKG_VERSION"), "Os": std::env::consts::OS, "Arch": arch() },
        "Root": { "Path": path.to_string_lossy(), "Stores": stores.iter().map(store).collect::<Vec<_>>(), "Engines": engines.iter().map(Engine::json).collect::<Vec<_>>() },
    });
    let text = match args.format.as_deref() {
        Some("json") => json::line(&answer),
        format => Template::parse(format.unwrap_or(USUAL))?.run(&answer)?,
    };
    let mut out = cli::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to stdout")?;
    Ok(findings.into())
}

fn store(store: &Store) -> Value {
    let evidence: Vec<String> = store.evidence.iter().map(ToString::to_string).collect();
    json!({
        "Generation": store.generation.name(),
        "Driver": store.driver_name(),
        "Folder": store.home.to_string(),
        "Recorded": model::path::shown(&store.recorded),
        "Namespace": store.namespace,
        "Evidence": evidence,
    })
}

/// Go's name of this machine's architecture, as docker shows it.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
