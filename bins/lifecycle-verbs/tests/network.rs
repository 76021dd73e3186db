//! Containers that `run` brought onto a network of the user's: names, aliases and links, questions for others, published
//! ports from the host itself. In a network namespace of the test's own; dockerd makes the networks, and ends before.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use testkit::engine::{Dockerd, is_here};
use testkit::home::Home;

/// What the server outside says that every name has.
const ELSEWHERE: [u8; 4] = [192, 0, 2, 99];

fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// This thread in namespaces of its own, where a server on 127.0.0.1 answers for the world, and a root with two networks.
fn home() -> Option<Home> {
    if !is_here("dockerd") || !is_here("busybox") {
        return None;
    }
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("these tests need root");
    sh("mount --make-rprivate / && ip link set lo up");
    sh("ip link add eth5 type veth peer name out5 && ip link set eth5 up && ip link set out5 up");
    let home = Home::new()?;
    let file = home.place().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
    sh(&format!("mount --bind {} /etc/resolv.conf", file.display()));
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    thread::spawn(move || world(&server));
    {
        let flags = ["--bridge=none", "--iptables=false", "--ip6tables=false"];
        let daemon = Dockerd::with_flags(&home.root(), &flags);
        daemon.docker(&["network", "create", "--subnet", "172.20.0.0/16", "own"]);
        daemon.docker(&["network", "create", "--ipv6", "--subnet", "172.21.0.0/16", "--subnet", "fd00:7::/64", "six"]);
        let lan = ["-d", "macvlan", "--subnet", "10.5.0.0/24", "--gateway", "10.5.0.1", "-o", "parent=eth5"];
        daemon.docker(&[&["network", "create"], &lan[..], &["lan"]].concat());
        daemon.docker(&["network", "create", "--internal", "--subnet", "172.22.0.0/16", "inner"]);
    }
    sh("for link in $(ip -o link show type bridge | sed 's/^[0-9]*: //; s/:.*//'); do ip link del $link; done");
    Some(home)
}

/// Answers every question for an IPv4 address with the same, and others with nothing.
fn world(server: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, from)) = server.recv_from(&mut question) {
        let is_a = question[length - 3] == 1;
        let mut answer = question[..length].to_vec();
        answer[2] |= 0x80;
        answer[7] = u8::from(is_a);
        answer[8..12].fill(0);
        if is_a {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(ELSEWHERE);
        }
        let _ = server.send_to(&answer, from);
    }
}

/// What a container's programs find under a name: `-` for nothing.
fn found(home: &Home, container: &str, name: &str) -> String {
    let out = home.run("exec", &[container, "busybox", "nslookup", name]);
    let text = String::from_utf8_lossy(&out.stdout);
    let after = text.split_once("\nName:").map(|(_, rest)| rest).unwrap_or_default();
    let address = after.lines().find_map(|line| line.strip_prefix("Address:"));
    address.map_or("-".to_owned(), |address| address.trim().to_owned())
}

const SERVE: &str = "echo well > /tmp/said; while :; do busybox nc -l -p 80 < /tmp/said; done";

/// What answers at a port of the host's.
fn asked(place: &str) -> Option<String> {
    let ask = || {
        let mut stream = TcpStream::connect(place).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text).filter(|text| !text.is_empty())
    };
    (0..10).find_map(|_| ask().or_else(|| [thread::sleep(Duration::from_millis(100))].is_empty().then(String::new)))
}

#[test]
fn names_aliases_and_links_are_answered_and_the_rest_is_asked_outside() {
    let Some(home) = home() else { return };
    home.ok("run", &["-d", "--name", "web", "--network", "own", "--network-alias", "www", "base:1", "sleep", "100"]);
    home.ok("run", &["-d", "--name", "db", "--network", "own", "--link", "web:front", "base:1", "sleep", "100"]);
    home.ok("run", &["-d", "--name", "far", "--network", "inner", "base:1", "sleep", "100"]);
    let web = home.inspect("web", "{{.NetworkSettings.Networks.own.IPAddress}}");
    let db = home.inspect("db", "{{.NetworkSettings.Networks.own.IPAddress}}");
    assert_eq!(home.ok("exec", &["db", "cat", "/etc/resolv.conf"]), "nameserver 127.0.0.11\noptions ndots:0");
    let short = &home.inspect("web", "{{.Id}}")[..12];
    for name in ["web", "www", "front", "web.own", "WEB", short] {
        assert_eq!(found(&home, "db", name), web, "{name}");
    }
    assert_eq!(found(&home, "web", "db"), db);
    assert_eq!(found(&home, "web", "example.org"), "192.0.2.99", "the host's server is asked");
    assert_eq!(found(&home, "far", "web"), "-", "not of its network");
    assert_eq!(found(&home, "far", "example.org"), "-", "an internal network asks nobody");
    let link = home.ok("exec", &["db", "busybox", "nslookup", &web]);
    assert!(link.contains("name = web.own"), "{link}");
    // Started again, it has another network namespace.
    home.ok("restart", &["-t", "0", "db"]);
    thread::sleep(Duration::from_millis(700));
    assert_eq!(found(&home, "db", "www"), web, "after a restart");
    home.ok("rm", &["-f", "web"]);
    assert_eq!(found(&home, "db", "front"), "192.0.2.99", "what is not there any more is asked outside");
}

