//! `version`: shows versions of dockless and of what is in the root.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("version", run::run)
}
