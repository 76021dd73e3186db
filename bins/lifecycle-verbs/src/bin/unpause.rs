//! `unpause`: lets halted containers go on.

use std::process::ExitCode;

use lifecycle::{LifeError, end};
use lifecycle_verbs::{Containers, each};

/// Unpause all processes within one or more containers
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
}

fn main() -> ExitCode {
    cli::run("unpause", |args: Args| {
        each(&args.containers, |root, id, name| match end::living(root, id)? {
            Some(living) if !living.is_halted() => Err(LifeError::NotPaused(id.to_string())),
            None => Err(LifeError::NotPaused(id.to_string())),
            Some(_) if end::freeze(root, id, false)? => Ok(name.to_string()),
            Some(_) => Err(LifeError::NoFreezer),
        })
    })
}