#[test]
fn published_ports_are_reached_from_the_host_by_every_address_of_it() {
    let Some(home) = home() else { return };
    for (network, port) in [("bridge", "8080"), ("own", "8081"), ("six", "8082")] {
        let port_flag = format!("{port}:80");
        home.ok("run", &["-d", "--name", network, "--network", network, "-p", &port_flag, "base:1", "sh", "-c", SERVE]);
        for host in ["127.0.0.1", "[::1]", "172.17.0.1"] {
            assert_eq!(asked(&format!("{host}:{port}")).as_deref(), Some("well\n"), "{network} by {host}");
        }
        let ports = home.inspect(network, "{{json .NetworkSettings.Ports}}");
        let both = format!(
            r#"{{"80/tcp":[{{"HostIp":"0.0.0.0","HostPort":"{port}"}},{{"HostIp":"::","HostPort":"{port}"}}]}}"#
        );
        assert_eq!(ports, both, "{network}");
        for place in ["0.0.0.0", "[::]", "127.0.0.1"] {
            assert!(TcpListener::bind(format!("{place}:{port}")).is_err(), "nobody else takes {place}:{port}");
        }
    }
    assert_eq!(home.inspect("six", "{{.NetworkSettings.Networks.six.IPv6Gateway}}"), "fd00:7::1");
    home.ok("restart", &["-t", "0", "own"]);
    assert_eq!(asked("[::1]:8081").as_deref(), Some("well\n"), "after a restart");
    home.ok("stop", &["-t", "0", "own"]);
    drop(TcpListener::bind("[::]:8081").expect("what is published no more is free"));
    let held = TcpListener::bind("[::1]:8081").unwrap();
    let (status, said) = home.refused("start", &["own"]);
    assert!(status != 0 && said.contains("port 8081/tcp of :: is wanted by"), "{said}");
    drop(held);
    home.ok("start", &["own"]);
    assert_eq!(asked("[::1]:8081").as_deref(), Some("well\n"), "once it is free again");
}

#[test]
fn a_container_lies_on_the_hosts_own_interface() {
    let Some(home) = home() else { return };
    let tried = Command::new("sh").args(["-c", "ip link add m5 link eth5 type macvlan && ip link del m5"]).status();
    if !tried.unwrap().success() {
        return eprintln!("no verdict: this kernel has no macvlan");
    }
    sh("ip addr add 10.5.0.1/24 dev out5");
    home.ok("run", &["-d", "--name", "web", "--network", "lan", "-p", "8080:80", "base:1", "sleep", "100"]);
    let flags = ["--network", "lan", "--ip", "10.5.0.77", "--mac-address", "02:42:00:11:22:33"];
    home.ok("run", &[&["-d", "--name", "db"], &flags[..], &["base:1", "sleep", "100"]].concat());
    for _ in 0..2 {
        let routes = home.ok("exec", &["web", "busybox", "ip", "route"]);
        assert!(routes.starts_with("default via 10.5.0.1 dev eth0"), "{routes}");
        home.ok("exec", &["web", "busybox", "ping", "-c", "1", "-W", "3", "10.5.0.1"]);
        home.ok("exec", &["web", "busybox", "ping", "-c", "1", "-W", "3", "10.5.0.77"]);
        assert_eq!(found(&home, "web", "db"), "10.5.0.77");
        assert!(home.ok("exec", &["db", "busybox", "ip", "link", "show", "eth0"]).contains("02:42:00:11:22:33"));
        home.ok("restart", &["-t", "0", "web"]);
    }
    let place = "{{.NetworkSettings.Networks.lan.Gateway}} {{.NetworkSettings.Networks.lan.MacAddress}}";
    assert_eq!(home.inspect("db", place), "10.5.0.1 02:42:00:11:22:33");
    assert_eq!(home.inspect("web", "{{json .NetworkSettings.Ports}}"), "{}", "nothing is published on such a network");
}

#[test]
fn a_container_starts_while_another_is_about_to_be_taken_down() {
    let Some(home) = home() else { return };
    home.ok("run", &["-d", "--name", "ends", "-p", "8093:80", "base:1", "sleep", "100"]);
    let pid = home.inspect("ends", "{{.State.Pid}}");
    let beside = sh(&format!("awk '{{print $4}}' /proc/{pid}/stat"));
    let beside = beside.trim();
    // Whoever attends it does not come to it.
    sh(&format!("kill -STOP {beside}; kill -KILL {pid}; while readlink /proc/{pid}/ns/net; do sleep 0.02; done"));
    let (status, said) = home.refused("run", &["-d", "--name", "starts", "base:1", "sleep", "100"]);
    sh(&format!("kill -CONT {beside}"));
    assert_eq!((status, said), (0, String::new()));
    home.ok("wait", &["ends"]);
    home.ok("rm", &["-f", "ends", "starts"]);
}
