//! Ends and halts a container: signals to its first process, and what a person did in its record.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use model::Id;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use crate::{LifeError, begin, runtime};

/// A living container's first process.
pub struct Living {
    /// Its number on this machine.
    pub pid: i32,
    handle: OwnedFd,
    /// The container's record.
    pub record: Value,
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
pub fn stop(root: &Path, id: &Id, signal: Option<i32>, most: Option<Duration>) -> Result<(), LifeError> {
    begin::update(root, id, |record| record["HasBeenManuallyStopped"] = true.into())?;
    let Some(living) = living(root, id)? else { return Ok(()) };
    let config = &living.record["Config"];
    let own = config["StopSignal"].as_str().and_then(launch::docker::signal).unwrap_or(libc_term());
    let patience = config["StopTimeout"].as_u64().unwrap_or(10);
    living.signal(signal.unwrap_or(own))?;
    if !living.wait(Some(most.unwrap_or(Duration::from_secs(patience))))? {
        living.signal(Signal::KILL.as_raw())?;
        living.wait(None)?;
    }
    recorded(root, id)
}

fn libc_term() -> i32 {
    Signal::TERM.as_raw()
}

/// Waits until the process beside a container has written its end, which takes it some instants. Where that process is
/// gone, writes the end itself, without an exit status that nobody saw.
pub fn recorded(root: &Path, id: &Id) -> Result<(), LifeError> {
    let folder = root.join("containers").join(id.as_str());
    for _ in 0..100 {
        // With --rm the record goes too.
        if !folder.exists() || !begin::raw(&folder)?["State"]["Running"].as_bool().unwrap_or(false) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    begin::update(root, id, |record| crate::record::ended(record, 137, false, launch::log::now()))
}

/// Halts every process of a container, or lets them go on, and says so in its record. Returns false where this machine has
/// no freezer.
pub fn freeze(root: &Path, id: &Id, frozen: bool) -> Result<bool, LifeError> {
    let record = begin::raw(&root.join("containers").join(id.as_str()))?;
    let cgroup =
        launch::cgroup::Cgroup::of(id.as_str(), record["HostConfig"]["CgroupParent"].as_str().unwrap_or_default());
    let done = cgroup.freeze(frozen).map_err(launch::StartError::from)?;
    if done {
        begin::update(root, id, |record| record["State"]["Paused"] = frozen.into())?;
    }
    Ok(done)
}
