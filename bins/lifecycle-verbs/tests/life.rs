//! Each verb on containers that `run -d` made, with no daemon anywhere.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::home::Home;

fn home() -> Option<Home> {
    Home::new()
}

fn started(home: &Home, name: &str, flags: &[&str], command: &[&str]) {
    let args = [&["-d", "--name", name, "--net", "none"], flags, &["base:1"], command].concat();
    home.ok("run", &args);
}

const STATE: &str = "{{.State.Status}} {{.State.ExitCode}}";

#[test]
fn a_container_is_stopped_by_its_own_signal_and_in_its_time() {
    let Some(home) = home() else { return };
    let script = "trap 'exit 7' USR1; trap '' TERM; while :; do sleep 0.05; done";
    started(&home, "own", &["--stop-signal", "USR1"], &["sh", "-c", script]);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(home.ok("stop", &["own"]), "own");
    assert_eq!(home.inspect("own", STATE), "exited 7");
    assert_eq!(home.ok("wait", &["own"]), "7");
    started(&home, "deaf", &["--stop-timeout", "1"], &["sh", "-c", "trap '' TERM; sleep 100; sleep 100"]);
    std::thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    home.ok("stop", &["deaf"]);
    let time = begin.elapsed();
    assert!(time >= Duration::from_secs(1) && time < Duration::from_secs(4), "{time:?}");
    assert_eq!(home.inspect("deaf", STATE), "exited 137");
    assert_eq!(home.ok("start", &["deaf"]), "deaf");
    home.ok("stop", &["-s", "KILL", "-t", "60", "deaf"]);
    assert_eq!(home.ok("stop", &["deaf"]), "deaf", "one that does not run is none to stop");
}

#[test]
fn signals_go_by_all_their_names() {
    let Some(home) = home() else { return };
    let script = "for s in HUP USR1 USR2; do trap \"echo $s\" $s; done; echo up; while :; do sleep 0.02; done";
    started(&home, "all", &[], &["sh", "-c", script]);
    let log = |text: &str| {
        let begin = Instant::now();
        while home.ok("logs", &["all"]) != text {
            assert!(begin.elapsed() < Duration::from_secs(10), "{}", home.ok("logs", &["all"]));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    log("up");
    for (name, text) in [("HUP", "up\nHUP"), ("SIGUSR1", "up\nHUP\nUSR1"), ("12", "up\nHUP\nUSR1\nUSR2")] {
        assert_eq!(home.ok("kill", &["-s", name, "all"]), "all");
        log(text);
    }
    assert!(home.refused("kill", &["-s", "NOSUCH", "all"]).1.contains("Invalid signal: NOSUCH"));
    home.ok("kill", &["all"]);
    assert_eq!(home.inspect("all", STATE), "exited 137");
    let id = home.inspect("all", "{{.Id}}");
    assert_eq!(home.refused("kill", &["all"]), (1, format!("Container {id} is not running")));
    assert_eq!(home.refused("kill", &["nosuch"]).0, 1);
}

#[test]
fn wait_tells_the_status_also_of_what_is_removed_at_its_end() {
    let Some(home) = home() else { return };
    started(&home, "gone", &["--rm"], &["sh", "-c", "sleep 0.5; exit 5"]);
    started(&home, "kept", &[], &["sh", "-c", "sleep 0.3; exit 6"]);
    assert_eq!(home.ok("wait", &["gone", "kept"]), "5\n6");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(home.ok("ps", &["-a", "--format", "{{.Names}}"]), "kept");
}

#[test]
fn start_stays_with_what_runs_already() {
    let Some(home) = home() else { return };
    started(&home, "runs", &[], &["sh", "-c", "sleep 1; echo late; exit 4"]);
    let out = home.command("start", &["-a", "runs"]).output().expect("start starts");
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stdout).as_ref()), (Some(4), "late\n"));
    started(&home, "more", &[], &["sleep", "100"]);
    let several = (1, "you cannot start and attach multiple containers at once".to_string());
    assert_eq!(home.refused("start", &["-a", "runs", "more"]), several);
    home.ok("kill", &["more"]);
}

