//! `rm CONTAINER...` removes containers with their files; with `--force` ends them first.

mod args;
mod link;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("rm", |args: args::Args| {
        userns::enter_own(&args.root.path());
        run::run(&args)
    })
}
