//! A container's health check: a command of its image, run in it again and again, and what docker records of that (moby
//! v20.10.24 daemon/health.go).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use launch::Streams;
use launch::cgroup::Cgroup;
use launch::spec::Process;
use model::Timestamp;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use serde_json::{Value, json};

/// Results that are kept.
const KEPT: usize = 5;
/// Bytes of a check's output that are kept.
const OUTPUT: usize = 4096;

/// The check of one container, and how it went so far.
pub struct Health {
    process: Process,
    interval: Duration,
    timeout: Duration,
    retries: i64,
    start_period: Duration,
    start_interval: Duration,
    born: Instant,
    next: Instant,
    probe: Option<Probe>,
    record: Value,
}

/// A check that runs.
struct Probe {
    handle: OwnedFd,
    out: Option<OwnedFd>,
    begun: Timestamp,
    since: Instant,
    output: Vec<u8>,
}

/// What changed.
pub struct Change {
    /// Docker's `State.Health`.
    pub record: Value,
    /// The new word, where that is another one.
    pub status: Option<String>,
}

impl Health {
    /// The check that a record asks for, as the user and in the folder of its `process`; `None` where it asks for none.
    /// What is left out has docker's values: 30 s, 30 s, 3 times, no period, 5 s within it.
    pub fn of(config: &Value, process: &Process) -> Option<Health> {
        let check = &config["Healthcheck"];
        let words = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
        };
        let test = words(&check["Test"]);
        let args = match test.split_first() {
            Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => rest.to_vec(),
            Some((kind, rest)) if kind == "CMD-SHELL" && !rest.is_empty() => {
                let shell = words(&config["Shell"]);
                let shell = if shell.is_empty() { vec!["/bin/sh".into(), "-c".into()] } else { shell };
                shell.into_iter().chain(rest.iter().cloned()).collect()
            }
            _ => return None,
        };
        let time = |key: &str, usual: u64| {
            check[key].as_u64().filter(|nanos| *nanos > 0).map_or(Duration::from_secs(usual), Duration::from_nanos)
        };
        let now = Instant::now();
        Some(Health {
            process: Process { args, terminal: false, ..process.clone() },
            interval: time("Interval", 30),
            timeout: time("Timeout", 30),
            retries: check["Retries"].as_i64().filter(|count| *count > 0).unwrap_or(3),
            start_period: time("StartPeriod", 0),
            start_interval: time("StartInterval", 5),
            born: now,
            next: now,
            probe: None,
            record: json!({ "Status": "starting", "FailingStreak": 0, "Log": null }),
        })
    }

    /// Begins with a container that has just been started. Returns what is recorded of it now.
    pub fn begin(&mut self) -> Change {
        self.born = Instant::now();
        self.probe = None;
        self.record["Status"] = json!("starting");
        self.record["FailingStreak"] = json!(0);
        self.next = self.born + self.pause();
        Change { record: self.record.clone(), status: None }
    }

    /// The container has ended: nobody knows that it is well.
    pub fn end(&mut self) -> Value {
        self.probe = None;
        self.record["Status"] = json!("unhealthy");
        self.record.clone()
    }

    /// Within the start period checks may come faster (moby v25 daemon/health.go).
    fn pause(&self) -> Duration {
        let starting = self.record["Status"] == "starting" && self.born.elapsed() < self.start_period;
        if starting { self.start_interval.min(self.interval) } else { self.interval }
    }

    /// When there is something to do.
    pub fn due(&self) -> Instant {
        self.probe.as_ref().map_or(self.next, |probe| probe.since + self.timeout)
    }

    /// What to wait for meanwhile.
    pub fn places(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let probe = self.probe.iter();
        probe.flat_map(|probe| std::iter::once(probe.handle.as_fd()).chain(probe.out.as_ref().map(|out| out.as_fd())))
    }

    /// Goes on: starts a check that is due, takes what one says, ends one that takes too long. This process must have one
    /// thread.
    pub fn go_on(&mut self, pid: i32, cgroup: &mut Cgroup) -> Option<Change> {
        if self.probe.is_none() {
            if Instant::now() < self.next || cgroup.is_frozen() {
                self.next = self.next.max(Instant::now());
                return None;
            }
            let begun = launch::now();
            return match self.start(pid, cgroup, begun) {
                Ok(()) => None,
                Err(why) => Some(self.result(begun, -1, &why)),
            };
        }
        self.listen();
        let probe = self.probe.as_mut()?;
        if let Some(code) = ended(&probe.handle) {
            let (begun, output) = (probe.begun, std::mem::take(&mut probe.output));
            self.probe = None;
            return Some(self.result(begun, i64::from(code), &String::from_utf8_lossy(&output)));
        }
        if probe.since.elapsed() < self.timeout {
            return None;
        }
        let begun = probe.begun;
        let _ = pidfd_send_signal(&probe.handle, Signal::KILL);
        let _ = waitid(WaitId::PidFd(probe.handle.as_fd()), WaitIdOptions::EXITED);
        self.probe = None;
        let text = format!("Health check exceeded timeout ({})", duration(self.timeout));
        Some(self.result(begun, -1, &text))
    }

    fn start(&mut self, pid: i32, cgroup: &mut Cgroup, begun: Timestamp) -> Result<(), String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| text(&io::Error::from(errno)));
        let (out, stdout) = pipe()?;
        let stderr = stdout.try_clone().map_err(|error| text(&error))?;
        let stdin = std::fs::File::open("/dev/null").map_err(|error| text(&error))?.into();
        let streams = Streams::Plain { stdin, stdout, stderr };
        let handle = launch::join::join(pid, cgroup, &self.process, streams).map_err(|error| text(&error))?;
        let _ = rustix::io::ioctl_fionbio(&out, true);
        self.probe = Some(Probe { handle, out: Some(out), begun, since: Instant::now(), output: Vec::new() });
        Ok(())
    }

    fn listen(&mut self) {
        let Some(probe) = &mut self.probe else { return };
        let Some(out) = &probe.out else { return };
        let mut buffer = [0; OUTPUT];
        loop {
            match rustix::io::read(out, &mut buffer) {
                Ok(count) if count > 0 => {
                    let room = OUTPUT - probe.output.len();
                    probe.output.extend_from_slice(&buffer[..count.min(room)]);
                }
                Err(rustix::io::Errno::AGAIN) => return,
                _ => break,
            }
        }
        probe.out = None;
    }

    fn result(&mut self, begun: Timestamp, code: i64, output: &str) -> Change {
        let before = self.record["Status"].clone();
        let mut log = self.record["Log"].as_array().cloned().unwrap_or_default();
        log.push(json!({
            "Start": begun.rfc3339(), "End": launch::now().rfc3339(), "ExitCode": code, "Output": output,
        }));
        log.drain(..log.len().saturating_sub(KEPT));
        self.record["Log"] = json!(log);
        if code == 0 {
            self.record["FailingStreak"] = json!(0);
            self.record["Status"] = json!("healthy");
        } else if before != "starting" || self.born.elapsed() >= self.start_period {
            let streak = self.record["FailingStreak"].as_i64().unwrap_or(0) + 1;
            self.record["FailingStreak"] = json!(streak);
            if streak >= self.retries {
                self.record["Status"] = json!("unhealthy");
            }
        }
        self.next = Instant::now() + self.pause();
        let status = self.record["Status"].as_str().filter(|now| before != *now).map(str::to_string);
        Change { record: self.record.clone(), status }
    }
}

