//! `pause`: halts all processes of containers.

use std::process::ExitCode;

use lifecycle::{LifeError, end};
use lifecycle_verbs::{Containers, each};

/// Pause all processes within one or more containers
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
}

fn main() -> ExitCode {
    cli::run("pause", |args: Args| {
        each(&args.containers, |root, id, name| match end::living(root, id)? {
            None => Err(LifeError::NotRunning(id.to_string())),
            Some(living) if living.is_halted() => Err(LifeError::Paused(id.to_string())),
            Some(_) if end::freeze(root, id, true)? => Ok(name.to_string()),
            Some(_) => Err(LifeError::NoFreezer),
        })
    })
}
