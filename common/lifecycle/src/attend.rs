//! Stays with a container until its end: log, streams, restarts, and the last word in its record.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use launch::relay::{Ends, Manner, Signals};
use logfile::write::Writer;
use serde_json::Value;

use crate::clients::{Clients, Wish};
use crate::error::{LifeError, at};
use crate::health::{Change, Health};
use crate::live::{Life, Told};
use crate::packer::Beside;
use crate::supervise::{self, Over, Run};
use crate::{begin, events, network, record, runtime};

/// A container and all that its attending process holds for it, from its first start to its end for good.
pub struct Attendance<'a> {
    life: &'a Life<'a>,
    /// What the container is.
    pub ready: begin::Ready,
    /// Those that are attached.
    pub clients: Clients,
    /// Whether the container goes at its end.
    pub removes: bool,
    folder: runtime::Folder,
    log: Option<Writer>,
    health: Option<Health>,
    restarts: Restarts,
}

impl<'a> Attendance<'a> {
    /// Takes the container's folder in `/run`, and opens its door and its log.
    pub fn new(life: &'a Life<'a>, ready: begin::Ready) -> Result<Attendance<'a>, LifeError> {
        let folder = runtime::Folder::make(life.id.as_str())?;
        let root = life.root.canonicalize().map_err(at("open", life.root))?;
        folder.remember(&root, &ready.spec.cgroup_parent)?;
        let door = folder.path().join(runtime::DOOR);
        let clients = Clients::open(&door).map_err(at("listen at", &door))?;
        let own = own_folder(life);
        let log = Writer::open(&own, life.id.as_str(), &ready.inspect, Box::<Beside>::default())
            .map_err(at("open the log in", &own))?;
        let health = Health::of(&ready.inspect["Config"], &ready.spec.process);
        let restarts = Restarts::of(&ready.inspect["HostConfig"]);
        let removes = life.remove || ready.inspect["HostConfig"]["AutoRemove"].as_bool().unwrap_or(false);
        Ok(Attendance { life, ready, clients, removes, folder, log, health, restarts })
    }

    /// One run after the other, as its restart policy has it. Returns docker's exit status.
    pub fn until_its_end(&mut self, manner: Manner, told: &mut Told) -> Result<u8, LifeError> {
        loop {
            let since = Instant::now();
            let over = self.one_run(manner, told)?;
            let Some(pause) = self.write_end(&over, since)? else { return Ok(over.status) };
            let wishes = self.clients.wait(pause);
            if wishes.iter().any(|wish| matches!(wish, Wish::Enough(_))) || self.is_stopped() {
                self.removes &= !wishes.contains(&Wish::Enough(true));
                self.update(record::rests)?;
                return Ok(over.status);
            }
        }
    }

    fn one_run(&mut self, manner: Manner, told: &mut Told) -> Result<Over, LifeError> {
        let (root, id) = (self.life.root, self.life.id);
        let signals = Signals::take().map_err(|error| LifeError::Machine("take signals", error))?;
        let config = &self.ready.inspect["Config"];
        let open = manner.input || config["OpenStdin"].as_bool().unwrap_or(false);
        let stdin_once = config["StdinOnce"].as_bool().unwrap_or(false);
        let (streams, socket, ends) = begin::streams(self.ready.spec.process.terminal, open)?;
        let health = self.health.as_mut().map(|health| health.begin().record);
        let mut started = begin::start(root, id, &self.ready, streams, &self.folder, |own| {
            own["State"]["Health"] = health.unwrap_or_default();
        })?;
        events::tell(root, &self.ready.inspect, "start", &[]);
        started.warnings.iter().for_each(|warning| told.warn(warning));
        told.runs();
        let ends = match socket {
            Some(socket) => Ends::Terminal(begin::receive_terminal(&socket)?),
            None => ends,
        };
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
            signals: &signals,
            stop_signal: self.ready.spec.process.stop_signal,
            log: &mut self.log,
            clients: &mut self.clients,
            stdin_once,
            health: self.health.as_mut(),
            healthy: &mut healthy,
        };
        let mut over = supervise::to_its_end(run).map_err(|error| LifeError::Machine("follow the container", error))?;
        over.out_of_memory =
            started.cgroup.read(&["memory.oom_control", "memory.events"]).is_some_and(|text| counts_kills(&text));
        started.cgroup.remove();
        if network::is_wanted(&self.ready.inspect) {
            network::disconnect(id)?;
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
    }

    /// Writes how a run ended, and whether another follows: then returns how long to wait for it. Then those that are
    /// attached hear of it, so that whoever waited finds it written.
    fn write_end(&mut self, over: &Over, since: Instant) -> Result<Option<Duration>, LifeError> {
        if over.enough == Some(true) {
            self.removes = false;
        }
        let health = self.health.as_mut().map(Health::end);
        let connected = network::is_wanted(&self.ready.inspect);
        let mut pause = None;
        let (restarts, removes) = (&mut self.restarts, self.removes);
        let change = |own: &mut Value| {
            let stopped = over.enough.is_some() || own["HasBeenManuallyStopped"].as_bool().unwrap_or(false);
            pause = restarts.next(since, over.status, stopped).filter(|_| !removes);
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

    fn is_stopped(&self) -> bool {
        let record = begin::raw(&own_folder(self.life));
        record.is_ok_and(|record| record["HasBeenManuallyStopped"].as_bool().unwrap_or(false))
    }

    fn update(&self, change: impl FnOnce(&mut Value)) -> Result<(), LifeError> {
        begin::update(self.life.root, self.life.id, change)
    }
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
