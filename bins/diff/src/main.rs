//! `diff CONTAINER` shows what a container added, changed and deleted in its filesystem.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("diff", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        run::run(&args)
    })
}
