//! Passes everything on until the container ends or the person leaves.

use anyhow::{Result, anyhow, bail};
use cli::Outcome;
use lifecycle::client::Parted;
use lifecycle::live::{self, Life};

use crate::args::Args;
use crate::plan::Plan;

/// Attaches. The container's exit status is ours.
pub fn run(args: &Args, plan: Plan) -> Result<Outcome> {
    let life = Life {
        root: &plan.root,
        id: &plan.id,
        input: !args.no_stdin,
        signals: args.sig_proxy,
        remove: false,
        keys: args.detach_keys.clone(),
        warn: &cli::warning,
        head_start: None,
    };
    match live::joined(&life, &plan.living)? {
        Parted::Exited(status) => Ok(Outcome::done().with_status(status)),
        Parted::Signalled(number) => Ok(Outcome::done().with_status(128 + number)),
        Parted::Detached => Ok(Outcome::not_done(anyhow!("read escape sequence"))),
        Parted::Lost => bail!("the process beside the container was killed; the container goes on without a log"),
    }
}
