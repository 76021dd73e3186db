//! Beside firewalld and ufw, each in a network namespace with the host that it guards: they are told of, containers are
//! reached and reach the outside, and neither changes what the other has.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod lab;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::engine::is_here;

use lab::{HOST, Kept, Lab, OUTSIDE, ask_soon, container, run, snapshot, unchanged};

/// A program of the test's, ended with the value.
struct Running(Child);

impl Running {
    fn new(program: &str, args: &[&str]) -> Running {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Waits until a command is done well.
fn wait_for(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let done = || Command::new(words[0]).args(&words[1..]).output().is_ok_and(|out| out.status.success());
    let soon = (0..600).any(|_| done() || [thread::sleep(Duration::from_millis(50))].is_empty());
    assert!(soon, "{line}");
}

/// A folder of this test's own, over one of the system's.
fn own(folder: &str) {
    fs::create_dir_all(folder).unwrap();
    run(&format!("mount -t tmpfs tmpfs {folder}"));
}

/// Firewalld with a bus of its own.
fn firewalld(lab: &Lab) -> [Running; 2] {
    ["/run/dbus", "/run/firewalld"].iter().for_each(|folder| own(folder));
    let configs = lab.state.path().join("firewalld");
    run(&format!("cp -a /etc/firewalld {}", configs.display()));
    let bus = Running::new("dbus-daemon", &["--system", "--nofork", "--nopidfile"]);
    wait_for("test -S /run/dbus/system_bus_socket");
    let configs = configs.to_str().unwrap();
    let daemon = Running::new("firewalld", &["--nofork", "--nopid", "--system-config", configs]);
    wait_for("firewall-cmd --state");
    [daemon, bus]
}

/// A container that publishes a port, one of the host's own that is closed to the outside, and how all was before.
struct Scene {
    before: String,
    web: Kept,
    objects: Value,
    _host: TcpListener,
}

impl Scene {
    fn new(lab: &Lab) -> Scene {
        let host = TcpListener::bind(format!("{HOST}:9000")).unwrap();
        let (before, web) = (snapshot(), Kept::new());
        web.serve(80);
        lab.outside.serve(7);
        let ports = json!({ "80/tcp": [{ "HostPort": "8080" }] });
        Scene { before, objects: json!([container("web", web.0.id(), "bridge", ports)]), web, _host: host }
    }
}

/// A container with a published port, and the outside: each reaches the other.
fn reached(lab: &Lab, web: &Kept, when: &str) {
    let soon = |ask: &dyn Fn() -> Option<String>| (0..6).find_map(|_| ask());
    assert!(soon(&|| lab.outside.ask(&format!("{HOST}:8080"))).is_some(), "{when}: the published port from outside");
    assert!(ask_soon("127.0.0.1:8080").is_some(), "{when}: the published port from the host");
    assert!(lab.outside.ask("172.17.0.2:80").is_none(), "{when}: the container itself");
    assert_eq!(soon(&|| web.ask(&format!("{OUTSIDE}:7"))).as_deref(), Some(HOST), "{when}: the outside");
}

#[test]
fn firewalld_is_told_of_our_bridges_and_goes_on_guarding_the_rest() {
    if !is_here("firewalld") || !is_here("dbus-daemon") {
        return;
    }
    let lab = Lab::new();
    let _running = firewalld(&lab);
    // Firewalld keeps the chains of a zone that was in use once, and a reload puts all into another order.
    run("ip link add other0 type bridge");
    run("firewall-cmd --permanent --zone=trusted --add-interface=other0");
    run("firewall-cmd --reload");
    let scene = Scene::new(&lab);
    let Scene { before, web, objects, .. } = &scene;
    let (status, said, _) = lab.done(&["up", "--dry-run", "-"], &objects.to_string());
    assert!(status == 0 && said.contains("put docker0 into firewalld's zone trusted"), "{said}");
    unchanged(before, "after a dry run");
    lab.up(&objects.to_string());
    reached(&lab, web, "up");
    assert!(lab.outside.ask(&format!("{HOST}:9000")).is_none(), "what firewalld closes stays closed");
    assert_eq!(run("firewall-cmd --get-zone-of-interface=docker0").trim(), "trusted");
    let again = lab.done(&["up", "--dry-run", "-"], &objects.to_string());
    assert_eq!(again, (0, String::new(), String::new()));
    let (_, seen, _) = lab.done(&["check"], "");
    assert!(seen.contains("firewalld runs, docker0 is in its zone trusted"), "{seen}");
    // Where FlushAllOnReload is on, as it is by default, a reload forgets what is in no file.
    run("firewall-cmd --reload");
    assert!(lab.outside.ask(&format!("{HOST}:8080")).is_some(), "what is published is reached after a reload");
    let (status, seen, _) = lab.done(&["check"], "");
    assert!(status == 1 && seen.contains("docker0 is in none of its zones"), "{seen}");
    let file = lab.state.path().join("objects");
    fs::write(&file, objects.to_string()).unwrap();
    let (status, seen, _) = lab.done(&["diff", file.to_str().unwrap()], "");
    assert!(status == 1 && seen.contains("firewalld") && seen.contains("docker0"), "{seen}");
    lab.up(&objects.to_string());
    reached(&lab, web, "up again");
    lab.down();
    unchanged(before, "after down");
    // Killed at each word to firewalld, and at whatever else is sent or written.
    for call in ["write", "sendto"] {
        let mut nth = 1;
        while is_here("strace") && lab.killed(&["up", "-q", file.to_str().unwrap()], call, nth) {
            lab.down();
            unchanged(before, &format!("up was killed at {call} {nth}"));
            nth += 2;
        }
        lab.down();
    }
}

/// Ufw with its files in a folder of the test's own.
fn ufw(lab: &Lab) {
    let copy = lab.state.path().join("ufw");
    run(&format!("cp -a /etc/ufw {}", copy.display()));
    run(&format!("mount --bind {} /etc/ufw", copy.display()));
    run("ufw --force enable");
    // A reload puts the chains into another order.
    run("ufw reload");
}

#[test]
fn ufw_goes_on_guarding_and_lets_our_containers_through() {
    if !is_here("ufw") {
        return;
    }
    let lab = Lab::new();
    ufw(&lab);
    let scene = Scene::new(&lab);
    let Scene { before, web, objects, .. } = &scene;
    lab.up(&objects.to_string());
    reached(&lab, web, "up");
    assert!(lab.outside.ask(&format!("{HOST}:9000")).is_none(), "what ufw closes stays closed");
    let (_, seen, _) = lab.done(&["check"], "");
    assert!(seen.contains("ufw has rules") && seen.contains("policy of FORWARD is DROP"), "{seen}");
    run("ufw allow 9000/tcp");
    assert!(lab.outside.ask(&format!("{HOST}:9000")).is_none(), "nobody answers there");
    run("ufw delete allow 9000/tcp");
    run("ufw reload");
    reached(&lab, web, "after a reload");
    lab.up(&objects.to_string());
    lab.down();
    unchanged(before, "after down");
    assert!(Path::new("/etc/ufw/ufw.conf").exists());
}
