//! Does what the plan says.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use cli::Outcome;
use hostfs::Wait;
use launch::cgroup::HeadStart;
use launch::relay::{Ends, Manner, Signals};
use lifecycle::create::{self, Wanted};
use lifecycle::keys::Keys;
use lifecycle::live::{self, Life, Raw};
use lifecycle::{LifeError, begin, network, runtime};
use serde_json::json;

use crate::args::Args;
use crate::plan::{self, Plan, Subject};
use crate::{bundle, flags, handover};

/// Runs the container: kept on the data root, or leaving nothing there.
pub fn run(args: &Args, plan: Plan, head_start: &HeadStart) -> Result<Outcome> {
    if let Some(folder) = &args.bundle {
        return bundle::write(&plan, folder);
    }
    if !plan.kept {
        return leaving_nothing(args, plan, head_start);
    }
    // Beside the process that stays nobody hears; what it would say is said here.
    let unheard = if args.life.detach { &plan.notes } else { &plan.typed };
    unheard.iter().for_each(|note| warn(note));
    let root = plan.root;
    let keys = Keys::parse(args.process.detach_keys.as_deref().unwrap_or_default()).map_err(anyhow::Error::msg)?;
    let id = match &plan.subject {
        Subject::Old(container) => container.id.clone(),
        Subject::New(image) => {
            let wanted = Wanted { image, inspect: &plan.inspect, id: &plan.id, name: plan.name.as_deref() };
            let mut say =
                |holder: &hostfs::Holder| cli::note(&format!("waiting for another writer of the data root ({holder})"));
            let wait = if args.no_wait { Wait::No } else { Wait::Yes(&mut say) };
            match create::create(&root, &plan.host, &wanted, wait) {
                Ok(_) => plan.id.clone(),
                Err(error) => return refused(error),
            }
        }
    };
    write_id(args, &id)?;
    let [input, stdout, stderr] = flags::attached(args)?;
    if !args.life.detach && !stdout && !stderr {
        writeln!(cli::stdout(), "{id}")?;
    }
    let life = Life {
        root: &root,
        id: &id,
        input,
        signals: args.process.sig_proxy,
        remove: args.life.rm,
        keys,
        warn: &warn,
        head_start: Some(head_start),
    };
    if !args.life.detach {
        only_what_is_attached(args)?;
        return match live::attended(&life) {
            Ok(status) => Ok(Outcome::done().with_status(status)),
            Err(error) => refused(error),
        };
    }
    match live::detached(&life) {
        Ok(()) => {
            writeln!(cli::stdout(), "{id}")?;
            Ok(Outcome::done())
        }
        Err(error) => refused(error),
    }
}

fn write_id(args: &Args, id: &model::Id) -> Result<()> {
    match &args.life.cidfile {
        Some(file) => fs::write(file, id.as_str()).with_context(|| format!("cannot write '{}'", file.display())),
        None => Ok(()),
    }
}

/// Lets go of stdout and stderr where `--attach` names the others only. Without both, docker prints the id.
fn only_what_is_attached(args: &Args) -> Result<()> {
    let [_, stdout, stderr] = flags::attached(args)?;
    let null = fs::OpenOptions::new().write(true).open("/dev/null").context("cannot open '/dev/null'")?;
    if !stdout {
        rustix::stdio::dup2_stdout(&null).context("cannot let go of stdout")?;
    }
    if !stderr {
        rustix::stdio::dup2_stderr(&null).context("cannot let go of stderr")?;
    }
    Ok(())
}

// Leaving nothing -----------------------------------------------------------------------------------------------------

fn leaving_nothing(args: &Args, plan: Plan, head_start: &HeadStart) -> Result<Outcome> {
    plan.notes.iter().for_each(|note| warn(note));
    write_id(args, &plan.id)?;
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
    if plan.write_out {
        findings.extend(write_out(&plan.host, &plan.rootfs, &folder.path().join("written"))?);
    }
    let networks = network::of_host(&plan.host);
    let signals = Signals::take().context("cannot take signals")?;
    let [input, _, _] = flags::attached(args)?;
    only_what_is_attached(args)?;
    let (streams, socket, ends) = begin::streams(plan.spec.process.terminal, input)?;
    let mut connected = false;
    folder.remember(json!({ "cgroup-parent": plan.spec.cgroup_parent }))?;
    let connect = |pid| {
        folder.remember_process(pid)?;
        let made = begin::connect(&plan.inspect, &networks, &plan.id, pid, folder.path(), &plan.links)?;
        made.warnings.iter().for_each(|warning| warn(warning));
        connected = network::is_wanted(&plan.inspect);
        Ok(())
    };
    let started = match plan::handed_to(args) {
        Some(runtime) => handover::start(runtime, &plan.spec, streams, folder.path(), connect),
        None => launch::start(&plan.spec, streams, folder.path(), folder.lock(), connect).map_err(LifeError::from),
    };
    let started = match started {
        Ok(started) => started,
        Err(error) => {
            // It was connected before its program was tried.
            if connected {
                network::disconnect(&plan.id)?;
            }
            return refused(error);
        }
    };
    head_start.is_over();
    started.warnings.iter().for_each(|warning| warn(warning));
    let raw = Raw::enter(input && plan.spec.process.terminal);
    let ends = match socket {
        Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
        None => ends,
    };
    let manner = Manner { input, output: true, signals: args.process.sig_proxy };
    let status =
        launch::relay::attend(&started.handle, ends, manner, &signals).context("cannot follow the container")?;
    drop(raw);
    if let Some(runtime) = plan::handed_to(args) {
        handover::forget(runtime, &plan.spec.id, folder.path());
    }
    started.cgroup.remove();
    if connected {
        network::disconnect(&plan.id)?;
    }
    Ok(Outcome::from(findings).with_status(status))
}

/// Writes the merged tree out, for layers that the kernel cannot join.
pub fn write_out(host: &host::Host, rootfs: &model::Rootfs, to: &Path) -> Result<Vec<model::Finding>> {
    fs::create_dir(to).with_context(|| format!("cannot make '{}'", to.display()))?;
    let mut tree = storage::open(host.root(), rootfs)?;
    let mut folder = storage::Folder::open(to).with_context(|| format!("cannot open '{}'", to.display()))?;
    let poured = storage::pour(&mut tree, &mut folder, |_| ())
        .map_err(anyhow::Error::from_boxed)
        .context("cannot write the container's files out")?;
    Ok(poured.findings)
}

// Towards the person --------------------------------------------------------------------------------------------------

/// A container that was not started, in docker's words and with docker's status.
fn refused(error: LifeError) -> Result<Outcome> {
    let status = error.status();
    Ok(Outcome::not_done(anyhow::Error::new(error)).with_status(status))
}

pub fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "WARNING: {}", model::path::shown(text.as_bytes()));
}
