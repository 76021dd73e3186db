//! Processes that `net up` and `run` start and that live as long as their container is up: the resolver, the proxy. What they
//! share is [`wire::companion`].

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use cli::Outcome;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use wire::companion::Claim;
use wire::namespace::Namespace;
use wire::state::Store;

use crate::args::CompanionArgs;

/// How often one looks whether its container is up, where nobody tells it, in milliseconds.
const PAUSE: u16 = 500;

/// Starts one for a container, unless one is at work, and waits until it answers.
pub fn start(verb: &str, store: &Path, id: &str, namespace: &Path, more: &[String]) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Ok(wire::companion::start(&program, verb, store, id, namespace, more)?)
}

/// The one at work for a container: begun, until the container is down or its namespace another's.
pub struct Companion<'a> {
    args: &'a CompanionArgs,
    /// Whoever takes the container down says so by a signal.
    told: SignalFd,
    _claim: Claim,
    /// The container's namespace.
    pub inside: Namespace,
}

impl<'a> Companion<'a> {
    /// `None` where another is at work already; whoever waits is told. To be called before there are threads.
    pub fn begin(verb: &str, args: &'a CompanionArgs) -> anyhow::Result<Option<Companion<'a>>> {
        // Signals to the terminal that started it are not for it.
        let _ = nix::unistd::setsid();
        let term = SigSet::from(Signal::SIGTERM);
        term.thread_block().context("cannot block a signal")?;
        let told = SignalFd::new(&term).context("cannot wait for a signal")?;
        let inside = Namespace::open(&args.netns)?;
        let Some(claim) = Claim::take(verb, &args.state.state_dir, &args.id, &inside)? else {
            ready()?;
            return Ok(None);
        };
        Ok(Some(Companion { args, told, _claim: claim, inside }))
    }

    /// Tells whoever waits, and stays until the container is down.
    pub fn attend(&self) -> anyhow::Result<Outcome> {
        ready()?;
        let here = || Namespace::open(&self.args.netns).is_ok_and(|now| now.is(&self.inside).unwrap_or(false));
        while is_up(&self.args.state.state_dir, &self.args.id) && here() {
            let mut waited = [PollFd::new(self.told.as_fd(), PollFlags::POLLIN)];
            if poll(&mut waited, PAUSE).unwrap_or(0) > 0 {
                break;
            }
        }
        Ok(Outcome::done())
    }
}

/// Whether the container is up by us.
pub fn is_up(dir: &Path, id: &str) -> bool {
    let state = Store::peek(dir).ok().flatten();
    state.is_some_and(|state| state.configs.containers.iter().any(|container| container.id == id))
}

/// Tells whoever started it, and lets go of stdout.
fn ready() -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    let null = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&null).context("cannot let go of stdout")
}
