//! `logs CONTAINER` shows what a container wrote.

mod args;
mod print;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("logs", |args: args::Args| run::run(&args))
}
