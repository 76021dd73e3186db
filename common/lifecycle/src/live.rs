//! One life of a container of the root, with whoever attends it: a person here, or a process of ours that stays.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use host::Host;
use launch::cgroup::HeadStart;
use launch::relay::{Manner, Signals};
use launch::sys::{self, Cloned};
use model::Id;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

use crate::attend::{ALONE, Attendance};
use crate::client::{self, Attached, Parted};
use crate::end::Living;
use crate::error::at;
use crate::keys::Keys;
use crate::runtime::{self, Left};
use crate::{LifeError, begin, events, sweep};

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
    /// Whether it is removed at its end, with its anonymous volumes. So is one whose record says so.
    pub remove: bool,
    /// Keys that leave it running, where it has a terminal and stdin goes to it.
    pub keys: Keys,
    /// Hears what cannot be done as asked or could not be read, one line each.
    pub warn: &'a dyn Fn(&str),
    /// What has the kernel get ready for the container's move into its cgroups, where it was begun.
    pub head_start: Option<&'a HeadStart>,
}

/// Starts it and stays here until it has ended for good, or the person left it. Returns docker's exit status.
pub fn attended(life: &Life) -> Result<u8, LifeError> {
    let ready = prepare(life)?;
    events::tell(life.root, &ready.inspect, "attach", &[]);
    if ready.spec.process.terminal && life.input {
        return through_a_terminal(life, ready);
    }
    let manner = Manner { input: life.input, output: true, signals: life.signals };
    let mut attendance = Attendance::new(life, ready)?;
    attendance.is_waited_for = true;
    let over = attendance.until_its_end(manner, &mut Told::nobody(life.warn));
    cleared(&mut attendance)?;
    over
}

/// Stays with a container that runs, until it has ended or the person left it; somebody else attends it.
pub fn joined(life: &Life, living: &Living) -> Result<Parted, LifeError> {
    let config = &living.record["Config"];
    let (terminal, input) = (config["Tty"] == true, life.input && config["OpenStdin"] == true);
    let socket = client::call(life.id).ok_or(LifeError::Unattended)?;
    events::tell(life.root, &living.record, "attach", &[]);
    let signals = Signals::take().map_err(|error| LifeError::Machine("take signals", error))?;
    // With a terminal its keys are input, and signals from elsewhere are for us (docker/cli attach.go).
    let proxy = (life.signals && !terminal).then_some(living);
    let mut attached = Attached { input, terminal, keys: life.keys.clone(), proxy };
    let raw = Raw::enter(terminal && input);
    let parted = client::stay(&socket, &mut attached, &signals);
    drop(raw);
    parted.map_err(|error| LifeError::Machine("follow the container", error))
}

/// Starts it and leaves it with a process of ours that stays. Returns once its program runs, or could not be run.
pub fn detached(life: &Life) -> Result<(), LifeError> {
    let ready = prepare(life)?;
    leave_with_a_process(life, ready, None)
}

/// A person who may leave needs another process that stays: the one here only passes on.
fn through_a_terminal(life: &Life, ready: begin::Ready) -> Result<u8, LifeError> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.map_err(|errno| LifeError::Machine("make a socket", errno.into()))?;
    leave_with_a_process(life, ready, Some(theirs))?;
    let signals = Signals::take().map_err(|error| LifeError::Machine("take signals", error))?;
    // Docker passes no signals on where there is a terminal: its keys come through as input.
    let mut attached = Attached { input: true, terminal: true, keys: life.keys.clone(), proxy: None };
    let raw = Raw::enter(true);
    let parted = client::stay(&ours, &mut attached, &signals);
    drop(raw);
    match parted.map_err(|error| LifeError::Machine("follow the container", error))? {
        Parted::Exited(status) => Ok(status),
        Parted::Detached => Ok(0),
        Parted::Signalled(number) => Ok(128 + number),
        Parted::Lost => Err(LifeError::Told { status: 125, why: "the process beside the container was killed".into() }),
    }
}

