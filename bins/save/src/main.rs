//! `save`: images as an archive.
//!
//! What can be typed ([`args`]), which images and how each layer is had ([`plan`], [`layers`]), and the work ([`run`]).

mod args;
mod layers;
mod plan;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("save", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        let host = host::Host::open_with(&args.root.path(), args.root.host_root())?;
        let plan = plan::Plan::new(&args, &host)?;
        run::run(&args, plan)
    })
}
