//! `restart`: ends containers and starts them again.

use std::process::ExitCode;
use std::time::Duration;

use lifecycle::keys::Keys;
use lifecycle::live::{self, Life};
use lifecycle::{begin, end, events};
use lifecycle_verbs::{Containers, each, signal};

/// Restart one or more containers
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
    cli::run("restart", |args: Args| {
        each(&args.containers, |root, id, name| {
            end::stop(root, id, args.signal, args.timeout.map(Duration::from_secs), true)?;
            let keys = Keys::default();
            let life = Life { root, id, input: false, signals: false, remove: false, keys, warn: &cli::warning };
            live::detached(&life)?;
            events::tell(root, &begin::raw(&root.join("containers").join(id.as_str()))?, "restart", &[]);
            Ok(name.to_string())
        })
    })
}
