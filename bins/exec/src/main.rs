//! `exec`: a further command in a running container.

mod args;
mod plan;
mod run;

use std::process::ExitCode;

use args::Args;
use cli::Outcome;
use lifecycle::LifeError;
use plan::Plan;

fn main() -> ExitCode {
    cli::run("exec", |args: Args| {
        userns::enter()?;
        match Plan::new(&args) {
            // Nobody of that name is found by what would have run it.
            Err(error) if matches!(error.downcast_ref(), Some(LifeError::Record(_))) => {
                Ok(Outcome::not_done(error).with_status(126))
            }
            plan => run::run(plan?),
        }
    })
}
