//! `stats`: what running containers use of the machine, told by their cgroups.
//!
//! What can be typed ([`args`]), what the kernel counts ([`sample`]), what stands in a row ([`row`]), and the work.

mod args;
mod row;
mod run;
mod sample;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("stats", |args: args::Args| {
        userns::enter()?;
        run::run(&args)
    })
}
