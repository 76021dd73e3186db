//! Stays with a container until its end: log, streams, restarts, and the last word in its record.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hostfs::Wait;
use launch::Started;
use launch::cgroup::{Cgroup, HeadStart};
use launch::relay::{Ends, Manner, Signals};
use launch::spec::Namespace;
use launch::sys::{self, Cloned};
use logfile::write::Writer;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};

use crate::clients::{Clients, Wish};
use crate::error::{LifeError, at};
use crate::health::{Change, Health};
use crate::live::{self, Life, Told};
use crate::packer::Beside;
use crate::supervise::{self, Over, Run};
use crate::{begin, events, network, pipes, record, runtime};

/// A container and all that its attending process holds for it, from its first start to its end for good.
pub struct Attendance<'a> {
    life: &'a Life<'a>,
    /// What the container is.
    pub ready: begin::Ready,
    /// Those that are attached.
    pub clients: Clients,
    /// Whether the container goes at its end.
    pub removes: bool,
    /// Whether a person waits for its end here.
    pub is_waited_for: bool,
    /// Whether it is still connected after its end.
    parts: bool,
    /// `None` once another process has it.
    folder: Option<runtime::Folder>,
    log: Option<Writer>,
    health: Option<Health>,
    restarts: Restarts,
    /// Docker's `MountPoints` and `Networks` of this run, for its events.
    points: Value,
    networks: Value,
}

