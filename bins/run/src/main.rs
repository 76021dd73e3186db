//! `run`: a command in a container from an image, or an old container again, with no daemon.

mod args;
mod bundle;
mod check;
mod flags;
mod handover;
mod plan;
mod run;
mod show;

use std::process::ExitCode;

use args::Args;
use cli::Outcome;
use launch::cgroup::HeadStart;
use plan::Plan;

fn main() -> ExitCode {
    cli::Program::new("run").statuses(125, 125).run(|args: Args| {
        if args.check {
            return check::report();
        }
        if plan::lacks_a_terminal(&args) {
            // The one mistake that docker's client has another status for.
            return Ok(Outcome::not_done(anyhow::anyhow!("the input device is not a TTY")).with_status(1));
        }
        own_namespace()?;
        if let Some(format) = args.plan {
            return show::plan(&Plan::new(&args)?, format);
        }
        // It changes nothing, and takes as long as all the rest.
        let head_start = HeadStart::begin();
        run::run(&args, Plan::new(&args)?, &head_start)
    })
}

/// Makes an ordinary user root in his user namespace, and says what cannot be had there.
fn own_namespace() -> anyhow::Result<()> {
    if let userns::Entered::Alone(why) = userns::enter()? {
        run::warn(&format!("{why}: everybody in the container is you, other users and groups cannot be had"));
    }
    Ok(())
}
