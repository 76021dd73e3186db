//! Does what the plan says.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use cli::Outcome;
use hostfs::Wait;
use launch::relay::{Ends, Manner, Signals};
use launch::sys::{self, Cloned};
use lifecycle::attend::{self, Attendance, Restarts};
use lifecycle::create::{self, Wanted};
use lifecycle::{LifeError, begin, runtime};
use model::Id;

use crate::args::Args;
use crate::plan::{Plan, Subject};

/// Runs the container: kept on the data root, or leaving nothing there.
pub fn run(args: &Args, plan: Plan) -> Result<Outcome> {
    if !plan.kept {
        return leaving_nothing(args, plan);
    }
    let root = args.root.path();
    let id = match &plan.subject {
        Subject::Old(container) => container.id.clone(),
        Subject::New(image) => {
            let wanted = Wanted { image, inspect: &plan.inspect, id: &plan.id, name: args.name.as_deref() };
            let mut say = |holder: &hostfs::Holder| cli::note(&format!("waiting for another writer of the data root ({holder})"));
            let wait = if args.no_wait { Wait::No } else { Wait::Yes(&mut say) };
            match create::create(&root, &plan.host, &wanted, wait) {
                Ok(_) => plan.id.clone(),
                Err(error) => return refused(error),
            }
        }
    };
    if let Some(file) = &args.cidfile {
        fs::write(file, id.as_str()).with_context(|| format!("cannot write '{}'", file.display()))?;
    }
    if args.detach { detached(args, &root, &id) } else { attended(args, &root, &id, None) }
}

// Kept ----------------------------------------------------------------------------------------------------------------

/// Attends the container to its end. `told` hears when it runs; without it a person sits here.
fn attended(args: &Args, root: &Path, id: &Id, mut told: Option<fs::File>) -> Result<Outcome> {
    let manner = Manner { input: args.interactive && told.is_none(), output: told.is_none(), signals: args.sig_proxy && told.is_none() };
    let outcome = live(args, root, id, manner, &mut told);
    if args.rm {
        let mut writer = layout::docker_content::write::Writer::open(root, Wait::Yes(&mut |_| ()))?;
        writer.remove_container(id.as_str(), true)?;
    }
    match outcome {
        Ok(status) => Ok(Outcome::done().with_status(status)),
        Err(error) => {
            if let Some(told) = &mut told {
                let _ = told.write_all(format!("{} {}", error.status(), chain(&error)).as_bytes());
            }
            refused(error)
        }
    }
}

fn live(args: &Args, root: &Path, id: &Id, manner: Manner, told: &mut Option<fs::File>) -> Result<u8, LifeError> {
    let host = host::Host::open(root).map_err(|error| LifeError::Files(error.into()))?;
    let (container, _) = host.container(id.as_str()).map_err(|error| LifeError::Files(error.into()))?;
    let ready = begin::ready(root, &host, &container)?;
    ready.notes.iter().for_each(|note| warn(note));
    let own = root.join("containers").join(id.as_str());
    let (inspect, _) = layout::inspect_container(host.root(), host.stores(), &container);
    drop(host);
    let mut restarts = Restarts::of(&inspect["HostConfig"]);
    let mut log = attend::open_log(&own, &inspect["HostConfig"], id)?;
    loop {
        let folder = runtime::Folder::make(id.as_str())?;
        let signals = Signals::take().map_err(|error| LifeError::Machine("take signals", error))?;
        let (streams, socket, ends) = begin::streams(ready.spec.process.terminal, manner.input)?;
        let since = Instant::now();
        let started = begin::start(root, id, &ready.spec, streams, &folder)?;
        started.warnings.iter().for_each(|warning| warn(warning));
        if let Some(mut told) = told.take() {
            let _ = told.write_all(b"ok");
        }
        let raw = Raw::enter(manner.input && ready.spec.process.terminal);
        let ends = match socket {
            Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
            None => ends,
        };
        let attendance = Attendance { root, id, spec: &ready.spec, manner, signals: &signals, folder: &folder };
        let status = attend::to_the_end(&attendance, started, ends, &mut log)?;
        drop(raw);
        let stopped = begin::raw(&own).is_ok_and(|record| record["HasBeenManuallyStopped"].as_bool().unwrap_or(false));
        match restarts.next(since, status, stopped) {
            Some(pause) if !args.rm => {
                let count = restarts.count();
                begin::update(root, id, |record| {
                    record["State"]["Restarting"] = true.into();
                    record["State"]["Running"] = true.into();
                    record["RestartCount"] = count.into();
                })?;
                std::thread::sleep(pause);
            }
            _ => return Ok(status),
        }
    }
}

