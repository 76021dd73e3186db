//! `history`: shows how an image was made, the last step first.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::Program::new("history").old_flags(&[("notrunc", "no-trunc")]).run(run::run)
}
