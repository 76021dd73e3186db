//! Stays with a container until its end: log, streams, restarts, and the last word in its record.

use std::path::Path;
use std::time::{Duration, Instant};

use launch::Started;
use launch::log::{Log, Rotation};
use launch::relay::{self, Ends, Manner, Signals};
use model::Id;
use serde_json::Value;

use crate::error::{LifeError, at};
use crate::{begin, network, record};

/// How a container is attended.
pub struct Attendance<'a> {
    /// The data root.
    pub root: &'a Path,
    /// The container.
    pub id: &'a Id,
    /// Towards the person.
    pub manner: Manner,
    /// Whether its network was made for it.
    pub connected: bool,
    /// Signals taken before it was started.
    pub signals: &'a Signals,
}

/// Opens the log that a container's record asks for; `None` for a driver that this launcher does not write.
pub fn open_log(folder: &Path, host_config: &Value, id: &Id) -> Result<Option<Log>, LifeError> {
    let log = &host_config["LogConfig"];
    if !matches!(log["Type"].as_str().unwrap_or(""), "" | "json-file") {
        return Ok(None);
    }
    let size = log["Config"]["max-size"].as_str().and_then(launch::docker::bytes);
    let files = log["Config"]["max-file"].as_str().and_then(|text| text.parse().ok()).unwrap_or(1);
    let path = folder.join(format!("{id}-json.log"));
    Log::open(&path, Rotation { size, files }).map(Some).map_err(at("open", path))
}

/// Attends one run of a container to its end and writes how it ended. Returns docker's exit status.
pub fn to_the_end(
    attendance: &Attendance,
    started: Started,
    ends: Ends,
    log: &mut Option<Log>,
) -> Result<u8, LifeError> {
    let status = relay::attend(&started.handle, ends, attendance.manner, attendance.signals, log)
        .map_err(|error| LifeError::Machine("follow the container", error))?;
    let killed = started.cgroup.read(&["memory.oom_control", "memory.events"]).is_some_and(|text| counts_kills(&text));
    started.cgroup.remove();
    if attendance.connected {
        network::disconnect(attendance.id)?;
        begin::update(attendance.root, attendance.id, record::disconnected)?;
    }
    begin::update(attendance.root, attendance.id, |own| record::ended(own, status, killed, launch::log::now()))?;
    Ok(status)
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