/// Leaves the container with a process of ours that stays; prints its id once its program runs.
fn detached(args: &Args, root: &Path, id: &Id) -> Result<Outcome> {
    let (heard, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    match sys::clone(0, None).context("cannot start a process")? {
        Cloned::Child => {
            drop(heard);
            let status = stay(args, root, id, tell.into());
            sys::exit_now(status)
        }
        Cloned::Parent { .. } => {
            drop(tell);
            let mut word = String::new();
            fs::File::from(heard).read_to_string(&mut word).context("cannot hear of the container")?;
            if word == "ok" {
                let mut out = cli::stdout();
                writeln!(out, "{id}")?;
                out.flush()?;
                return Ok(Outcome::done());
            }
            let (status, why) = word.split_once(' ').unwrap_or(("125", "the container's own process ended before it ran"));
            Ok(Outcome::not_done(anyhow::anyhow!("{why}")).with_status(status.parse().unwrap_or(125)))
        }
    }
}

/// The process that stays: its own session, no terminal, nothing of whoever started it.
fn stay(args: &Args, root: &Path, id: &Id, told: fs::File) -> i32 {
    let _ = rustix::process::setsid();
    if let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null).and_then(|()| rustix::stdio::dup2_stdout(&null)).and_then(|()| rustix::stdio::dup2_stderr(&null));
    }
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let _ = std::env::set_current_dir("/");
    match attended(args, &root, id, Some(told)) {
        Ok(_) => 0,
        Err(_) => 125,
    }
}

// Leaving nothing -----------------------------------------------------------------------------------------------------

fn leaving_nothing(args: &Args, plan: Plan) -> Result<Outcome> {
    plan.notes.iter().for_each(|note| warn(note));
    let folder = runtime::Folder::make(plan.id.as_str())?;
    for (name, text) in &plan.etc {
        folder.write(name, text)?;
    }
    if let Some(rw) = &args.rw {
        for dir in [rw.join("diff"), rw.join("work")] {
            fs::create_dir_all(&dir).with_context(|| format!("cannot make '{}'", dir.display()))?;
        }
    }
    let mut findings = plan.findings;
    if let Some(rootfs) = &plan.write_out {
        findings.extend(write_out(&plan.host, rootfs, &folder.path().join("written"))?);
    }
    let signals = Signals::take().context("cannot take signals")?;
    let (streams, socket, ends) = begin::streams(plan.spec.process.terminal, args.interactive)?;
    let started = match launch::start(&plan.spec, streams, folder.path(), |_| Ok(())) {
        Ok(started) => started,
        Err(error) => return refused(error.into()),
    };
    started.warnings.iter().for_each(|warning| warn(warning));
    let raw = Raw::enter(args.interactive && plan.spec.process.terminal);
    let ends = match socket {
        Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
        None => ends,
    };
    let manner = Manner { input: args.interactive, output: true, signals: args.sig_proxy };
    let status = launch::relay::attend(&started.handle, ends, manner, &signals, &mut None).context("cannot follow the container")?;
    drop(raw);
    started.cgroup.remove();
    Ok(Outcome::from(findings).with_status(status))
}

/// Writes the merged tree out, for layers that the kernel cannot join.
fn write_out(host: &host::Host, rootfs: &model::Rootfs, to: &Path) -> Result<Vec<model::Finding>> {
    fs::create_dir(to).with_context(|| format!("cannot make '{}'", to.display()))?;
    let mut tree = storage::open(host.root(), rootfs)?;
    let mut folder = storage::Folder::open(to).with_context(|| format!("cannot open '{}'", to.display()))?;
    let poured = storage::pour(&mut tree, &mut folder, |_| ()).map_err(anyhow::Error::from_boxed).context("cannot write the container's files out")?;
    Ok(poured.findings)
}

// Towards the person --------------------------------------------------------------------------------------------------

/// A container that was not started, in docker's words and with docker's status.
fn refused(error: LifeError) -> Result<Outcome> {
    let status = error.status();
    Ok(Outcome::not_done(anyhow::Error::new(error)).with_status(status))
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "WARNING: {}", model::path::shown(text.as_bytes()));
}

/// Our own terminal in raw mode, as long as this lives.
struct Raw(Option<rustix::termios::Termios>);

impl Raw {
    fn enter(wanted: bool) -> Raw {
        let stdin = rustix::stdio::stdin();
        let before = (wanted && rustix::termios::isatty(stdin)).then(|| rustix::termios::tcgetattr(stdin).ok()).flatten();
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
