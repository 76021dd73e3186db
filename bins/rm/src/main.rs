//! `rm CONTAINER...` removes containers that do not run, with their files.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("rm", |args: args::Args| run::run(&args))
}
