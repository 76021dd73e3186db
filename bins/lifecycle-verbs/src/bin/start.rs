//! `start`: starts stopped containers, each with a process of ours beside it.

use std::process::ExitCode;

use anyhow::bail;
use launch::cgroup::HeadStart;
use lifecycle::client::Parted;
use lifecycle::keys::Keys;
use lifecycle::live::{self, Life};
use lifecycle::{LifeError, end};
use lifecycle_verbs::{Containers, each};

/// Start one or more stopped containers
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    containers: Containers,
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string", value_parser = Keys::parse, default_value = "")]
    detach_keys: Keys,
    /// Restore from this checkpoint: refused, since processes cannot be restored here
    #[arg(long, value_name = "string")]
    checkpoint: Option<String>,
    /// Use a custom checkpoint storage directory
    #[arg(long, value_name = "string")]
    checkpoint_dir: Option<String>,
}

fn main() -> ExitCode {
    let mut status = None;

    cli::run("start", |args: Args| {
        // GAP: processes are not restored from a checkpoint.
        if args.checkpoint.is_some() || args.checkpoint_dir.is_some() {
            bail!("checkpoints cannot be restored: without --checkpoint the container starts anew");
        }
        if args.containers.are_several() && (args.attach || args.interactive) {
            bail!("you cannot start and attach multiple containers at once");
        }
        let outcome = each(&args.containers, |root, id, name| {
            let living = end::living(root, id)?;
            let stays = args.attach || args.interactive;
            if living.is_some() && !stays {
                return Ok(name.to_string());
            }
            let head_start = living.is_none().then(HeadStart::begin);
            let life = Life {
                root,
                id,
                input: args.interactive,
                signals: args.attach,
                remove: false,
                keys: args.detach_keys.clone(),
                warn: &cli::warning,
                head_start: head_start.as_ref(),
            };
            if stays {
                status = Some(match &living {
                    Some(living) => ended(live::joined(&life, living)?)?,
                    None => live::attended(&life)?,
                });
                return Ok(String::new());
            }
            live::detached(&life)?;
            Ok(name.to_string())
        })?;
        Ok(match status {
            Some(status) => outcome.with_status(status),
            None => outcome,
        })
    })
}

/// The status of a container that ran already.
fn ended(parted: Parted) -> Result<u8, LifeError> {
    match parted {
        Parted::Exited(status) => Ok(status),
        Parted::Signalled(number) => Ok(128 + number),
        Parted::Detached => Ok(0),
        Parted::Lost => {
            Err(LifeError::Told { status: 1, why: "the process beside the container was killed".to_string() })
        }
    }
}