impl<'a> Attendance<'a> {
    /// Takes the container's folder in `/run`, and opens its door and its log.
    pub fn new(life: &'a Life<'a>, ready: begin::Ready) -> Result<Attendance<'a>, LifeError> {
        let folder = runtime::Folder::make(life.id.as_str())?;
        Attendance::in_folder(life, ready, folder)
    }

    /// As [`Attendance::new`], in a folder that is had already.
    pub fn in_folder(
        life: &'a Life<'a>,
        ready: begin::Ready,
        folder: runtime::Folder,
    ) -> Result<Attendance<'a>, LifeError> {
        let door = folder.path().join(runtime::DOOR);
        let clients = Clients::open(&door).map_err(at("listen at", &door))?;
        let own = own_folder(life);
        let log = Writer::open(&own, life.id.as_str(), &ready.inspect, Box::<Beside>::default())
            .map_err(at("open the log in", &own))?;
        let health = Health::of(&ready.inspect["Config"], &ready.spec.process);
        let restarts = Restarts::of(&ready.inspect["HostConfig"]);
        let removes = life.remove || ready.inspect["HostConfig"]["AutoRemove"].as_bool().unwrap_or(false);
        Ok(Attendance {
            life,
            ready,
            clients,
            removes,
            is_waited_for: false,
            parts: false,
            folder: Some(folder),
            log,
            health,
            restarts,
            points: Value::Null,
            networks: Value::Null,
        })
    }

    /// One run after the other, as its restart policy has it. Returns docker's exit status.
    pub fn until_its_end(&mut self, manner: Manner, told: &mut Told) -> Result<u8, LifeError> {
        loop {
            let since = Instant::now();
            let over = self.one_run(manner, told)?;
            if let Some(status) = self.after(&over, since)? {
                return Ok(status);
            }
        }
    }

    /// As [`Attendance::until_its_end`] for one that runs already, whose process is `pid`; somebody else attended it so far.
    pub fn taken_over(&mut self, pid: i32, facts: &Value, told: &mut Told) -> Result<u8, LifeError> {
        let since = Instant::now();
        let over = self.rest_of_run(pid, facts, told)?;
        match self.after(&over, since)? {
            Some(status) => Ok(status),
            None => self.until_its_end(ALONE, told),
        }
    }

    /// What comes after a run: its end is written, and a pause before the next one. Returns the status where none follows.
    fn after(&mut self, over: &Over, since: Instant) -> Result<Option<u8>, LifeError> {
        let Some(pause) = self.write_end(over, since)? else { return Ok(Some(over.status)) };
        let wishes = self.clients.wait(pause);
        if wishes.iter().any(|wish| matches!(wish, Wish::Enough(_))) || self.is_stopped() {
            self.removes &= !wishes.contains(&Wish::Enough(true));
            self.update(record::rests)?;
            return Ok(Some(over.status));
        }
        Ok(None)
    }

    fn one_run(&mut self, manner: Manner, told: &mut Told) -> Result<Over, LifeError> {
        let (root, id) = (self.life.root, self.life.id);
        let signals = taken_signals()?;
        let config = &self.ready.inspect["Config"];
        let open = manner.input || config["OpenStdin"].as_bool().unwrap_or(false);
        let (streams, socket, ends) = begin::streams(self.ready.spec.process.terminal, open)?;
        let (streams, numbers) = pipes::keep(streams)?;
        let place = root.canonicalize().map_err(at("open", root))?;
        let parent = &self.ready.spec.cgroup_parent;
        let folder = self.folder.as_ref().ok_or_else(|| LifeError::Attended(id.to_string()))?;
        folder.remember(json!({ "root": place.to_string_lossy(), "cgroup-parent": parent, "pipes": numbers }))?;
        let health = self.health.as_mut().map(|health| health.begin().record);
        let (mut points, mut networks) = (Value::Null, Value::Null);
        let started = begin::start(root, id, &self.ready, streams, folder, |own| {
            own["State"]["Health"] = health.unwrap_or_default();
            (points, networks) = (own["MountPoints"].clone(), own["NetworkSettings"]["Networks"].clone());
        })?;
        self.life.head_start.into_iter().for_each(HeadStart::is_over);
        events::tell_networks(root, id.as_str(), &networks, "connect");
        events::tell_mounts(root, id.as_str(), &points, true);
        (self.points, self.networks) = (points, networks);
        events::tell(root, &self.ready.inspect, "start", &[]);
        started.warnings.iter().for_each(|warning| told.warn(warning));
        told.runs();
        let ends = match socket {
            Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
            None => ends,
        };
        self.follow(started, ends, manner, &signals)
    }

    /// Goes on with a run that another process began.
    fn rest_of_run(&mut self, pid: i32, facts: &Value, told: &mut Told) -> Result<Over, LifeError> {
        let signals = taken_signals()?;
        let own = begin::raw(&own_folder(self.life))?;
        (self.points, self.networks) = (own["MountPoints"].clone(), own["NetworkSettings"]["Networks"].clone());
        let number = Pid::from_raw(pid).ok_or_else(|| LifeError::NotRunning(self.life.id.to_string()))?;
        let handle = pidfd_open(number, PidfdFlags::empty())
            .map_err(|errno| LifeError::Machine("open the container's process", errno.into()))?;
        let cgroup = Cgroup::of(self.life.id.as_str(), &self.ready.spec.cgroup_parent);
        let ends = pipes::find(&[vec![pid], cgroup.processes()].concat(), &facts["pipes"]);
        if let Some(health) = &mut self.health {
            health.begin();
        }
        told.runs();
        self.follow(Started { pid, handle, cgroup, warnings: Vec::new() }, ends, ALONE, &signals)
    }

    fn follow(
        &mut self,
        mut started: Started,
        ends: Ends,
        manner: Manner,
        signals: &Signals,
    ) -> Result<Over, LifeError> {
        let (root, id) = (self.life.root, self.life.id);
        let inspect = &self.ready.inspect;
        let mut healthy = |change: Change| {
            // A check more or less: the container does not end for it where the root cannot be written now.
            let _ = begin::update(root, id, |own| own["State"]["Health"] = change.record);
            if let Some(status) = change.status {
                events::tell(root, inspect, &format!("health_status: {status}"), &[]);
            }
        };
        let run = Run {
            started: &mut started,
            ends,
            manner,
            signals,
            stop_signal: self.ready.spec.process.stop_signal,
            log: &mut self.log,
            clients: &mut self.clients,
            stdin_once: inspect["Config"]["StdinOnce"].as_bool().unwrap_or(false),
            health: self.health.as_mut(),
            healthy: &mut healthy,
        };
        let mut over = supervise::to_its_end(run).map_err(|error| LifeError::Machine("follow the container", error))?;
        over.out_of_memory =
            started.cgroup.read(&["memory.oom_control", "memory.events"]).is_some_and(|text| counts_kills(&text));
        if self.ready.spec.namespaces.pid != Namespace::New {
            // With a process namespace of its own, the others ended with the first.
            started.cgroup.kill();
        }
        started.cgroup.remove();
        if network::is_wanted(&self.ready.inspect) {
            self.parts = self.removes && self.is_waited_for && over.enough != Some(true);
            if !self.parts {
                network::disconnect(id)?;
            }
        }
        self.tell_end(&over);
        Ok(over)
    }

    fn tell_end(&self, over: &Over) {
        let (root, inspect) = (self.life.root, &self.ready.inspect);
        if over.out_of_memory {
            events::tell(root, inspect, "oom", &[]);
        }
        events::tell(root, inspect, "die", &[("exitCode", over.status.to_string())]);
        events::tell_networks(root, self.life.id.as_str(), &self.networks, "disconnect");
        events::tell_mounts(root, self.life.id.as_str(), &self.points, false);
    }

    /// Writes how a run ended, and whether another follows: then returns how long to wait for it. Then those that are
    /// attached hear of it, so that whoever waited finds it written.
    fn write_end(&mut self, over: &Over, since: Instant) -> Result<Option<Duration>, LifeError> {
        if over.enough == Some(true) {
            self.removes = false;
        }
        if self.removes {
            // Nobody reads the record of what is about to go.
            let removed = self.remove();
            self.clients.end(over.status);
            return removed.map(|()| None);
        }
        let health = self.health.as_mut().map(Health::end);
        let connected = network::is_wanted(&self.ready.inspect);
        let mut pause = None;
        let restarts = &mut self.restarts;
        let change = |own: &mut Value| {
            let stopped = over.enough.is_some() || own["HasBeenManuallyStopped"].as_bool().unwrap_or(false);
            pause = restarts.next(since, over.status, stopped);
            if connected {
                record::disconnected(own);
            }
            record::ended(own, over.status, over.out_of_memory, launch::now());
            if let Some(health) = health {
                own["State"]["Health"] = health;
            }
            if pause.is_some() {
                record::restarting(own, restarts.count());
            }
        };
        let written = begin::update(self.life.root, self.life.id, change);
        self.clients.end(over.status);
        written.map(|()| pause)
    }

    /// Removes the container, which has ended for good. Where a person waits, a process of its own goes on with what takes
    /// its time, its files and its network: nobody has either back before that one is done.
    pub fn remove(&mut self) -> Result<(), LifeError> {
        let mut writer = layout::docker_content::write::Writer::open(self.life.root, Wait::Yes(&mut |_| ()))?;
        writer.remove_ended(self.life.id, true)?;
        self.removes = false;
        events::tell_gone(self.life.root, &self.ready.inspect, &self.points);
        if !self.is_waited_for {
            return Ok(());
        }
        let leftovers = writer.into_leftovers()?;
        let parting = if self.parts { Some(network::Parting::begin(self.life.id)?) } else { None };
        match sys::clone(0, None) {
            Ok(Cloned::Parent { .. }) => {
                leftovers.give();
                self.folder.take().into_iter().for_each(runtime::Folder::give);
                Ok(())
            }
            Ok(Cloned::Child) => {
                let parted = live::leave_the_person().and_then(|()| parting.map_or(Ok(()), network::Parting::finish));
                drop(leftovers);
                match parted {
                    Ok(()) => drop(self.folder.take()),
                    // The next sweep tries again.
                    Err(_) => self.folder.take().into_iter().for_each(runtime::Folder::give),
                }
                sys::exit_now(0)
            }
            Err(_) => parting.map_or(Ok(()), network::Parting::finish),
        }
    }

    fn is_stopped(&self) -> bool {
        let record = begin::raw(&own_folder(self.life));
        record.is_ok_and(|record| record["HasBeenManuallyStopped"].as_bool().unwrap_or(false))
    }

    fn update(&self, change: impl FnOnce(&mut Value)) -> Result<(), LifeError> {
        begin::update(self.life.root, self.life.id, change)
    }
}

