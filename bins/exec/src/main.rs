//! `exec`: a further command in a running container.

mod args;
mod plan;
mod run;

use std::process::ExitCode;

use args::Args;
use plan::Plan;

fn main() -> ExitCode {
    cli::run("exec", |args: Args| {
        userns::enter()?;
        let plan = Plan::new(&args)?;
        run::run(plan)
    })
}