/// Reads all that is needed, with nothing written and nobody started; what was left behind by others goes first.
fn prepare(life: &Life) -> Result<begin::Ready, LifeError> {
    sweep::all(life.warn);
    read(life)
}

fn read(life: &Life) -> Result<begin::Ready, LifeError> {
    let files = |error: Box<dyn std::error::Error + Send + Sync>| LifeError::Files(error);
    // A process that stays leaves the folder that the root may be named from.
    let root = life.root.canonicalize().map_err(at("open", life.root))?;
    let host = Host::open(&root).map_err(|error| files(error.into()))?;
    let (container, _) = host.container(life.id.as_str()).map_err(|error| files(error.into()))?;
    let ready = begin::ready(&root, &host, &container)?;
    ready.notes.iter().for_each(|note| (life.warn)(note));
    ready.findings.iter().for_each(|finding| (life.warn)(&finding.to_string()));
    Ok(ready)
}

fn leave_with_a_process(life: &Life, ready: begin::Ready, person: Option<OwnedFd>) -> Result<(), LifeError> {
    let machine = |errno: rustix::io::Errno| LifeError::Machine("make a pipe", errno.into());
    let (heard, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(machine)?;
    match sys::clone(0, None).map_err(|error| LifeError::Machine("start a process", error))? {
        Cloned::Child => {
            drop(heard);
            stay(life, ready, person, tell.into());
            sys::exit_now(0)
        }
        Cloned::Parent { .. } => {
            drop((tell, ready, person));
            let mut word = String::new();
            fs::File::from(heard)
                .read_to_string(&mut word)
                .map_err(|error| LifeError::Machine("hear of the container", error))?;
            understood(life, serde_json::from_str(&word).unwrap_or_default())
        }
    }
}

/// What the process that stays said.
fn understood(life: &Life, word: Value) -> Result<(), LifeError> {
    for warning in word["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        (life.warn)(warning);
    }
    if word["runs"] == true {
        return Ok(());
    }
    let why = word["why"].as_str().unwrap_or("the process beside the container ended before it ran");
    let status = word["status"].as_u64().and_then(|status| u8::try_from(status).ok()).unwrap_or(125);
    Err(LifeError::Told { status, why: why.to_string() })
}

/// The process that stays: its own session, no terminal, nothing of whoever started it.
fn stay(life: &Life, ready: begin::Ready, person: Option<OwnedFd>, pipe: fs::File) {
    let root = life.root.canonicalize().unwrap_or_else(|_| life.root.to_path_buf());
    let own = Life { root: &root, warn: &|_| (), keys: Keys::default(), ..*life };
    let mut told = Told { pipe: Some(pipe), warnings: Vec::new(), warn: &|_| () };
    let alone = leave_the_person();
    let attendance = alone.and_then(|()| Attendance::new(&own, ready));
    let done = attendance.and_then(|mut attendance| {
        person.into_iter().for_each(|person| attendance.clients.add(person, true, true));
        let over = attendance.until_its_end(ALONE, &mut told);
        cleared(&mut attendance)?;
        over
    });
    // Once it ran, nobody listens any more; what went wrong later stands in the record.
    if let Err(error) = done {
        told.failed(&error);
    }
}

/// Whoever waits to hear that the program runs.
pub struct Told<'a> {
    pipe: Option<fs::File>,
    warnings: Vec<String>,
    warn: &'a dyn Fn(&str),
}

impl<'a> Told<'a> {
    /// The one who would hear is here.
    fn nobody(warn: &'a dyn Fn(&str)) -> Told<'a> {
        Told { pipe: None, warnings: Vec::new(), warn }
    }

    /// Keeps a warning for them.
    pub fn warn(&mut self, text: &str) {
        match self.pipe {
            Some(_) => self.warnings.push(text.to_string()),
            None => (self.warn)(text),
        }
    }

    /// Its program runs.
    pub fn runs(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(json!({ "runs": true, "warnings": self.warnings }).to_string().as_bytes());
            // Whatever was needed to get here is not needed to stay.
            sys::give_memory_back();
        }
    }

