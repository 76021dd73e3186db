//! `rmi IMAGE...` removes names of images, and images with their last name.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("rmi", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        run::run(&args)
    })
}
