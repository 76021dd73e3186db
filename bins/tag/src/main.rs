//! `tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]` gives an image another name. It prints nothing.

mod args;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("tag", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        run::run(&args)
    })
}