/// How a process behaves that nobody sees.
pub const ALONE: Manner = Manner { input: false, output: false, signals: false };

fn taken_signals() -> Result<Signals, LifeError> {
    Signals::take().map_err(|error| LifeError::Machine("take signals", error))
}

fn own_folder(life: &Life) -> PathBuf {
    life.root.join("containers").join(life.id.as_str())
}

/// Whether the kernel killed for want of memory: `oom_kill N` in both versions' files.
fn counts_kills(text: &str) -> bool {
    text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
}

/// Docker's restart policy (moby v20.10.24 restartmanager/restartmanager.go): 100 ms, doubled each time up to a minute,
/// begun anew after ten seconds of life.
pub struct Restarts {
    name: String,
    most: i64,
    count: i64,
    pause: Duration,
}

impl Restarts {
    /// The policy of a container.
    pub fn of(host_config: &Value) -> Restarts {
        let policy = &host_config["RestartPolicy"];
        Restarts {
            name: policy["Name"].as_str().unwrap_or("").to_string(),
            most: policy["MaximumRetryCount"].as_i64().unwrap_or(0),
            count: 0,
            pause: Duration::ZERO,
        }
    }

    /// How long to wait before the next start, after a run that began at `since` and ended with `status`; `None` for no
    /// further start. `stopped` says that a person ended it.
    pub fn next(&mut self, since: Instant, status: u8, stopped: bool) -> Option<Duration> {
        let again = match self.name.as_str() {
            "always" | "unless-stopped" => !stopped,
            "on-failure" => status != 0 && !stopped && (self.most == 0 || self.count < self.most),
            _ => false,
        };
        if !again {
            return None;
        }
        self.pause = match (since.elapsed() >= Duration::from_secs(10), self.pause) {
            (true, _) | (_, Duration::ZERO) => Duration::from_millis(100),
            (_, before) => (before * 2).min(Duration::from_secs(60)),
        };
        self.count += 1;
        Some(self.pause)
    }

    /// How often it was started again.
    pub fn count(&self) -> i64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pauses(policy: Value, statuses: &[u8]) -> Vec<Option<u128>> {
        let mut restarts = Restarts::of(&json!({ "RestartPolicy": policy }));
        statuses
            .iter()
            .map(|status| restarts.next(Instant::now(), *status, false).map(|pause| pause.as_millis()))
            .collect()
    }

    #[test]
    fn pauses_are_dockers() {
        assert_eq!(pauses(json!({"Name": "always"}), &[0; 4]), [Some(100), Some(200), Some(400), Some(800)]);
        assert_eq!(
            pauses(json!({"Name": "on-failure", "MaximumRetryCount": 2}), &[1, 1, 1]),
            [Some(100), Some(200), None]
        );
        assert_eq!(pauses(json!({"Name": "on-failure"}), &[1, 0]), [Some(100), None]);
        assert_eq!(pauses(json!({"Name": "no"}), &[1]), [None]);
        assert_eq!(pauses(json!({"Name": "always"}), &[0; 12]).last(), Some(&Some(60_000)));
    }
}
