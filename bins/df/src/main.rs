//! `df`: what takes how much room.
//!
//! What can be typed ([`args`]), what each object takes ([`survey`]), the four sums ([`summary`]), each object by itself
//! ([`details`]).

mod args;
mod details;
mod run;
mod summary;
mod survey;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("df", run::run)
}