#[test]
fn restarts_have_dockers_pauses_and_end_with_stop() {
    let Some(home) = home() else { return };
    started(&home, "three", &["--restart", "on-failure:3"], &["false"]);
    home.until("three", "{{.State.Status}} {{.RestartCount}}", "exited 3");
    let told = home.ok("events", &["--since", "1h", "--until", "0s", "-f", "event=start", "--format", "{{.TimeNano}}"]);
    let times: Vec<i64> = told.lines().map(|line| line.parse().expect("a number")).collect();
    let pauses: Vec<i64> = times.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect();
    assert_eq!(pauses.len(), 3, "{told}");
    for (pause, least) in pauses.iter().zip([100, 200, 400]) {
        assert!(*pause >= least && *pause < least + 1500, "{pauses:?}");
    }
    started(&home, "ever", &["--restart", "always"], &["false"]);
    std::thread::sleep(Duration::from_millis(1200));
    let begin = Instant::now();
    home.ok("stop", &["ever"]);
    assert!(begin.elapsed() < Duration::from_secs(2), "stop waits for no restart");
    let count = home.inspect("ever", "{{.RestartCount}}");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(home.inspect("ever", "{{.State.Status}} {{.RestartCount}}"), format!("exited {count}"));
}

#[test]
fn restart_starts_again_what_would_be_removed_too() {
    let Some(home) = home() else { return };
    started(&home, "again", &["--rm"], &["sleep", "100"]);
    let first = home.inspect("again", "{{.State.Pid}}");
    assert_eq!(home.ok("restart", &["-t", "0", "again"]), "again");
    assert_ne!(home.inspect("again", "{{.State.Pid}}"), first);
    home.ok("stop", &["-t", "0", "again"]);
    assert_eq!(home.ok("ps", &["-aq"]), "");
}

#[test]
fn a_halted_container_does_nothing() {
    let Some(home) = home() else { return };
    started(&home, "busy", &[], &["sh", "-c", "while :; do echo .; sleep 0.02; done"]);
    assert_eq!(home.ok("pause", &["busy"]), "busy");
    assert_eq!(home.inspect("busy", "{{.State.Status}}"), "paused");
    let id = home.inspect("busy", "{{.Id}}");
    assert_eq!(home.refused("pause", &["busy"]), (1, format!("Container {id} is already paused")));
    std::thread::sleep(Duration::from_millis(100));
    let before = home.ok("logs", &["busy"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(home.ok("logs", &["busy"]), before);
    assert_eq!(
        home.refused("exec", &["busy", "true"]),
        (1, "Container busy is paused, unpause the container before exec".to_string())
    );
    assert_eq!(home.ok("unpause", &["busy"]), "busy");
    assert_eq!(home.refused("unpause", &["busy"]), (1, format!("Container {id} is not paused")));
    assert_eq!(home.refused("kill", &["-s", "LOUD", "busy"]), (1, "Invalid signal: LOUD".to_string()));
    std::thread::sleep(Duration::from_millis(200));
    assert_ne!(home.ok("logs", &["busy"]), before);
    home.ok("pause", &["busy"]);
    home.ok("stop", &["-t", "1", "busy"]);
    assert_eq!(home.inspect("busy", "{{.State.Status}}"), "exited");
}

#[test]
fn health_is_checked_and_recorded() {
    let Some(home) = home() else { return };
    let check = ["--health-cmd", "echo seen; test ! -e /sick", "--health-interval", "200ms", "--health-retries", "2"];
    started(&home, "well", &check, &["sleep", "100"]);
    home.until("well", "{{.State.Health.Status}}", "healthy");
    assert_eq!(home.inspect("well", "{{(index .State.Health.Log 0).Output}}"), "seen\\n");
    home.ok("exec", &["well", "touch", "/sick"]);
    home.until("well", "{{.State.Health.Status}}", "unhealthy");
    home.ok("stop", &["-t", "0", "well"]);
    let events = ["--since", "1h", "--until", "0s", "-f", "event=health_status", "--format", "{{.Action}}"];
    assert_eq!(home.ok("events", &events), "health_status: healthy\nhealth_status: unhealthy");
}

#[test]
fn logs_are_turned_over_and_read_again() {
    let Some(home) = home() else { return };
    let script = ["sh", "-c", "for n in $(seq 1 400); do echo line $n; done"];
    for (name, driver, options) in [
        ("plain", "json-file", &["--log-opt", "max-size=4k", "--log-opt", "max-file=20"][..]),
        (
            "packed",
            "json-file",
            &["--log-opt", "max-size=4k", "--log-opt", "max-file=20", "--log-opt", "compress=true"],
        ),
        ("own", "local", &["--log-opt", "max-size=4k", "--log-opt", "max-file=20"]),
    ] {
        started(&home, name, &[&["--log-driver", driver], options].concat(), &script);
        home.ok("wait", &[name]);
        let log = home.ok("logs", &[name]);
        assert_eq!((log.lines().count(), log.lines().last()), (400, Some("line 400")), "{name}");
    }
    started(&home, "none", &["--log-driver", "none"], &script);
    home.ok("wait", &["none"]);
    assert_eq!(home.refused("logs", &["none"]).0, 1);
}

#[test]
fn attached_input_and_output_pass_through() {
    let Some(home) = home() else { return };
    started(&home, "cat", &["-i"], &["sh", "-c", "cat; exit 4"]);
    let mut attach = home.command("attach", &["cat"]);
    let mut child = attach.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("attach starts");
    let mut input = child.stdin.take().expect("it is piped");
    let large = "0123456789abcdef".repeat(20_000);
    input.write_all(large.as_bytes()).expect("it takes input");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(500));
            home.ok("kill", &["-s", "KILL", "cat"]);
        });
        let out = child.wait_with_output().expect("attach ends");
        assert_eq!((out.status.code(), out.stdout.len()), (Some(137), large.len()));
    });
    drop(input);
    assert_eq!(
        home.refused("attach", &["cat"]),
        (1, "You cannot attach to a stopped container, start it first".to_string())
    );
}

