//! One life of a container of the root, with whoever attends it: a person here, or a process of ours that stays.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use host::Host;
use hostfs::Wait;
use launch::relay::{Ends, Manner, Signals};
use launch::sys::{self, Cloned};
use layout::docker_content::write::Writer;
use model::Id;

use crate::attend::{self, Attendance, Restarts};
use crate::{LifeError, begin, network, runtime};

/// Which container lives, and how it is attended.
pub struct Life<'a> {
    /// The data root.
    pub root: &'a Path,
    /// The container.
    pub id: &'a Id,
    /// Whether stdin goes to it.
    pub input: bool,
    /// Whether signals go to it.
    pub signals: bool,
    /// Whether it is removed at its end, with its anonymous volumes.
    pub remove: bool,
    /// Hears what cannot be done as asked, one line each.
    pub warn: &'a dyn Fn(&str),
}

/// Starts it and stays here until it has ended for good. Returns docker's exit status.
pub fn attended(life: &Life) -> Result<u8, LifeError> {
    let manner = Manner { input: life.input, output: true, signals: life.signals };
    let status = until_its_end(life, manner, &mut None);
    cleared(life).and(status)
}

/// Starts it and leaves it with a process of ours that stays. Returns once its program runs, or could not be run.
pub fn detached(life: &Life) -> Result<(), LifeError> {
    let machine = |errno: rustix::io::Errno| LifeError::Machine("make a pipe", errno.into());
    let (heard, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(machine)?;
    match sys::clone(0, None).map_err(|error| LifeError::Machine("start a process", error))? {
        Cloned::Child => {
            drop(heard);
            stay(life, tell.into());
            sys::exit_now(0)
        }
        Cloned::Parent { .. } => {
            drop(tell);
            let mut word = String::new();
            fs::File::from(heard)
                .read_to_string(&mut word)
                .map_err(|error| LifeError::Machine("hear of the container", error))?;
            if word == RUNS {
                return Ok(());
            }
            let (status, why) =
                word.split_once(' ').unwrap_or(("125", "the process beside the container ended before it ran"));
            Err(LifeError::Told { status: status.parse().unwrap_or(125), why: why.to_string() })
        }
    }
}

/// What the process that stays says once the container's program runs.
const RUNS: &str = "runs";

/// The process that stays: its own session, no terminal, nothing of whoever started it.
fn stay(life: &Life, told: fs::File) {
    let root = life.root.canonicalize().unwrap_or_else(|_| life.root.to_path_buf());
    let alone = leave_the_person();
    let own = Life { root: &root, warn: &|_| (), ..*life };
    let manner = Manner { input: false, output: false, signals: false };
    let mut told = Some(told);
    let status = alone.and_then(|()| until_its_end(&own, manner, &mut told));
    // Once it ran, nobody listens any more; what went wrong later stands in the record.
    if let (Err(error), Some(mut told)) = (cleared(&own).and(status), told) {
        let _ = told.write_all(format!("{} {}", error.status(), chain(&error)).as_bytes());
    }
}

fn leave_the_person() -> Result<(), LifeError> {
    let machine = |errno: rustix::io::Errno| LifeError::Machine("leave the terminal", errno.into());
    rustix::process::setsid().map_err(machine)?;
    let null = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(crate::error::at("open", "/dev/null"))?;
    rustix::stdio::dup2_stdin(&null).map_err(machine)?;
    rustix::stdio::dup2_stdout(&null).map_err(machine)?;
    rustix::stdio::dup2_stderr(&null).map_err(machine)?;
    rustix::process::chdir("/").map_err(machine)
}

fn cleared(life: &Life) -> Result<(), LifeError> {
    if life.remove {
        Writer::open(life.root, Wait::Yes(&mut |_| ()))?.remove_container(life.id.as_str(), true)?;
    }
    Ok(())
}

/// One run after the other, as its restart policy has it.
fn until_its_end(life: &Life, manner: Manner, told: &mut Option<fs::File>) -> Result<u8, LifeError> {
    let files = |error: Box<dyn std::error::Error + Send + Sync>| LifeError::Files(error);
    let host = Host::open(life.root).map_err(|error| files(error.into()))?;
    let (container, _) = host.container(life.id.as_str()).map_err(|error| files(error.into()))?;
    let ready = begin::ready(life.root, &host, &container)?;
    ready.notes.iter().for_each(|note| (life.warn)(note));
    let (inspect, _) = layout::inspect_container(host.root(), host.stores(), &container);
    drop(host);
    let own = life.root.join("containers").join(life.id.as_str());
    let mut restarts = Restarts::of(&inspect["HostConfig"]);
    let mut log = attend::open_log(&own, &inspect["HostConfig"], life.id)?;
    loop {
        let since = Instant::now();
        let status = one_run(life, manner, &ready, told, &mut log)?;
        let stopped = begin::raw(&own).is_ok_and(|record| record["HasBeenManuallyStopped"].as_bool().unwrap_or(false));
        let Some(pause) = restarts.next(since, status, stopped).filter(|_| !life.remove) else { return Ok(status) };
        let count = restarts.count();
        begin::update(life.root, life.id, |record| {
            record["State"]["Restarting"] = true.into();
            record["State"]["Running"] = true.into();
            record["RestartCount"] = count.into();
        })?;
        std::thread::sleep(pause);
    }
}

fn one_run(
    life: &Life,
    manner: Manner,
    ready: &begin::Ready,
    told: &mut Option<fs::File>,
    log: &mut Option<launch::log::Log>,
) -> Result<u8, LifeError> {
    let folder = runtime::Folder::make(life.id.as_str())?;
    let signals = Signals::take().map_err(|error| LifeError::Machine("take signals", error))?;
    let (streams, socket, ends) = begin::streams(ready.spec.process.terminal, manner.input)?;
    let started = begin::start(life.root, life.id, ready, streams, &folder)?;
    started.warnings.iter().for_each(|warning| (life.warn)(warning));
    if let Some(mut told) = told.take() {
        let _ = told.write_all(RUNS.as_bytes());
    }
    let _raw = Raw::enter(manner.input && ready.spec.process.terminal);
    let ends = match socket {
        Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
        None => ends,
    };
    let attendance = Attendance {
        root: life.root,
        id: life.id,
        manner,
        connected: network::is_wanted(&ready.inspect),
        signals: &signals,
    };
    attend::to_the_end(&attendance, started, ends, log)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// The person's own terminal in raw mode, as long as this lives.
pub struct Raw(Option<rustix::termios::Termios>);

impl Raw {
    /// Enters it where `wanted` and stdin is a terminal.
    pub fn enter(wanted: bool) -> Raw {
        let stdin = rustix::stdio::stdin();
        let before =
            (wanted && rustix::termios::isatty(stdin)).then(|| rustix::termios::tcgetattr(stdin).ok()).flatten();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = rustix::termios::tcsetattr(stdin.as_fd(), rustix::termios::OptionalActions::Now, &raw);
        }
        Raw(before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), rustix::termios::OptionalActions::Flush, before);
        }
    }
}
