//! Ends and halts a container: signals to its first process, and what a person did in its record.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use host::Host;
use model::{Container, Id};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use crate::talk::Word;
use crate::{LifeError, begin, client, events, runtime, sweep};

/// A living container's first process.
pub struct Living {
    /// Its number on this machine.
    pub pid: i32,
    handle: OwnedFd,
    /// The container's record.
    pub record: Value,
}

/// A container by its name, once what was left on this machine is swept, and its first process where it runs. `say` hears of
/// what was swept. This process must have one thread.
pub fn named(root: &Path, name: &str, say: &dyn Fn(&str)) -> Result<(Host, Container, Option<Living>), LifeError> {
    sweep::all(say);
    let host = Host::open(root)?;
    let (container, _) = host.container(name)?;
    let living = living(root, &container.id)?;
    Ok((host, container, living))
}

/// The living process of a container of the root; `None` where it does not run.
pub fn living(root: &Path, id: &Id) -> Result<Option<Living>, LifeError> {
    let record = begin::raw(&root.join("containers").join(id.as_str()))?;
    let Some(pid) = runtime::living(&record) else { return Ok(None) };
    let Some(number) = Pid::from_raw(pid) else { return Ok(None) };
    match pidfd_open(number, PidfdFlags::empty()) {
        Ok(handle) => Ok(Some(Living { pid, handle, record })),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(errno) => Err(LifeError::Machine("open the container's process", errno.into())),
    }
}

impl Living {
    /// Whether it is halted, by its record.
    pub fn is_halted(&self) -> bool {
        self.record["State"]["Paused"] == true
    }

    /// Sends it a signal; one that has just ended needs none.
    pub fn signal(&self, number: i32) -> Result<(), LifeError> {
        let signal = Signal::from_named_raw(number)
            .ok_or(LifeError::Machine("send that signal", std::io::ErrorKind::InvalidInput.into()))?;
        match pidfd_send_signal(&self.handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(LifeError::Machine("send a signal", errno.into())),
        }
    }

    /// Waits for its end, at most this long; for ever where `None`. Returns whether it came.
    pub fn wait(&self, most: Option<Duration>) -> Result<bool, LifeError> {
        let until = most.map(|most| Instant::now() + most);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
            match poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], left.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(LifeError::Machine("wait for the container", errno.into())),
            }
        }
    }
}

/// Asks a container to end by its own signal, and after `most` makes it. One that does not run is none to end.
/// `again` says that it is started again by the caller, so that one of `--rm` stays.
pub fn stop(root: &Path, id: &Id, signal: Option<i32>, most: Option<Duration>, again: bool) -> Result<(), LifeError> {
    begin::update(root, id, |record| record["HasBeenManuallyStopped"] = true.into())?;
    let attended = client::tell(id, Word::Enough { keep: again });
    let Some(living) = living(root, id)? else {
        // Between two runs of one that is started again and again.
        return if attended { recorded(root, id, sweep::UNSEEN) } else { Ok(()) };
    };
    let config = &living.record["Config"];
    let own = config["StopSignal"].as_str().and_then(launch::docker::signal).unwrap_or(libc_term());
    let patience = config["StopTimeout"].as_i64().unwrap_or(10);
    let number = signal.unwrap_or(own);
    events::tell(root, &living.record, "kill", &[("signal", number.to_string())]);
    living.signal(number)?;
    thaw(root, id, &living)?;
    // A negative time is without end, as docker has it since 20.10.
    let most = most.or(u64::try_from(patience).ok().map(Duration::from_secs));
    let mut status = sweep::UNSEEN;
    if !living.wait(most)? {
        status = 137;
        events::tell(root, &living.record, "kill", &[("signal", "9".to_string())]);
        living.signal(Signal::KILL.as_raw())?;
        living.wait(None)?;
    }
    recorded(root, id, status)?;
    events::tell(root, &living.record, "stop", &[]);
    Ok(())
}

