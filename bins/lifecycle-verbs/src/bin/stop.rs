//! `stop`: asks containers to end, and after a while makes them.

use std::process::ExitCode;
use std::time::Duration;

use lifecycle_verbs::{Containers, each, signal};

/// Stop one or more running containers
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
    /// Signal to send to the container
    #[arg(short, long, value_name = "string", value_parser = signal)]
    signal: Option<i32>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "time", value_name = "int")]
    timeout: Option<u64>,
}

fn main() -> ExitCode {
    cli::run("stop", |args: Args| {
        let most = args.timeout.map(Duration::from_secs);
        each(&args.containers, |root, id, name| {
            lifecycle::end::stop(root, id, args.signal, most, false).map(|()| name.to_string())
        })
    })
}
