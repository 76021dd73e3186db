//! `events`: what happened to containers, as it was written down, and as it happens.
//!
//! What can be typed ([`args`]), what is told by the journal ([`journal`]) and by the records ([`records`]), which of it is
//! wanted ([`filters`]), how one is shown ([`show`]), and the work.

mod args;
mod filters;
mod journal;
mod records;
mod run;
mod show;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("events", run::run)
}
