//! What the programs of this folder share: one verb, done to each container that is named.
//!
//! They are alike but for one call, so they are one package with a binary each (docs/decisions/0005).

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use cli::Outcome;
use host::{Host, OnlyRead};
use lifecycle::LifeError;
use model::Id;

/// Which containers.
#[derive(clap::Args, Debug)]
pub struct Containers {
    #[command(flatten)]
    root: cli::RootArg,
    /// Containers by name, id, or the beginning of an id
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

impl Containers {
    /// Whether more than one is named.
    pub fn are_several(&self) -> bool {
        self.names.len() > 1
    }
}

/// How a container is ended.
#[derive(clap::Args, Debug)]
pub struct Ending {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string", value_parser = signal)]
    pub signal: Option<i32>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "time", value_name = "int")]
    timeout: Option<u64>,
}

impl Ending {
    /// How long to wait at most before killing; `None` for the container's own time.
    pub fn most(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }
}

/// Does one verb to each container and prints what it gives, a line each. What fails for one does not keep the others.
pub fn each(
    containers: &Containers,
    mut verb: impl FnMut(&Path, &Id, &str) -> Result<String, LifeError>,
) -> Result<Outcome> {
    let root = containers.root.path();
    userns::enter()?;
    lifecycle::sweep::all(&cli::note);
    let mut outcome = Outcome::done();
    for name in &containers.names {
        let done = find(&root, name).and_then(|id| Ok(verb(&root, &id, name)?));
        match done {
            Ok(line) if line.is_empty() => {}
            Ok(line) => writeln!(cli::stdout(), "{}", model::path::shown(line.as_bytes()))?,
            Err(error) => outcome = outcome.and_failures([error]),
        }
    }
    Ok(outcome)
}

/// The container that a name means, in a store that can be lived in.
fn find(root: &Path, name: &str) -> Result<Id> {
    let host = Host::open(root)?;
    let (container, _) = host.container(name)?;
    match host.may_write(container.store) {
        Ok(()) => Ok(container.id),
        Err(why @ OnlyRead::Form(_)) => {
            bail!("container {} {why}: start a copy with 'run --container {name}'", container.id.short())
        }
        Err(why) => bail!("container {} {why}", container.id.short()),
    }
}

/// A signal by docker's spellings, for flags.
fn signal(text: &str) -> Result<i32, String> {
    launch::docker::signal(text).ok_or_else(|| format!("invalid signal: {text}"))
}
