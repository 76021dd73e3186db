//! `networks`: lists networks.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("networks", run::run)
}
