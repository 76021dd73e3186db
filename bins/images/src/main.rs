//! `images`: lists images.
//!
//! What can be typed ([`args`]), which images are picked ([`filters`]), what stands in a row ([`row`]).

mod args;
mod filters;
mod row;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::Program::new("images").old_flags(&[("notrunc", "no-trunc")]).run(run::run)
}
