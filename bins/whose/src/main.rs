//! `whose`: which container, image or volume something belongs to.
//!
//! What can be typed ([`args`]), what a name may be ([`question`]), what lies where ([`places`]), what addresses and
//! processes are recorded ([`tokens`]), and the answers ([`answer`]).

mod answer;
mod args;
mod places;
mod question;
mod run;
mod tokens;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("whose", run::run)
}
