//! `load`: an archive of images into a data root.
//!
//! What can be typed ([`args`]), the archive's members from a tar or a directory ([`members`]), which of its images are
//! wanted ([`choice`]), layers on their way into the root ([`layers`]), and the work ([`run`]).

mod args;
mod choice;
mod layers;
mod members;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("load", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        run::run(&args)
    })
}
