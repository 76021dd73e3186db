//! Processes that `net up` starts and that live as long as their container is up: the resolver, the proxy.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use cli::Outcome;
use wire::namespace::Namespace;
use wire::state::Store;

use crate::args::CompanionArgs;

/// Starts one for a container, unless one is at work, and waits until it answers.
pub fn start(verb: &str, store: &Path, id: &str, namespace: &Path, more: &[String]) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg(verb).arg("--state-dir").arg(store).args(["--id", id]).arg("--netns").arg(namespace).args(more);
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start the {verb}"))?;
    let mut said = String::new();
    child.stdout.take().context("it has no stdout")?.read_to_string(&mut said)?;
    anyhow::ensure!(said == "ready\n", "the {verb} for container '{}' did not start", id.get(..12).unwrap_or(id));
    Ok(())
}

/// The one at work for a container: begun, until the container is down or its namespace another's.
pub struct Companion<'a> {
    args: &'a CompanionArgs,
    path: PathBuf,
    _lock: File,
    /// The container's namespace.
    pub inside: Namespace,
}

impl<'a> Companion<'a> {
    /// `None` where another is at work already; whoever waits is told.
    pub fn begin(verb: &str, args: &'a CompanionArgs) -> anyhow::Result<Option<Companion<'a>>> {
        // Signals to the terminal that started it are not for it.
        let _ = nix::unistd::setsid();
        let inside = Namespace::open(&args.netns)?;
        let path = path(verb, &args.state.state_dir, &args.id)?;
        let lock = File::create(&path)?;
        if !wire::namespace::claim(&lock) {
            ready()?;
            return Ok(None);
        }
        Ok(Some(Companion { args, path, _lock: lock, inside }))
    }

    /// Tells whoever waits, and stays until the container is down.
    pub fn attend(&self) -> anyhow::Result<Outcome> {
        ready()?;
        let here = || Namespace::open(&self.args.netns).is_ok_and(|now| now.is(&self.inside).unwrap_or(false));
        while is_up(&self.args.state.state_dir, &self.args.id) && here() {
            thread::sleep(Duration::from_millis(500));
        }
        Ok(Outcome::done())
    }
}

impl Drop for Companion<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The file that is locked while one is at work.
fn path(verb: &str, dir: &Path, id: &str) -> io::Result<PathBuf> {
    // An id from elsewhere may hold anything.
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    Ok(dir.join(format!("{}-{id}.{verb}", wire::namespace::cookie()?)))
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
