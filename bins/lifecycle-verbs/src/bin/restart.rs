//! `restart`: ends containers and starts them again.

use std::process::ExitCode;

use launch::cgroup::HeadStart;
use lifecycle::keys::Keys;
use lifecycle::live::{self, Life};
use lifecycle::{begin, end, events};
use lifecycle_verbs::{Containers, Ending, each};

/// Restart one or more containers
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
    #[command(flatten)]
    ending: Ending,
}

fn main() -> ExitCode {
    cli::run("restart", |args: Args| {
        each(&args.containers, |root, id, name| {
            end::stop(root, id, args.ending.signal, args.ending.most(), true)?;
            let keys = Keys::default();
            let head_start = HeadStart::begin();
            let life = Life {
                root,
                id,
                input: false,
                signals: false,
                remove: false,
                keys,
                warn: &cli::warning,
                head_start: Some(&head_start),
            };
            live::detached(&life)?;
            events::tell(root, &begin::raw(&root.join("containers").join(id.as_str()))?, "restart", &[]);
            Ok(name.to_string())
        })
    })
}
