//! `wait`: waits for containers to end and prints their exit codes.

use std::process::ExitCode;

use lifecycle::{begin, end};
use lifecycle_verbs::{Containers, each};

/// Block until one or more containers stop, then print their exit codes
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
}

fn main() -> ExitCode {
    cli::run("wait", |args: Args| {
        each(&args.containers, |root, id, _| {
            if let Some(living) = end::living(root, id)? {
                living.wait(None)?;
                end::recorded(root, id)?;
            }
            let record = begin::raw(&root.join("containers").join(id.as_str()))?;
            Ok(record["State"]["ExitCode"].to_string())
        })
    })
}
