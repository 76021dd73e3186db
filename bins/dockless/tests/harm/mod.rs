//! A host of testdata in which single paths are replaced and put back, and programs that are watched while they read it.

// Each test takes what it needs.
#![allow(dead_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::hosts::Hosts;

/// A line that stands in files outside of the root, and must come out nowhere.
pub const CANARY: &str = "CANARY-text-of-the-analyst-4711";

/// Ages are counted from one moment.
const ENVIRONMENT: [(&str, &str); 4] =
    [("HOME", "/"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("SOURCE_DATE_EPOCH", "1796083200")];

/// All hosts.
pub struct Lab {
    hosts: Hosts,
}

impl Lab {
    /// Unpacks the hosts.
    pub fn new() -> Lab {
        Lab { hosts: Hosts::unpack() }
    }

    /// One host, as it lay.
    pub fn host(&self, name: &str) -> Host<'_> {
        let outside = tempfile::tempdir_in(self.hosts.path()).expect("a folder beside the hosts is made");
        Host { root: self.hosts.path().join(name), programs: testkit::programs::built(), outside, undo: Vec::new() }
    }
}

/// A host that is harmed and mended.
pub struct Host<'a> {
    pub root: PathBuf,
    programs: &'a Path,
    /// The analyst's own folder, and what was taken out of the root.
    outside: TempDir,
    undo: Vec<(PathBuf, Option<PathBuf>)>,
}

/// How a program ended, and what it took.
pub struct Answer {
    pub command: String,
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
    pub took: Duration,
    /// The most memory that it held, in KiB.
    pub peak: u64,
}

impl Answer {
    /// Its lines as JSON objects; anything else on stdout fails.
    pub fn rows(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.out).expect("it is UTF-8");
        let row =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", self.command));
        text.lines().map(row).collect()
    }
}

impl Host<'_> {
    /// A path in the root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Takes a path out of the root.
    pub fn take(&mut self, path: &str) {
        let (here, aside) = (self.path(path), self.outside.path().join(format!("taken-{}", self.undo.len())));
        let was_there = fs::symlink_metadata(&here).is_ok();
        if was_there {
            fs::rename(&here, &aside).expect("it is moved within a file system");
        }
        self.undo.push((here, was_there.then_some(aside)));
    }

    /// Puts a file in a path's place.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        self.take(path);
        fs::write(self.path(path), bytes).expect("it is written");
    }

    /// Puts a file with a hole of 20 GiB in a path's place.
    pub fn hole(&mut self, path: &str, beginning: &[u8]) {
        self.put(path, beginning);
        let file = File::options().write(true).open(self.path(path)).expect("it is there");
        file.set_len(20 << 30).expect("a hole takes no room");
    }

    /// Puts a symbolic link, a FIFO or a device there, by `ln -s`, `mkfifo` or `mknod`.
    pub fn make(&mut self, path: &str, program: &str, before: &[&str], after: &[&str]) {
        self.take(path);
        let done = Command::new(program).args(before).arg(self.path(path)).args(after).status();
        assert!(done.expect("it starts").success(), "{program} {path}");
    }

    /// Changes a JSON record.
    pub fn edit(&mut self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut value: Value = serde_json::from_slice(&self.read(path)).expect("it was whole");
        change(&mut value);
        self.put(path, value.to_string().as_bytes());
    }

    /// What a file of the root holds.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).expect("it is there")
    }

    /// The analyst's own file, with a text that must not come out.
    pub fn analysts_file(&self, text: &str) -> PathBuf {
        let path = self.outside.path().join("analysts-own.json");
        fs::write(&path, text).expect("it is written");
        path
    }

    /// Puts all back.
    pub fn mend(&mut self) {
        while let Some((path, aside)) = self.undo.pop() {
            let gone = Command::new("rm").arg("-rf").arg("--").arg(&path).status();
            assert!(gone.expect("rm starts").success());
            if let Some(aside) = aside {
                fs::rename(aside, path).expect("it goes back");
            }
        }
    }

    /// Runs a program on the root.
    pub fn run(&self, words: &[&str]) -> Answer {
        self.watch(Command::new(self.programs.join(words[0])).args(&words[1..]), words)
    }

    /// The same below strace, which writes what is opened and changed to `log`.
    pub fn trace(&self, words: &[&str], log: &Path) -> Answer {
        let mut traced = Command::new("strace");
        traced.args([
            "-f",
            "-y",
            "-s",
            "4096",
            "-e",
            "trace=%file,open_tree,ftruncate,fchmod,fchown,fsetxattr,fremovexattr",
            "-o",
        ]);
        traced.arg(log).arg(self.programs.join(words[0])).args(&words[1..]);
        self.watch(&mut traced, words)
    }

    fn watch(&self, command: &mut Command, words: &[&str]) -> Answer {
        let file = |name: &str| self.outside.path().join(name);
        let make = |name: &str| File::create(file(name)).expect("a file is made");
        command.args(["--root"]).arg(&self.root).env_clear().envs(ENVIRONMENT);
        command.stdin(Stdio::null()).stdout(make("out")).stderr(make("err")).current_dir(self.outside.path());
        let begun = Instant::now();
        let mut child = command.spawn().expect("it starts");
        let mut peak = 0;
        let status = loop {
            // The peak only rises: what it was a moment before the end is nearly all.
            peak = peak.max(peak_of(child.id()));
            if let Some(status) = child.try_wait().expect("it is our child") {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(30) {
                child.kill().expect("it is our child");
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        Answer {
            command: words.join(" "),
            code: status.code(),
            took: begun.elapsed(),
            out: fs::read(file("out")).expect("it is there"),
            err: String::from_utf8_lossy(&fs::read(file("err")).expect("it is there")).into_owned(),
            peak,
        }
    }
}

/// The most memory that a process has held, in KiB; 0 once it is gone.
fn peak_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}
