//! `stop`: asks containers to end, and after a while makes them.

use std::process::ExitCode;

use lifecycle_verbs::{Containers, Ending, each};

/// Stop one or more running containers
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
    #[command(flatten)]
    ending: Ending,
}

fn main() -> ExitCode {
    cli::run("stop", |args: Args| {
        each(&args.containers, |root, id, name| {
            lifecycle::end::stop(root, id, args.ending.signal, args.ending.most(), false).map(|()| name.to_string())
        })
    })
}