    fn failed(&mut self, error: &LifeError) {
        if let Some(mut pipe) = self.pipe.take() {
            let word = json!({ "status": error.status(), "why": chain(error), "warnings": self.warnings });
            let _ = pipe.write_all(word.to_string().as_bytes());
        }
    }
}

/// Begins a session of its own, with no terminal and nothing of whoever started this process.
pub fn leave_the_person() -> Result<(), LifeError> {
    userns::shared::stays(std::process::id())
        .map_err(|error| LifeError::Machine("leave word of this process", error))?;
    let machine = |errno: rustix::io::Errno| LifeError::Machine("leave the terminal", errno.into());
    rustix::process::setsid().map_err(machine)?;
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null").map_err(at("open", "/dev/null"))?;
    rustix::stdio::dup2_stdin(&null).map_err(machine)?;
    rustix::stdio::dup2_stdout(&null).map_err(machine)?;
    rustix::stdio::dup2_stderr(&null).map_err(machine)?;
    rustix::process::chdir("/").map_err(machine)
}

/// Removes a container that does not outlive its end and that is still there: one that never ran, or that was stopped
/// between two runs.
fn cleared(attendance: &mut Attendance) -> Result<(), LifeError> {
    if attendance.removes { attendance.remove() } else { Ok(()) }
}

// Taking over ---------------------------------------------------------------------------------------------------------

/// Gives a living container whose attending process was killed another one, which goes on from here: with the log where the
/// pipes can be found again, and with the exit status where the kernel tells it. Returns whether that one is there.
pub fn take_over(left: Left) -> Result<(), LifeError> {
    let machine = |error| LifeError::Machine("start a process", error);
    let (heard, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| LifeError::Machine("make a pipe", errno.into()))?;
    match sys::clone(0, None).map_err(machine)? {
        Cloned::Child => {
            // One more between: whoever called may live long, and does not wait for what it did not start.
            match sys::clone(0, None) {
                Ok(Cloned::Child) => go_on(left, tell.into()),
                _ => left.give(),
            }
            sys::exit_now(0)
        }
        Cloned::Parent { handle, .. } => {
            drop(tell);
            let _ = waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED);
            let mut word = String::new();
            let read = fs::File::from(heard).read_to_string(&mut word);
            left.give();
            read.map_err(|error| LifeError::Machine("hear of the container", error))?;
            let word: Value = serde_json::from_str(&word).unwrap_or_default();
            if word["runs"] == true {
                return Ok(());
            }
            let why = word["why"].as_str().unwrap_or("the process beside it ended").to_string();
            Err(LifeError::Told { status: 125, why })
        }
    }
}

/// The process that goes on.
fn go_on(left: Left, pipe: fs::File) {
    let mut told = Told { pipe: Some(pipe), warnings: Vec::new(), warn: &|_| () };
    let id = left.id.clone();
    let Some(root) = left.root.clone() else { return left.give() };
    let life = Life {
        root: &root,
        id: &id,
        input: false,
        signals: false,
        remove: false,
        keys: Keys::default(),
        warn: &|_| (),
        head_start: None,
    };
    let facts = left.facts.clone();
    let ready = leave_the_person().and_then(|()| read(&life)).and_then(|ready| {
        let record = begin::raw(&root.join("containers").join(id.as_str()))?;
        let pid = runtime::living(&record).ok_or_else(|| LifeError::NotRunning(id.to_string()))?;
        Ok((ready, pid))
    });
    let (ready, pid) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            left.give();
            return told.failed(&error);
        }
    };
    let folder = left.take();
    // The door of the one before.
    let _ = fs::remove_file(folder.path().join(runtime::DOOR));
    let done = Attendance::in_folder(&life, ready, folder).and_then(|mut attendance| {
        let over = attendance.taken_over(pid, &facts, &mut told);
        cleared(&mut attendance)?;
        over
    });
    if let Err(error) = done {
        told.failed(&error);
    }
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
