//! Beside a live dockerd and podman in the same network namespace: neither breaks the other, and each is told of.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod judge;
mod lab;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::json;
use testkit::engine::{Dockerd, docker_28, is_here};
use wire::namespace::Namespace;

use lab::{Kept, Lab, container, network, run, unchanged};

/// Podman with folders of its own.
struct Podman(tempfile::TempDir);

impl Podman {
    fn new(tar: &Path) -> Podman {
        let dir = tempfile::tempdir().unwrap();
        // Where CNI keeps its addresses.
        fs::create_dir_all("/var/lib/cni").unwrap();
        run("mount -t tmpfs tmpfs /var/lib/cni");
        let podman = Podman(dir);
        podman.podman(&["import", tar.to_str().unwrap(), "i"]);
        podman
    }

    fn podman(&self, args: &[&str]) -> String {
        let folder = |name: &str| self.0.path().join(name).display().to_string();
        let mut command = Command::new("podman");
        command.args(["--root", &folder("root"), "--runroot", &folder("run"), "--tmpdir", &folder("tmp")]);
        command.args(["--network-config-dir", &folder("net"), "--storage-driver", "vfs", "--runtime", "runc"]);
        command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "none"]);
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "podman {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&self, name: &str, port: &str) -> u32 {
        let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];
        let rest = ["--name", name, "-p", port, "i", "/bin/sleep", "300"];
        self.podman(&[&["run", "-d"], &limits[..], &rest[..]].concat());
        self.podman(&["inspect", "-f", "{{.State.Pid}}", name]).trim().parse().unwrap()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.podman(&["rm", "-af", "-t", "0"]);
    }
}

/// Answers on a port inside with a name.
fn serve(pid: u32, port: u16, name: &'static str) {
    let listener = Namespace::of(pid).unwrap().within(|| TcpListener::bind(("0.0.0.0", port)).unwrap()).unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| _ = stream.unwrap().write_all(name.as_bytes())));
}

fn docker_run(daemon: &Dockerd, name: &str, port: &str) -> u32 {
    daemon.docker(&["run", "-d", "--stop-signal", "KILL", "--name", name, "-p", port, "i", "/bin/sleep", "300"]);
    pid(daemon, name)
}

fn pid(daemon: &Dockerd, name: &str) -> u32 {
    daemon.docker(&["inspect", "-f", "{{.State.Pid}}", name]).trim().parse().unwrap()
}

/// Waits until no interface asks any more whether its address is somebody else's.
fn settled() {
    while !run("ip -6 -o addr show tentative").is_empty() {
        thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Who answers the outside on each port.
fn answers(lab: &Lab, expected: &[(u16, &str)]) {
    for (port, name) in expected {
        let answer = (0..6).find_map(|_| lab.outside.ask(&format!("{}:{port}", lab::HOST)));
        assert_eq!(answer.as_deref(), Some(*name), "port {port}");
    }
}

#[test]
fn neither_docker_nor_podman_nor_we_break_each_other() {
    if !is_here("dockerd") || !is_here("podman") {
        return;
    }
    let lab = Lab::new();
    // Docker drops what is forwarded, podman's packets too, where it has to switch forwarding on itself.
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("docker");
    let tar = lab::image(dir.path());
    let daemon = Dockerd::with_flags(&root, &["-s", "vfs"]);
    daemon.docker(&["import", tar.to_str().unwrap(), "i"]);
    serve(docker_run(&daemon, "box", "8081:80"), 80, "docker");
    let podman = Podman::new(&tar);
    serve(podman.run("pod", "8082:80"), 80, "podman");
    answers(&lab, &[(8081, "docker"), (8082, "podman")]);

    let (web, own) = (Kept::new(), Kept::new());
    let objects = json!([
        network("one", "10.1.0.0/24", false),
        container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] })),
        container("own", own.0.id(), "one", json!({ "80/tcp": [{ "HostPort": "8083" }] })),
    ]);
    lab.up(&objects.to_string());
    serve(web.0.id(), 80, "web");
    serve(own.0.id(), 80, "own");
    let all = [(8080, "web"), (8081, "docker"), (8082, "podman"), (8083, "own")];
    answers(&lab, &all);
    told(&lab, &root, &objects.to_string());

    // Both go on with their work while ours are up.
    daemon.docker(&["restart", "-t", "0", "box"]);
    serve(pid(&daemon, "box"), 80, "docker");
    daemon.docker(&["network", "create", "other"]);
    podman.podman(&["stop", "-t", "0", "pod"]);
    podman.podman(&["start", "pod"]);
    serve(podman.podman(&["inspect", "-f", "{{.State.Pid}}", "pod"]).trim().parse().unwrap(), 80, "podman");
    answers(&lab, &all);
    daemon.docker(&["network", "rm", "other"]);
    lab.down();
    answers(&lab, &all[1..3]);

    // And nothing of ours is left: with the others' as they were, all is as it was.
    settled();
    let again = lab::snapshot();
    lab.up(&objects.to_string());
    answers(&lab, &all);
    lab.down();
    unchanged(&again, "after the second down");
}

