//! Does what the plan says: makes the runtime folder, starts the container, attends it, and clears up.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;

use anyhow::{Context, Result};
use cli::Outcome;
use launch::relay::{self, Ends, Manner, Signals};
use launch::{StartError, Streams};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::plan::Plan;

/// Runs the container in the foreground. Its exit status is ours.
pub fn run(plan: Plan) -> Result<Outcome> {
    for note in &plan.notes {
        warn(note);
    }
    let folder = Folder::make(&plan)?;
    let signals = Signals::take().context("cannot take signals")?;
    let (streams, socket, ends) = streams(&plan)?;
    let started = match launch::start(&plan.spec, streams, &folder.0, |_| Ok(())) {
        Ok(started) => started,
        Err(error) => return refused(error),
    };
    for warning in &started.warnings {
        warn(warning);
    }
    let raw = Raw::enter(&plan);
    let ends = match (socket, ends) {
        (Some(socket), _) => Ends::Terminal(receive(&socket)?),
        (None, ends) => ends,
    };
    let manner = Manner { input: plan.interactive, output: true, signals: plan.sig_proxy };
    let status = relay::attend(&started.handle, ends, manner, &signals, &mut None).context("lost the container")?;
    drop(raw);
    started.cgroup.remove();
    Ok(Outcome::from(plan.findings).with_status(status))
}

/// A container that did not start, in docker's words and with docker's status.
fn refused(error: StartError) -> Result<Outcome> {
    let status = error.status();
    Ok(Outcome::not_done(anyhow::Error::new(error)).with_status(status))
}

fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "WARNING: {}", model::path::shown(text.as_bytes()));
}

/// The folder in `/run` with what the container needs while it lives; gone afterwards.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make(plan: &Plan) -> Result<Folder> {
        let path = &plan.runtime;
        let made = || format!("cannot make '{}'", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path.join("root")).with_context(made)?;
        let folder = Folder(path.clone());
        for (name, text) in &plan.files {
            fs::write(path.join(name), text).with_context(made)?;
        }
        if let launch::spec::Changes::Layer(upper) = &plan.spec.root.changes {
            for dir in [&upper.diff, &upper.work] {
                fs::create_dir_all(dir).with_context(|| format!("cannot make '{}'", dir.display()))?;
            }
        }
        if let Some(file) = &plan.cidfile {
            fs::write(file, &plan.spec.id).with_context(|| format!("cannot write '{}'", file.display()))?;
        }
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The next sweep takes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The container's streams and our ends of them.
fn streams(plan: &Plan) -> Result<(Streams, Option<OwnedFd>, Ends)> {
    if plan.spec.process.terminal {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context("cannot make a socket")?;
        return Ok((
            Streams::Terminal { socket: theirs },
            Some(ours),
            Ends::Plain { stdin: None, stdout: None, stderr: None },
        ));
    }
    let pipe = || pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe");
    let (out, stdout) = pipe()?;
    let (err, stderr) = pipe()?;
    let (stdin, input) = match plan.interactive {
        true => pipe().map(|(theirs, ours)| (theirs, Some(ours)))?,
        false => (OwnedFd::from(fs::File::open("/dev/null")?), None),
    };
    let ends = Ends::Plain { stdin: input, stdout: Some(out), stderr: Some(err) };
    Ok((Streams::Plain { stdin, stdout, stderr }, None, ends))
}

/// Takes the other end of the container's terminal.
fn receive(socket: &OwnedFd) -> Result<OwnedFd> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0u8; 1];
    recvmsg(socket, &mut [std::io::IoSliceMut::new(&mut word)], &mut control, RecvFlags::CMSG_CLOEXEC)
        .context("cannot take the container's terminal")?;
    let handles = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(handles) => Some(handles),
        _ => None,
    });
    handles.flatten().next().context("the container sent no terminal")
}

/// Our own terminal in raw mode, as long as this lives.
struct Raw(Option<rustix::termios::Termios>);

impl Raw {
    fn enter(plan: &Plan) -> Raw {
        let stdin = rustix::stdio::stdin();
        let wanted = plan.spec.process.terminal && plan.interactive && rustix::termios::isatty(stdin);
        let before = wanted.then(|| rustix::termios::tcgetattr(stdin).ok()).flatten();
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