/// Sends a signal. One that docker takes for the end of a container ends its restarts too: every one, unless the container
/// names its own signal (moby v20.10.24 daemon/kill.go killWithSignal).
pub fn kill(root: &Path, id: &Id, living: &Living, number: i32) -> Result<(), LifeError> {
    let own = living.record["Config"]["StopSignal"].as_str().and_then(launch::docker::signal);
    let is_end = number == Signal::KILL.as_raw() || own.is_none_or(|own| own == number);
    if is_end {
        begin::update(root, id, |record| record["HasBeenManuallyStopped"] = true.into())?;
    }
    events::tell(root, &living.record, "kill", &[("signal", number.to_string())]);
    living.signal(number)?;
    if is_end {
        thaw(root, id, living)?;
    }
    if number == Signal::KILL.as_raw() {
        living.wait(None)?;
        recorded(root, id, 137)?;
    }
    Ok(())
}

fn libc_term() -> i32 {
    Signal::TERM.as_raw()
}

/// The processes that share a process's namespace of processes, unless that is this process's own.
pub fn beside(pid: i32) -> Vec<i32> {
    use std::os::unix::fs::MetadataExt;
    let number = |pid: &str| std::fs::metadata(format!("/proc/{pid}/ns/pid")).ok().map(|stat| stat.ino());
    let Some(wanted) = number(&pid.to_string()).filter(|wanted| Some(*wanted) != number("self")) else {
        return Vec::new();
    };
    let listed = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = listed.filter_map(|entry| entry.file_name().into_string().ok()?.parse::<i32>().ok());
    pids.filter(|pid| number(&pid.to_string()) == Some(wanted)).collect()
}

/// Lets a halted container go on, so that it can take a signal.
fn thaw(root: &Path, id: &Id, living: &Living) -> Result<(), LifeError> {
    if living.is_halted() { freeze(root, id, false).map(drop) } else { Ok(()) }
}

/// Ends a container at once, which is then to be removed. One that does not run is none to end.
pub fn finish(root: &Path, id: &Id) -> Result<(), LifeError> {
    let attended = client::tell(id, Word::Enough { keep: true });
    match living(root, id)? {
        Some(living) => kill(root, id, &living, Signal::KILL.as_raw()),
        None if attended => recorded(root, id, sweep::UNSEEN),
        None => Ok(()),
    }
}

/// Waits until the process beside a container has written its end, which takes it some instants. Where that process is
/// gone, sweeps what it left and writes the end itself, with `status`.
pub fn recorded(root: &Path, id: &Id, status: u8) -> Result<(), LifeError> {
    let folder = root.join("containers").join(id.as_str());
    let is_over = || -> Result<bool, LifeError> {
        // With --rm the record goes too.
        Ok(!folder.exists() || !begin::raw(&folder)?["State"]["Running"].as_bool().unwrap_or(false))
    };
    for _ in 0..500 {
        if is_over()? && !runtime::is_attended(id) {
            return Ok(());
        }
        if !runtime::is_attended(id) {
            sweep::one(id.as_str(), status, &|_| ());
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if is_over()? {
        return Ok(());
    }
    begin::update(root, id, |record| crate::record::ended(record, status, false, launch::now()))
}

/// Halts every process of a container, or lets them go on, and says so in its record. Returns false where this machine has
/// no freezer.
pub fn freeze(root: &Path, id: &Id, frozen: bool) -> Result<bool, LifeError> {
    let record = begin::raw(&root.join("containers").join(id.as_str()))?;
    let host = begin::host_config(root, id);
    let cgroup = launch::cgroup::Cgroup::of(id.as_str(), host["CgroupParent"].as_str().unwrap_or_default());
    let done = cgroup.freeze(frozen).map_err(launch::StartError::from)?;
    if done {
        begin::update(root, id, |record| record["State"]["Paused"] = frozen.into())?;
        events::tell(root, &record, if frozen { "pause" } else { "unpause" }, &[]);
    }
    Ok(done)
}
