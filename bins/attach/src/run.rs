//! Passes everything on until the container ends or the person leaves.

use anyhow::{Context, Result, anyhow, bail};
use cli::Outcome;
use launch::relay::Signals;
use lifecycle::client::{self, Attached, Parted};
use lifecycle::live::Raw;

use crate::args::Args;
use crate::plan::Plan;

/// Attaches. The container's exit status is ours.
pub fn run(args: &Args, plan: Plan) -> Result<Outcome> {
    let signals = Signals::take().context("cannot take signals")?;
    let mut attached = Attached {
        input: plan.input,
        terminal: plan.terminal,
        keys: args.detach_keys.clone(),
        // With a terminal its keys are input, and signals from elsewhere are for us (docker/cli attach.go).
        proxy: (args.sig_proxy && !plan.terminal).then_some(&plan.living),
    };
    let raw = Raw::enter(plan.terminal && plan.input);
    let parted = client::stay(&plan.socket, &mut attached, &signals);
    drop(raw);
    match parted.context("cannot follow the container")? {
        Parted::Exited(status) => Ok(Outcome::done().with_status(status)),
        Parted::Signalled(number) => Ok(Outcome::done().with_status(128 + number)),
        Parted::Detached => Ok(Outcome::not_done(anyhow!("read escape sequence"))),
        Parted::Lost => bail!("the process beside the container was killed; the container goes on without a log"),
    }
}