/// The same with docker 28, which drops what is forwarded and what goes to containers directly.
#[test]
fn neither_docker_28_nor_we_break_each_other() {
    let Some(enter) = docker_28() else { return };
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("docker");
    let tar = lab::image(dir.path());
    let daemon = Dockerd::of(Some(&enter), &root, &["-s", "vfs"]);
    daemon.docker(&["import", tar.to_str().unwrap(), "i"]);
    serve(docker_run(&daemon, "box", "8081:80"), 80, "docker");
    let (web, own, inner) = (Kept::new(), Kept::new(), Kept::new());
    let objects = json!([
        network("one", "10.1.0.0/24", false),
        network("inner", "10.2.0.0/24", true),
        container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] })),
        container("own", own.0.id(), "one", json!({ "80/tcp": [{ "HostPort": "8083" }] })),
        container("inner", inner.0.id(), "inner", json!({})),
    ])
    .to_string();
    let theirs = docker_rules(&daemon);
    // Twice, the second time with our own rules there already, and docker at work in between.
    for round in 0..2 {
        lab.up(&objects);
        if round == 0 {
            serve(web.0.id(), 80, "web");
            serve(own.0.id(), 80, "own");
            web.serve(99);
        }
        let all = [(8080, "web"), (8081, "docker"), (8083, "own")];
        answers(&lab, &all);
        assert_eq!(docker_rules(&daemon), theirs, "docker's rules are as they were");
        let leaks = ["172.17.0.2:80", "172.17.0.3:80", "172.17.0.3:99"].map(|to| lab.outside.ask(to));
        assert_eq!(leaks, [None, None, None], "containers are not reached by their own addresses");
        assert_eq!(lab.done(&["up", "--dry-run", "-"], &objects), (0, String::new(), String::new()));
        daemon.docker(&["network", "create", "other"]);
        daemon.docker(&["restart", "-t", "0", "box"]);
        serve(pid(&daemon, "box"), 80, "docker");
        answers(&lab, &all);
        let both = lab.state.path().join("both");
        fs::write(&both, judge::inspect(&daemon) + &objects).unwrap();
        let diff = || lab.done(&["diff", both.to_str().unwrap()], "");
        let (status, lines, _) = diff();
        let other = "missing: table dockless: filter-dockless-apart: oifname \"br-";
        assert!(status == 1 && lines.lines().all(|line| line.starts_with(other)), "a bridge that came since: {lines}");
        lab.up(&objects);
        assert_eq!(diff(), (0, String::new(), String::new()));
        daemon.docker(&["network", "rm", "other"]);
        lab.down();
        answers(&lab, &all[1..2]);
    }
}

/// Rules in docker's own chains, without counters.
fn docker_rules(daemon: &Dockerd) -> Vec<String> {
    let saved = String::from_utf8(daemon.program("iptables-save").output().unwrap().stdout).unwrap();
    saved.lines().filter(|line| line.starts_with("-A DOCKER")).map(str::to_owned).collect()
}

/// What the looking programs say of it.
fn told(lab: &Lab, root: &Path, objects: &str) {
    let (status, listed, _) = lab.done(&["ls"], "");
    assert_eq!(status, 0);
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{listed}"));
    // By CNI or by netavark, as it is installed.
    let podmans = if listed.contains("cni-podman0") { "cni-podman0" } else { "podman0" };
    for (bridge, owner) in [("docker0", " docker "), (podmans, " podman "), ("b-one", " dockless ")] {
        assert!(line(bridge).contains(owner) && line(bridge).contains("masquerade: "), "{listed}");
    }
    assert!(listed.contains("container web") && listed.contains("10.1.0.2/24"), "{listed}");

    let json = lab.state.path().join("objects");
    fs::write(&json, objects).unwrap();
    let diff = |extra: &[&str]| lab.done(&[&["diff"], extra, &[root.to_str().unwrap()]].concat(), "");
    assert_eq!(diff(&[json.to_str().unwrap()]), (0, String::new(), String::new()));
    let (status, lines, _) = diff(&[]);
    let stale = "stale: table dockless: port 8080/tcp of 0.0.0.0 goes to 172.17.";
    assert!(status == 1 && lines.contains(stale) && lines.contains("container 'web' is not in the records"), "{lines}");

    let taken = |port: &str| {
        let one = container("late", std::process::id(), "bridge", json!({ "80/tcp": [{ "HostPort": port }] }));
        lab.done(&["up", "-"], &json!([one]).to_string())
    };
    for (port, holder) in [("8081", "(docker-proxy)"), ("8082", "(conmon)")] {
        let (status, _, said) = taken(port);
        assert!(status == 1 && said.contains(holder) && said.contains("container 'late'"), "{said}");
    }

    let rule = run("iptables -t nat -S DOCKER");
    let rule = rule.lines().find(|rule| rule.contains("--dport 8081")).unwrap();
    run(&format!("iptables -t nat {}", rule.replacen("-A", "-D", 1)));
    run("iptables -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 9999 -j DNAT --to-destination 172.17.0.99:99");
    let (status, lines, _) = diff(&[json.to_str().unwrap()]);
    for said in ["missing: nat -A DOCKER", "port 8081/tcp", "stale: nat", "port 9999/tcp goes to 172.17.0.99:99"] {
        assert!(status == 1 && lines.contains(said), "{said}: {lines}");
    }
    run("iptables -t nat -D DOCKER ! -i docker0 -p tcp -m tcp --dport 9999 -j DNAT --to-destination 172.17.0.99:99");
    run(&format!("iptables -t nat {rule}"));
}
