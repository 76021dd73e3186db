//! `volumes`: lists volumes.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("volumes", run::run)
}
