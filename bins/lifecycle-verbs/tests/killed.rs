//! Each party is killed, at many points of a start and later. One more command, and nothing is left but what is recorded.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::home::Home;

/// A network namespace of the test's own, ended with the value: what is left in it is ours.
struct Network(Child);

impl Network {
    fn new() -> Network {
        let own = std::fs::read_link("/proc/self/ns/net").expect("/proc is read");
        let kept = Network(Command::new("unshare").args(["-n", "sleep", "600"]).spawn().expect("unshare starts"));
        while std::fs::read_link(format!("/proc/{}/ns/net", kept.0.id())).is_ok_and(|other| other == own) {
            std::thread::sleep(Duration::from_millis(5));
        }
        kept
    }

    /// A program of ours in it.
    fn command(&self, home: &Home, program: &str, words: &[&str]) -> Command {
        let inner = home.command(program, words);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.0.id())).arg(inner.get_program()).args(inner.get_args());
        command.env("DOCKLESS_ROOT", home.root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn says(&self, line: &str) -> String {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.0.id())).args(line.split(' '));
        String::from_utf8_lossy(&command.output().expect("nsenter starts").stdout).into_owned()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a process and waits for its end: until then it has what it had.
fn kill(pid: impl ToString) {
    let pid = pid.to_string();
    let _ = Command::new("kill").args(["-9", &pid]).stderr(Stdio::null()).status();
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    let begin = Instant::now();
    while lives() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{pid} lives");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a container has on this machine beside its records: mounts, cgroups, folders, interfaces, rules.
fn on_machine(home: &Home, network: &Network) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").expect("/proc is read");
    let own = home.place().to_string_lossy().into_owned();
    all.extend(mounts.lines().filter(|line| line.contains(&own)).map(|line| format!("mount {line}")));
    let ids: BTreeSet<String> = ids(home);
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-path", "*/docker/*"]).output();
    let folders = String::from_utf8_lossy(&groups.expect("find starts").stdout).into_owned();
    let run = std::fs::read_dir("/run/dockless").into_iter().flatten().flatten();
    let names = run.map(|entry| entry.path().to_string_lossy().into_owned()).collect::<Vec<_>>();
    let places = folders.lines().map(str::to_string).chain(names);
    all.extend(places.filter(|place| ids.iter().any(|id| place.contains(id.as_str()))));
    all.extend(network.says("ip -o link").lines().filter(|line| line.contains("veth")).map(str::to_string));
    all.extend(network.says("nft list ruleset").lines().filter(|line| line.contains("dport")).map(str::to_string));
    all
}

/// All containers that the root ever had: their events tell of those that are gone.
fn ids(home: &Home) -> BTreeSet<String> {
    let told = home.run("events", &["--since", "1h", "--until", "0s", "--format", "{{.Actor.ID}}"]);
    let there = home.ok("ps", &["-aq", "--no-trunc"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    told.lines().chain(there.lines()).map(str::to_string).filter(|id| id.len() == 64).collect()
}

/// Waits until nothing of the containers is left on the machine.
fn nothing_left(home: &Home, network: &Network, what: &str) {
    let begin = Instant::now();
    loop {
        let left = on_machine(home, network);
        if left.is_empty() {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(3), "{what}: {left:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One more command, of a container that is not there.
fn one_more(home: &Home, network: &Network) -> String {
    let out = network.command(home, "stop", &["nosuch"]).output().expect("it starts");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn home() -> Option<Home> {
    Home::new()
}

const STATE: &str = "{{.State.Status}} {{.State.ExitCode}}";

#[test]
fn another_process_goes_on_with_log_and_exit_status() {
    let Some(home) = home() else { return };
    let script = "n=0; while [ ! -e /end ]; do n=$((n+1)); echo line $n; sleep 0.02; done; echo last; exit 7";
    home.ok("run", &["-d", "--name", "web", "--net", "none", "base:1", "sh", "-c", script]);
    let pid = home.inspect("web", "{{.State.Pid}}");
    std::thread::sleep(Duration::from_millis(200));
    let first = home.beside("web");
    kill(first);
    // The container did not notice.
    assert_eq!(home.inspect("web", "{{.State.Status}} {{.State.Pid}}"), format!("running {pid}"));
    home.refused("start", &["nosuch"]);
    assert_ne!(home.beside("web"), first);
    home.ok("exec", &["web", "touch", "/end"]);
    assert_eq!(home.ok("wait", &["web"]), "7");
    home.until("web", STATE, "exited 7");
    let log = home.ok("logs", &["web"]);
    let lines: Vec<&str> = log.lines().collect();
    let whole: Vec<String> = (1..lines.len()).map(|n| format!("line {n}")).chain(["last".to_string()]).collect();
    assert_eq!(lines, whole, "lines are lost");
    // A record that was never wrong is no finding.
    assert_eq!(home.run("inspect", &["web"]).status.code(), Some(0));
    home.ok("rm", &["web"]);
}

#[test]
fn input_restarts_and_removal_go_on_too() {
    let Some(home) = home() else { return };
    home.ok("run", &["-d", "-i", "--name", "cat", "--net", "none", "base:1", "cat"]);
    home.ok("run", &["-d", "--restart", "always", "--name", "ever", "--net", "none", "base:1", "sleep", "100"]);
    home.ok("run", &["-d", "--rm", "--name", "gone", "--net", "none", "base:1", "sleep", "100"]);
    for name in ["ever", "gone"] {
        kill(home.beside(name));
    }
    home.refused("stop", &["nosuch"]);
    let before = home.inspect("ever", "{{.State.Pid}}");
    kill(&before);
    home.until("ever", "{{.RestartCount}}", "1");
    home.until("ever", "{{.State.Status}}", "running");
    assert_ne!(home.inspect("ever", "{{.State.Pid}}"), before);
    kill(home.inspect("gone", "{{.State.Pid}}"));
    let begin = Instant::now();
    while home.ok("ps", &["-a", "--format", "{{.Names}}"]).contains("gone") {
        assert!(begin.elapsed() < Duration::from_secs(5), "it is not removed");
        std::thread::sleep(Duration::from_millis(50));
    }
    home.ok("rm", &["-f", "ever", "cat"]);
}

#[test]
fn the_launcher_killed_at_any_point_leaves_nothing() {
    let Some(home) = home() else { return };
    let network = Network::new();
    let flags = ["--name", "web", "-v", "/data", "--tmpfs", "/tmp", "-p", "18080:80", "-m", "64m"];
    let mut outcomes = BTreeSet::new();
    for (at, turn) in (0..20).map(|turn| (turn * 6, turn)) {
        let how: &[&str] = [&["-d"][..], &[], &["--rm"], &["-d", "--rm"]][turn % 4];
        let words = [how, &flags, &["base:1", "sleep", "60"]].concat();
        let mut launcher = network.command(&home, "run", &words).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(at as u64));
        // Every process of ours that works for it: the one typed and those that it forked.
        held(launcher.id()).into_iter().chain(beside(&home)).for_each(kill);
        let _ = launcher.wait();
        one_more(&home, &network);
        let state = home.ok("ps", &["-a", "--format", "{{.State}}"]);
        outcomes.insert(state.clone());
        assert!(["", "created", "running"].contains(&state.as_str()), "{at} ms: {state}");
        if state == "running" {
            // It came so far that it lives, and another process attends it now.
            let pid = home.inspect("web", "{{.State.Pid}}");
            assert!(Path::new(&format!("/proc/{pid}")).exists());
            beside(&home).into_iter().chain([pid.parse().expect("a number")]).for_each(kill);
            one_more(&home, &network);
            let after = home.ok("ps", &["-a", "--format", "{{.State}}"]);
            assert_eq!(after, if how.contains(&"--rm") { "" } else { "exited" }, "{at} ms {how:?}");
            if !how.contains(&"--rm") {
                assert_eq!(home.inspect("web", STATE), "exited 255");
            }
        }
        nothing_left(&home, &network, &format!("killed after {at} ms, {how:?}, {state}"));
        home.run("rm", &["-fv", "web"]);
    }
    assert!(outcomes.len() > 1, "always killed at the same point: {outcomes:?}");
    let staged = std::fs::read_dir(home.root().join("tmp")).expect("the root has it").flatten();
    assert_eq!(staged.map(|entry| entry.path()).collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn one_that_is_not_kept_ends_with_its_launcher() {
    let Some(home) = home() else { return };
    let network = Network::new();
    for at in [5, 15, 30, 60, 120, 400] {
        let words = ["--ephemeral", "-p", "18080:80", "base:1", "sleep", "61"];
        let mut launcher = network.command(&home, "run", &words).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(at));
        let inside = children(launcher.id());
        kill(launcher.id());
        let _ = launcher.wait();
        one_more(&home, &network);
        for pid in inside {
            let begin = Instant::now();
            while Path::new(&format!("/proc/{pid}")).exists() {
                assert!(begin.elapsed() < Duration::from_secs(3), "{pid} lives, killed after {at} ms");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        nothing_left(&home, &network, &format!("killed after {at} ms"));
        let folders = std::fs::read_dir("/run/dockless").into_iter().flatten().flatten();
        let own = folders.filter(|entry| {
            let life = std::fs::read_to_string(entry.path().join("life.json")).unwrap_or_default();
            life.contains(&format!("\"pid\":{}", launcher.id()))
        });
        assert_eq!(own.count(), 0);
    }
}

#[test]
fn what_is_left_in_another_network_is_swept_from_here() {
    let Some(home) = home() else { return };
    let (network, here) = (Network::new(), Network::new());
    let flags = ["-d", "--name", "web", "-p", "18080:80", "base:1", "sleep", "60"];
    let done = network.command(&home, "run", &flags).status().expect("it starts");
    assert!(done.success() && !network.says("nft list ruleset").is_empty());
    let first = home.beside("web");
    kill(first);
    one_more(&home, &here);
    // Another process attends it, where its network is.
    let second = home.beside("web");
    let place = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("it lives");
    assert!(second != first && place(second) == place(network.0.id()));
    kill(second);
    kill(home.inspect("web", "{{.State.Pid}}"));
    one_more(&home, &here);
    assert_eq!(home.inspect("web", STATE), "exited 255");
    nothing_left(&home, &network, "swept from another network");
}

#[test]
fn others_of_a_shared_process_namespace_end_with_the_first() {
    let Some(home) = home() else { return };
    let network = Network::new();
    let script = "sleep 62 & exec true";
    home.ok("run", &["--name", "host", "--pid", "host", "--net", "none", "base:1", "sh", "-c", script]);
    nothing_left(&home, &network, "with the host's processes");
}

/// The processes that attend containers of this root.
fn beside(home: &Home) -> Vec<u32> {
    let ids = home.ok("ps", &["-aq", "--no-trunc"]);
    let locks: Vec<String> = ids.lines().map(|id| format!("/run/dockless/{id}/lock")).collect();
    let processes = std::fs::read_dir("/proc").expect("/proc is read");
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        let handles = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        handles.into_iter().any(|handle| {
            std::fs::read_link(handle.path()).is_ok_and(|path| locks.iter().any(|lock| path == Path::new(lock)))
        })
    };
    numbers.filter(holds).collect()
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// A process of ours and all that it forked, halted so that none forks another meanwhile.
fn held(pid: u32) -> Vec<u32> {
    let _ = Command::new("kill").args(["-STOP", &pid.to_string()]).stderr(Stdio::null()).status();
    let below = children(pid).into_iter().filter(|pid| is_ours(*pid)).flat_map(held);
    std::iter::once(pid).chain(below).collect()
}

/// Whether it is one of ours yet, and not the container's program.
fn is_ours(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "run")
}
