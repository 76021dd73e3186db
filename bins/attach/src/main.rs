//! `attach`: a person at a running container's standard streams.

mod args;
mod plan;
mod run;

use std::process::ExitCode;

use args::Args;
use plan::Plan;

fn main() -> ExitCode {
    cli::run("attach", |args: Args| {
        userns::enter()?;
        run::run(&args, Plan::new(&args)?)
    })
}
