//! A data root of our own making with containers that live: our programs run on it, and dockerd may open it afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::engine::is_here;
use crate::programs;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the image `base:1` holds: one static program under these names.
const NAMES: [&str; 26] = [
    "sh", "cat", "echo", "sleep", "true", "false", "ls", "id", "env", "stty", "kill", "touch", "rm", "mkdir", "test",
    "head", "pwd", "trap", "wc", "seq", "date", "printf", "hostname", "tty", "grep", "dd",
];

/// A root with the image `base:1` of busybox, and programs to work on it. Containers that still live end with it.
pub struct Home {
    place: TempDir,
    root: PathBuf,
    programs: &'static Path,
}

impl Home {
    /// Makes it, with the programs built anew; `None` where busybox is not here, or this is not root.
    pub fn new() -> Option<Home> {
        Home::below("root")
    }

    /// The same with the data root at this path below a fresh folder.
    pub fn below(path: &str) -> Option<Home> {
        if !is_here("busybox") {
            return None;
        }
        let programs = programs::built();
        keep_apart();
        let place = tempfile::tempdir().expect("a folder is made");
        let home = Home { root: place.path().join(path), place, programs };
        home.import();
        Some(home)
    }

    /// The data root.
    pub fn root(&self) -> PathBuf {
        self.root.clone()
    }

    /// A folder for other files.
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    fn import(&self) {
        let script = format!(
            "mkdir -p img/bin img/etc img/tmp && cp \"$(command -v busybox)\" img/bin/busybox \
             && for name in {}; do ln -s busybox img/bin/$name; done \
             && printf 'root:x:0:0:root:/root:/bin/sh\\nuser:x:1000:1001::/home:/bin/sh\\n' > img/etc/passwd \
             && printf 'root:x:0:\\nuser:x:1001:\\nmore:x:77:user\\n' > img/etc/group && chmod 1777 img/tmp \
             && printf '#!/bin/nosuch\\n' > img/bin/script && echo x > img/bin/plain && chmod 755 img/bin/script \
             && tar -cf img.tar -C img .",
            NAMES.join(" ")
        );
        let made =
            Command::new("sh").args(["-ec", &script]).current_dir(self.place.path()).status().expect("sh starts");
        assert!(made.success());
        let tar = self.place.path().join("img.tar");
        self.ok("import", &["-c", "ENV PATH=/bin", tar.to_str().expect("a path in words"), "base:1"]);
    }

    /// A program of ours on this root, to be run by the caller.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(args).env("DOCKLESS_ROOT", self.root()).stdin(Stdio::null());
        command
    }

    /// Runs a program of ours.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        self.command(program, args).output().expect("the program starts")
    }

    /// Runs a program that must succeed. Returns its output, trimmed.
    pub fn ok(&self, program: &str, args: &[&str]) -> String {
        let out = self.run(program, args);
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).trim_end().to_string();
        assert!(out.status.success(), "{program} {args:?}: {}\n{}", text(&out.stderr), text(&out.stdout));
        text(&out.stdout)
    }

    /// Runs a program. Returns its exit status, and its complaint without its name.
    pub fn refused(&self, program: &str, args: &[&str]) -> (i32, String) {
        let out = self.run(program, args);
        let text = String::from_utf8_lossy(&out.stderr).trim_end().to_string();
        let prefix = format!("{program}: ");
        (out.status.code().unwrap_or(-1), text.strip_prefix(&prefix).unwrap_or(&text).to_string())
    }

    /// What `inspect` shows of a container by a template.
    pub fn inspect(&self, name: &str, template: &str) -> String {
        self.ok("inspect", &["-f", template, name])
    }

    /// Waits until a template of a container shows this.
    pub fn until(&self, name: &str, template: &str, text: &str) {
        let begin = Instant::now();
        while self.inspect(name, template) != text {
            assert!(begin.elapsed() < PATIENCE, "{name}: {template} is {}, not {text}", self.inspect(name, template));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process beside a container: the one that has its door open.
    pub fn beside(&self, name: &str) -> u32 {
        let lock = format!("/run/dockless/{}/lock", self.inspect(name, "{{.Id}}"));
        let processes = std::fs::read_dir("/proc").expect("/proc is read");
        let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let holds = |pid: &u32| {
            let handles = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            handles
                .into_iter()
                .any(|handle| std::fs::read_link(handle.path()).is_ok_and(|path| path == Path::new(&lock)))
        };
        numbers.into_iter().find(holds).expect("a process attends the container")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let all = self.run("ps", &["-aq", "--no-trunc"]);
        for id in String::from_utf8_lossy(&all.stdout).lines() {
            let _ = self.run("rm", &["-f", id]);
        }
    }
}

/// Gives this thread, and all that it starts, a `/run/dockless` of its own: every program of ours sweeps what it finds there, and those of
/// another test are killed in the middle of it.
fn keep_apart() {
    use nix::mount::{MsFlags, mount};
    const NONE: Option<&str> = None;
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("a thread gets mounts of its own");
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("its mounts are its own");
    std::fs::create_dir_all("/run/dockless").expect("a folder is made");
    mount(Some("none"), "/run/dockless", Some("tmpfs"), MsFlags::empty(), Some("mode=0700"))
        .expect("memory is mounted");
}
