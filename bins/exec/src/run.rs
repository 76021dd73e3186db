//! Executes it and passes its streams and its exit status on.

use anyhow::{Context, Result};
use cli::Outcome;
use launch::relay::{self, Ends, Manner, Signals};
use lifecycle::begin;
use lifecycle::live::Raw;

use crate::plan::Plan;

/// Runs the command. Its exit status is ours.
pub fn run(mut plan: Plan) -> Result<Outcome> {
    let signals = Signals::take().context("cannot take signals")?;
    let terminal = plan.process.terminal;
    let (streams, socket, ends) = begin::streams(terminal, plan.input && !plan.detach)?;
    let handle = match launch::join::join(plan.pid, &mut plan.cgroup, &plan.process, streams) {
        Ok(handle) => handle,
        Err(error) => {
            let status = error.status();
            return Ok(Outcome::not_done(error.into()).with_status(status));
        }
    };
    if plan.detach {
        return Ok(Outcome::done());
    }
    let _raw = Raw::enter(plan.input && terminal);
    let ends = match socket {
        Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
        None => ends,
    };
    let manner = Manner { input: plan.input, output: true, signals: true };
    let status = relay::attend(&handle, ends, manner, &signals).context("cannot follow the command")?;
    Ok(Outcome::done().with_status(status))
}
