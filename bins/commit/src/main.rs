//! `commit`: makes an image of what a container changed.

mod args;
mod layer;
mod plan;
mod run;

use std::process::ExitCode;

use plan::Plan;

fn main() -> ExitCode {
    cli::run("commit", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        run::run(&args, Plan::new(&args)?)
    })
}
