//! `net diff`: what is there against what the records imply.

mod conflicts;
mod dockers;
mod ours;

use std::io::Write;

use cli::{Findings, Outcome, RootArg};
use wire::config::Configs;
use wire::live::Live;
use wire::netlink::Socket;
use wire::state::{State, Store, Undo};
use wire::survey::{self, Saved};
use wire::{Daemon, Dialect, Family, Plan, Selection};

use crate::args::DiffArgs;
use crate::input;

/// Compares and prints what differs: exit 0 for nothing, 1 for something.
pub fn run(args: &DiffArgs, root: &RootArg) -> anyhow::Result<Outcome> {
    let mut findings = Findings::new();
    let mut read = input::read(&args.input, root, &mut findings)?;
    let mut daemon = input::daemon(&args.daemon, root, &mut findings)?;
    let state = Store::peek(&args.state.state_dir)?.unwrap_or_default();
    let mut lines = ours::differences(&read.configs, &state, &args.state.state_dir)?;
    let of_others = without_ours(&mut read.configs, &read.selection, &state);
    if default_is_ours(&state) {
        daemon.bridge = Some("none".to_owned());
    }
    let saved = [survey::saved(Family::V4), survey::saved(Family::V6)];
    let plan = |dialect| wire::plan(&read.configs, &daemon, dialect, &of_others);
    lines.extend(dockers(&saved, args.dialect, &mut findings, &daemon, plan));
    let live = Live::read(&Socket::route()?, &Socket::netfilter()?)?;
    let (expected, _) = plan(Dialect::Docker20);
    lines.extend(conflicts::found(&expected, &live, &state, &saved));
    let mut stdout = cli::stdout();
    lines.iter().try_for_each(|line| writeln!(stdout, "{line}"))?;
    stdout.flush()?;
    let outcome = Outcome::from(findings);
    Ok(if lines.is_empty() { outcome } else { outcome.with_status(1) })
}

/// What we brought up ourselves has our rules, not docker's.
fn without_ours(configs: &mut Configs, selection: &Selection, state: &State) -> Selection {
    let is_ours = |id: &str| state.configs.containers.iter().any(|container| container.id == id);
    let selection = match selection {
        Selection::Named(names) => {
            let others = names.iter().filter(|name| configs.container(name).is_none_or(|other| !is_ours(&other.id)));
            Selection::Named(others.cloned().collect())
        }
        other => other.clone(),
    };
    configs.containers.retain(|container| !is_ours(&container.id));
    let ours = |name: &str| name != "bridge" && state.configs.networks.iter().any(|network| network.name == name);
    configs.networks.retain(|network| !ours(&network.name));
    selection
}

/// Whether docker's default bridge is one that we made.
fn default_is_ours(state: &State) -> bool {
    state.undo.iter().any(|undo| matches!(undo, Undo::Link { name, .. } if name == "docker0"))
}

fn dockers(
    saved: &[Saved; 2],
    dialect: Option<Dialect>,
    findings: &mut Findings,
    daemon: &Daemon,
    plan: impl Fn(Dialect) -> (Plan, Vec<model::Finding>),
) -> Vec<String> {
    let mut lines = Vec::new();
    for (family, saved) in [Family::V4, Family::V6].into_iter().zip(saved) {
        match dialect.or_else(|| dockers::recognise(saved)) {
            Some(dialect) => {
                let plan = findings.take(plan(dialect));
                lines.extend(dockers::differences(&plan, saved, family));
            }
            None if family == Family::V4 && daemon.iptables != Some(false) => {
                let plan = findings.take(plan(Dialect::Docker20));
                lines.extend(plan.ports.iter().filter(|port| port.host_ip.is_ipv4()).map(|port| {
                    let what = format!("{}/{} of {}", port.host_port, port.protocol.word(), port.host_ip);
                    let to = format!("{}:{} of container '{}'", port.address, port.port, port.container);
                    format!("missing: port {what} to {to}: there are no rules of docker's at all")
                }));
            }
            None => {}
        }
    }
    lines
}
