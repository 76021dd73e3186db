//! `port`: shows a container's published ports.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("port", run::run)
}
