//! The work: each name in turn.

use std::io::{BufRead, stdin};

use anyhow::{Context, anyhow};
use cli::{Findings, Format, Outcome, Row, Rows};
use host::Host;
use model::{Container, HostPath, path::shown};

use crate::answer::{Answer, HEADERS, USUAL};
use crate::args::Args;
use crate::places::Places;
use crate::question::{Question, places};
use crate::tokens::{self, Tokens};

/// Tells whose each name is.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let names = names(&args.names)?;
    let mut host = Host::open_with(&args.root.path(), args.root.host_root())?;
    let store = if host.stores().len() > 1 { "\t{{.Store}}" } else { "" };
    let format = Format::parse(args.format.as_deref(), &format!("{USUAL}{store}"))?;
    let mut findings = Findings::from(host.take_findings());
    let containers = findings.take(host.containers());
    let places = Places::new(&host, &containers, &mut findings);
    let tokens = Tokens::new(&host, &containers, &mut findings);
    let mut rows: Vec<Row> = Vec::new();
    let mut failures = Vec::new();
    for name in &names {
        let answers = answers(&host, &containers, &places, &tokens, name);
        if answers.is_empty() {
            failures.push(anyhow!("nothing on this host owns '{}'", shown(name.as_bytes())));
        }
        rows.extend(answers.iter().map(|answer| answer.row(&host, name)));
    }
    if !rows.is_empty() {
        Rows { kind: "*whose.Answer", headers: HEADERS, format: &format }
            .print(&mut cli::stdout(), rows)
            .context("cannot tell whose these are")?;
    }
    Ok(Outcome::done().and_findings(findings).and_failures(failures))
}

/// The names; `-` stands for those on stdin, one a line.
fn names(typed: &[String]) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    for name in typed {
        if name != "-" {
            out.push(name.clone());
            continue;
        }
        for line in stdin().lock().lines() {
            let line = line.context("cannot read stdin")?;
            out.extend((!line.is_empty()).then_some(line));
        }
    }
    Ok(out)
}

fn answers(host: &Host, containers: &[Container], places: &Places, tokens: &Tokens, name: &str) -> Vec<Answer> {
    let question = Question::parse(name);
    let mut found = tokens.of(&question);
    if let Question::Name(name) = &question {
        found.extend(at(host, places, name));
        if found.is_empty() {
            found = tokens::by_id(name, containers);
        }
    }
    let mut out: Vec<Answer> = Vec::new();
    for answer in found {
        if !out.contains(&answer) {
            out.push(answer);
        }
    }
    out
}

/// Whose a path is, links of overlay2's short names seen through.
fn at(host: &Host, whole: &Places, path: &str) -> Vec<Answer> {
    let mut found: Vec<Answer> =
        places(host, path).iter().flat_map(|place| whole.at(&through_link(host, place))).collect();
    let known = found.len();
    if path.starts_with('/') {
        found.extend(whole.bound(path.as_bytes()));
    }
    // A disk holds what lay outside of its data roots too, under the names that its host had.
    if found.len() == known {
        let places = places(host, path);
        found.extend(places.iter().flat_map(|place| whole.bound(&[b"/", place.as_bytes()].concat())));
    }
    found
}

/// `overlay2/l/SHORT/…` as `overlay2/ID/diff/…`.
fn through_link(host: &Host, place: &HostPath) -> HostPath {
    let parts: Vec<&[u8]> = place.as_bytes().split(|&byte| byte == b'/').collect();
    let Some(l) = parts.iter().position(|part| *part == b"l").filter(|l| l + 1 < parts.len()) else {
        return place.clone();
    };
    let link = HostPath::new(parts[..l + 2].join(&b'/'));
    let Ok(target) = host.root().read_link(&link) else { return place.clone() };
    match target.strip_prefix(b"../") {
        Some(to) => HostPath::new(parts[..l].join(&b'/')).join(to).join(parts[l + 2..].join(&b'/')),
        None => place.clone(),
    }
}
