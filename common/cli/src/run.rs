//! How a program starts and ends.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::{Findings, message, spec, spelling, usage};

/// Runs a program whose arguments are `A`: parses them, does `work`, says what went wrong, and gives the exit status.
///
/// 0 done; 1 not done; 2 wrong usage; 3 done, with findings. A closed stdout is no error. `work` is not called where the
/// command line is wrong or asks for help.
pub fn run<A: CommandFactory + FromArgMatches>(
    name: &'static str,
    work: impl FnOnce(A) -> anyhow::Result<Outcome>,
) -> ExitCode {
    Program::new(name).run(work)
}

/// A program with what differs from the rule of [`run`].
#[derive(Clone, Copy, Debug)]
pub struct Program {
    name: &'static str,
    not_done: u8,
    wrong_usage: u8,
    old: &'static [(&'static str, &'static str)],
}

impl Program {
    /// A program of that name, with the exit statuses of [`run`].
    pub const fn new(name: &'static str) -> Program {
        Program { name, not_done: 1, wrong_usage: 2, old: &[] }
    }

    /// Other exit statuses for "not done" and "wrong usage"; docker's `run` has 125 for both.
    pub const fn statuses(self, not_done: u8, wrong_usage: u8) -> Program {
        Program { not_done, wrong_usage, ..self }
    }

    /// Docker 0.x's one-dash long flags that this program takes, each with today's long name: `("notrunc", "no-trunc")`.
    pub const fn old_flags(self, old: &'static [(&'static str, &'static str)]) -> Program {
        Program { old, ..self }
    }

    /// Runs the program; see [`run`].
    pub fn run<A: CommandFactory + FromArgMatches>(self, work: impl FnOnce(A) -> anyhow::Result<Outcome>) -> ExitCode {
        message::set_program(self.name);
        crate::root_arg::is_superuser();
        let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
        let mut command = usage::command::<A>(self.name);
        if args.first().is_some_and(|arg| arg == spec::FLAG) {
            return self.end(spec::answer(&command, &args[1..]).map(|()| Outcome::done()));
        }
        for note in spelling::modernise(&command, self.old, &mut args) {
            message::note(&note);
        }
        args.insert(0, self.name.into());
        let parsed = command.try_get_matches_from_mut(args).and_then(|matches| A::from_arg_matches(&matches));
        match parsed {
            Ok(args) => self.end(work(args)),
            Err(error) => usage::answer(self.name, &error, self.wrong_usage),
        }
    }

    fn end(&self, result: anyhow::Result<Outcome>) -> ExitCode {
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => Outcome::not_done(error),
        };
        if outcome.failures.iter().any(is_closed_stdout) {
            return ExitCode::SUCCESS;
        }
        outcome.findings.say();
        for failure in &outcome.failures {
            message::failure(failure);
        }
        let is_wrong_usage =
            outcome.failures.iter().any(|failure| failure.chain().any(|cause| cause.is::<usage::WrongUsage>()));
        ExitCode::from(outcome.status.unwrap_or(match (outcome.failures.is_empty(), outcome.findings.is_empty()) {
            (false, _) if is_wrong_usage => self.wrong_usage,
            (false, _) => self.not_done,
            (true, false) => 3,
            (true, true) => 0,
        }))
    }
}

/// How a program ended: with findings or none, and with what could not be done for some of the names it was given.
#[derive(Debug, Default)]
pub struct Outcome {
    findings: Findings,
    failures: Vec<anyhow::Error>,
    status: Option<u8>,
}

impl Outcome {
    /// All was done.
    pub fn done() -> Outcome {
        Outcome::default()
    }

    /// This much was not done; the program exits 1.
    pub fn not_done(error: anyhow::Error) -> Outcome {
        Outcome { failures: vec![error], ..Outcome::default() }
    }

    /// Adds findings: the program says them and exits 3.
    pub fn and_findings(mut self, findings: impl Into<Findings>) -> Outcome {
        self.findings.extend(findings.into());
        self
    }

    /// Adds errors, each about one of the names given: the others were answered, the program says these and exits 1.
    pub fn and_failures(mut self, failures: impl IntoIterator<Item = anyhow::Error>) -> Outcome {
        self.failures.extend(failures);
        self
    }

    /// Sets the exit status outright, such as that of the command that `run` ran.
    pub fn with_status(mut self, status: u8) -> Outcome {
        self.status = Some(status);
        self
    }
}

impl From<Findings> for Outcome {
    fn from(findings: Findings) -> Outcome {
        Outcome::done().and_findings(findings)
    }
}

impl From<Vec<model::Finding>> for Outcome {
    fn from(findings: Vec<model::Finding>) -> Outcome {
        Outcome::done().and_findings(findings)
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Outcome {
        Outcome::done()
    }
}

/// Whether an error is only that the reader of our stdout has gone. A broken pipe elsewhere, such as to a child
/// process, stays an error: hence the look at stdout itself.
fn is_closed_stdout(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken) && stdout_has_no_reader()
}

fn stdout_has_no_reader() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
