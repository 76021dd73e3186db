//! `kill`: sends a signal to running containers.

use std::process::ExitCode;

use lifecycle::{LifeError, end};
use lifecycle_verbs::{Containers, each};

/// Kill one or more running containers
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
    /// Signal to send to the container
    #[arg(short, long, value_name = "string", default_value = "KILL")]
    signal: String,
}

fn main() -> ExitCode {
    cli::run("kill", |args: Args| {
        let signal = launch::docker::signal(&args.signal).ok_or(LifeError::Signal(args.signal))?;
        each(&args.containers, |root, id, name| match end::living(root, id)? {
            Some(living) => end::kill(root, id, &living, signal).map(|()| name.to_string()),
            None => Err(LifeError::NotRunning(id.to_string())),
        })
    })
}
