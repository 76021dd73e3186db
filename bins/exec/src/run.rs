//! Executes it and passes its streams and its exit status on.

use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, anyhow};
use cli::Outcome;
use launch::Streams;
use launch::relay::{self, Ends, Manner, Signals};
use launch::sys::{self, Cloned};
use lifecycle::live::{self, Raw};
use lifecycle::{begin, events};

use rustix::event::{PollFd, PollFlags, poll};

use crate::plan::Plan;

/// Runs the command. Its exit status is ours.
pub fn run(mut plan: Plan) -> Result<Outcome> {
    let signals = Signals::take().context("cannot take signals")?;
    let terminal = plan.process.terminal;
    let (streams, socket, ends) =
        if plan.detach && !terminal { nowhere()? } else { begin::streams(terminal, plan.input && !plan.detach)? };
    plan.tell("exec_create");
    let handle = match launch::join::join(plan.pid, &mut plan.cgroup, &plan.process, streams) {
        Ok(handle) => handle,
        Err(error) => {
            // What keeps a command from a running container is 126 for docker, and 127 where there is none of its name.
            let status = error.status().max(126);
            return Ok(Outcome::not_done(error.into()).with_status(status));
        }
    };
    plan.tell("exec_start");
    if plan.detach {
        // GAP: nobody stays to tell of its end.
        // A terminal lives as long as somebody has its other end.
        if let Some(socket) = socket {
            hold(&begin::receive_terminal(&socket)?, &handle)?;
        }
        return Ok(Outcome::done());
    }
    let mut ends = match socket {
        Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
        None => ends,
    };
    let manner = Manner { input: plan.input, output: true, signals: true };
    let raw = Raw::enter(plan.input && terminal);
    let ended = relay::attend_until_left(&handle, &mut ends, manner, &signals, &mut |typed| plan.keys.filter(typed));
    drop(raw);
    if let Some(status) = ended.context("cannot follow the command")? {
        let about = [("execID", plan.id.to_string()), ("exitCode", status.to_string())];
        events::tell(&plan.root, &plan.record, "exec_die", &about);
        return Ok(Outcome::done().with_status(status));
    }
    if let Ends::Terminal(terminal) = &ends {
        hold(terminal, &handle)?;
    }
    Ok(Outcome::not_done(anyhow!("read escape sequence")))
}

impl Plan {
    /// Writes what is done with the command, as docker words it: the program, a space, what it is given.
    fn tell(&self, what: &str) {
        let (program, given) = self.process.args.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        let action = format!("{what}: {program} {}", given.join(" "));
        events::tell(&self.root, &self.record, &action, &[("execID", self.id.to_string())]);
    }
}

/// Streams of a command that nobody listens to.
fn nowhere() -> Result<(Streams, Option<OwnedFd>, Ends)> {
    let null = || -> Result<OwnedFd> {
        let file = File::options().read(true).write(true).open("/dev/null").context("cannot open '/dev/null'")?;
        Ok(file.into())
    };
    let streams = Streams::Plain { stdin: null()?, stdout: null()?, stderr: null()? };
    Ok((streams, None, Ends::Plain { stdin: None, stdout: None, stderr: None }))
}

/// Leaves a process that takes what comes out of the command's terminal, until the command ends: a terminal lives as long as somebody
/// has its other end.
fn hold(terminal: &OwnedFd, handle: &OwnedFd) -> Result<()> {
    if let Cloned::Child = sys::clone(0, None).context("cannot leave a process with the command")? {
        let _ = live::leave_the_person();
        let mut buffer = [0; 4096];
        loop {
            let mut ends = [PollFd::new(handle, PollFlags::IN), PollFd::new(terminal, PollFlags::IN)];
            let waited = poll(&mut ends, None);
            if waited.is_ok() && (!ends[0].revents().is_empty() || rustix::io::read(terminal, &mut buffer).is_err()) {
                sys::exit_now(0);
            }
        }
    }
    Ok(())
}