#[test]
fn processes_and_numbers_of_a_container_are_shown() {
    let Some(home) = home() else { return };
    started(&home, "seen", &["-m", "64m"], &["sh", "-c", "sleep 100; true"]);
    std::thread::sleep(Duration::from_millis(200));
    let top = home.ok("top", &["seen", "-o", "pid,args"]);
    let commands: Vec<&str> =
        top.lines().map(|line| line.split_once(' ').map_or("", |(_, rest)| rest.trim())).collect();
    assert_eq!(commands, ["COMMAND", "sh -c sleep 100; true", "sleep 100"]);
    let stats = home.ok("stats", &["--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}"]);
    assert!(stats.starts_with("seen 2 ") && stats.ends_with(" / 64MiB"), "{stats}");
    home.ok("stop", &["-t", "0", "seen"]);
    let stats = home.ok("stats", &["-a", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}"]);
    assert_eq!(stats, "seen 0 0B / 0B");
    assert_eq!(home.refused("top", &["seen"]).0, 1);
}

#[test]
fn removal_takes_what_runs_with_force_only_and_volumes_when_asked() {
    let Some(home) = home() else { return };
    started(&home, "held", &["-v", "/data", "-v", "named:/more"], &["sleep", "100"]);
    let (status, said) = home.refused("rm", &["held"]);
    assert!(status == 1 && said.contains("You cannot remove a running container"), "{said}");
    assert_eq!(home.ok("rm", &["-fv", "held"]), "held");
    assert_eq!(home.ok("ps", &["-aq"]), "");
    let volumes = std::fs::read_dir(home.root().join("volumes")).expect("there are volumes");
    let names: Vec<_> =
        volumes.flatten().filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["named"]);
    assert_eq!(home.run("rm", &["-f", "held"]).status.code(), Some(0));
}

#[test]
fn verbs_work_where_there_is_version_two_of_cgroups_alone() {
    let Some(home) = home() else { return };
    // This thread has mounts of its own.
    let script = "umount /sys/fs/cgroup/*; umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup";
    let done = std::process::Command::new("sh").args(["-c", script]).stderr(Stdio::null()).status();
    assert!(done.expect("sh starts").success());
    let id =
        home.ok("run", &["-d", "--name", "two", "--net", "none", "base:1", "sh", "-c", "while :; do sleep 0.05; done"]);
    let group = format!("/sys/fs/cgroup/dockless/{id}");
    assert_eq!(home.ok("exec", &["two", "echo", "inside"]), "inside");
    assert_eq!(home.ok("pause", &["two"]), "two");
    let events = std::fs::read_to_string(format!("{group}/cgroup.events")).expect("its group is there");
    assert!(events.contains("frozen 1"), "{events}");
    assert_eq!(home.inspect("two", "{{.State.Status}}"), "paused");
    assert_eq!(home.ok("unpause", &["two"]), "two");
    let counted = home.ok("stats", &["--no-stream", "--format", "{{.Name}} {{.CPUPerc}}", "two"]);
    assert!(counted.starts_with("two ") && counted.ends_with('%'), "{counted}");
    home.ok("stop", &["-t", "0", "two"]);
    assert_eq!(home.inspect("two", STATE), "exited 137");
    assert!(!std::path::Path::new(&group).exists(), "its group is left");
}
