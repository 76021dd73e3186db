//! `ps`: lists containers.
//!
//! What can be typed ([`args`]), what is picked ([`filters`]), what stands in a row ([`row`], [`ports`]), how much room a
//! container's own layer takes ([`size`]), and the columns of old dockers ([`old`]).

mod args;
mod filters;
mod old;
mod ports;
mod row;
mod run;
mod size;

use std::process::ExitCode;

const PROGRAM: cli::Program = cli::Program::new("ps").old_flags(&[
    ("notrunc", "no-trunc"),
    ("sinceId", "since"),
    ("beforeId", "before"),
    ("since-id", "since"),
    ("before-id", "before"),
]);

fn main() -> ExitCode {
    PROGRAM.run(run::run)
}
