//! `run`: a command in a container from an image, or an old container again, with no daemon.

mod args;
mod bundle;
mod check;
mod flags;
mod handover;
mod plan;
mod run;
mod show;

use std::process::ExitCode;

use args::Args;
use plan::Plan;

fn main() -> ExitCode {
    cli::Program::new("run").statuses(125, 125).run(|args: Args| {
        if args.check {
            return check::report();
        }
        let plan = Plan::new(&args)?;
        match args.plan {
            Some(format) => show::plan(&plan, format),
            None => run::run(&args, plan),
        }
    })
}