/// The exit status of a process that has ended.
fn ended(handle: &OwnedFd) -> Option<i32> {
    let status = waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok()??;
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))
}

/// A duration as Go writes it: `1m30s`, `500ms`.
fn duration(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_string() };
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{millis}ms"),
        (0, 0, seconds) => format!("{seconds}{fraction}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(check: Value) -> Option<Health> {
        let process = Process {
            args: vec!["x".into()],
            env: Vec::new(),
            cwd: "/".into(),
            user: Default::default(),
            terminal: true,
            capabilities: launch::capability::Capabilities::tweak(&[], &[], false).unwrap(),
            no_new_privileges: false,
            seccomp: launch::spec::Seccomp::Unconfined,
            rlimits: Vec::new(),
            oom_score_adj: None,
            stop_signal: 15,
        };
        Health::of(&json!({ "Healthcheck": check }), &process)
    }

    #[test]
    fn tests_are_read_as_docker_reads_them() {
        let args = |check: Value| health(check).map(|health| health.process.args.join(" "));
        assert_eq!(args(json!({"Test": ["CMD", "a", "b"]})).as_deref(), Some("a b"));
        assert_eq!(args(json!({"Test": ["CMD-SHELL", "a | b"]})).as_deref(), Some("/bin/sh -c a | b"));
        assert_eq!(args(json!({"Test": ["NONE"]})), None);
        assert_eq!(args(json!({"Test": []})), None);
        assert_eq!(args(Value::Null), None);
    }

    #[test]
    fn so_many_failures_in_a_row_make_it_unhealthy() {
        let mut health = health(json!({"Test": ["CMD", "a"], "Retries": 2})).unwrap();
        health.begin();
        let said: Vec<Option<String>> =
            [1, 0, 0, 2, 1, 1, 0].map(|code| health.result(Timestamp::EPOCH, code, "o").status).to_vec();
        let word = |word: &str| Some(word.to_string());
        assert_eq!(said, [None, word("healthy"), None, None, word("unhealthy"), None, word("healthy")]);
        assert_eq!(health.record["Log"].as_array().map(Vec::len), Some(KEPT));
    }

    #[test]
    fn failures_do_not_count_while_it_starts() {
        let mut health = health(json!({"Test": ["CMD", "a"], "Retries": 1, "StartPeriod": 60_000_000_000u64})).unwrap();
        health.begin();
        assert_eq!(health.result(Timestamp::EPOCH, 1, "").status, None);
        assert_eq!(health.result(Timestamp::EPOCH, 0, "").status.as_deref(), Some("healthy"));
        assert_eq!(health.result(Timestamp::EPOCH, 1, "").status.as_deref(), Some("unhealthy"));
    }

    #[test]
    fn durations_are_gos() {
        for (millis, text) in
            [(500, "500ms"), (1500, "1.5s"), (30_000, "30s"), (90_000, "1m30s"), (3_600_000, "1h0m0s")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
