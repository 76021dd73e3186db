//! `wait`: waits for containers to end and prints their exit codes.

use std::process::ExitCode;

use lifecycle::sweep::UNSEEN;
use lifecycle::{begin, client, end};
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
            // With --rm the record goes with the container, and only the process beside it can tell.
            if let Some(status) = client::outlive(id) {
                return Ok(status.to_string());
            }
            if let Some(living) = end::living(root, id)? {
                living.wait(None)?;
                end::recorded(root, id, UNSEEN)?;
            }
            let record = begin::raw(&root.join("containers").join(id.as_str()))?;
            Ok(record["State"]["ExitCode"].to_string())
        })
    })
}
