//! `export CONTAINER|IMAGE|VOLUME` writes its files as a tar, or as another form of a tree; `export --host` all of the root.
//!
//! In reading order: what can be typed ([`args`]), what it means on this host ([`plan`], [`subject`]), the work ([`run`](mod@run)), and the
//! forms that are not a tar ([`forms`]).

mod args;
mod destination;
mod forms;
mod plan;
mod run;
mod subject;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("export", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        let plan = plan::Plan::new(&args)?;
        run::run(plan)
    })
}
