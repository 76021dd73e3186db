//! `net up` and `net down` with packets, in network namespaces of the test's own: an outside, a host, containers.
//! Needs root, unshare, ip, nft and iptables.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod lab;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::json;

use lab::{HOST, Kept, Lab, OUTSIDE, ask, ask_soon, container, network, run, snapshot, unchanged};

/// The matrix: from where, to what, and whether something answers.
fn reach(lab: &Lab, web: &Kept, peer: &Kept) -> Vec<(&'static str, bool)> {
    let is = |answer: Option<String>| answer.is_some();
    vec![
        ("outside to the published port", is(lab.outside.ask("192.0.2.1:8080"))),
        ("host to its own address", is(ask("192.0.2.1:8080"))),
        ("host to 127.0.0.1", is(ask("127.0.0.1:8080"))),
        ("container to itself by the gateway", is(web.ask("172.17.0.1:8080"))),
        ("neighbour by the gateway", is(peer.ask("172.17.0.1:8080"))),
        ("neighbour directly, a port that is not published", is(peer.ask("172.17.0.2:99"))),
        ("host directly, a port that is not published", is(ask("172.17.0.2:99"))),
        ("host to a port of 127.0.0.1", is(ask("127.0.0.1:8081"))),
        ("outside to a port of 127.0.0.1", is(lab.outside.ask("192.0.2.1:8081"))),
        ("outside to the container, published port", is(lab.outside.ask("172.17.0.2:80"))),
        ("outside to the container, another port", is(lab.outside.ask("172.17.0.2:99"))),
    ]
}

#[test]
fn published_ports_are_reached_and_others_are_not() {
    for policy in ["ACCEPT", "DROP"] {
        let lab = Lab::new();
        run(&format!("iptables -P FORWARD {policy}"));
        let before = snapshot();
        let (web, peer) = (Kept::new(), Kept::new());
        let ports =
            json!({ "80/tcp": [{ "HostPort": "8080" }], "81/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8081" }] });
        let input = json!([
            container("web", web.0.id(), "bridge", ports),
            container("xpeer", peer.0.id(), "bridge", json!({}))
        ]);
        lab.up(&input.to_string());
        [80, 81, 99].iter().for_each(|port| web.serve(*port));
        lab.outside.serve(7);
        assert!(ask_soon("127.0.0.1:8080").is_some(), "policy {policy}");
        let reached = reach(&lab, &web, &peer);
        let wrong: Vec<_> = reached.iter().enumerate().filter(|(at, (_, answered))| *answered != (*at < 8)).collect();
        assert!(wrong.is_empty(), "policy {policy}: {wrong:?}");
        assert_eq!(
            web.ask(&format!("{OUTSIDE}:7")).as_deref(),
            Some(HOST),
            "packets to the outside have the host's address"
        );
        lab.down();
        unchanged(&before, &format!("policy {policy}"));
    }
}

#[test]
fn networks_are_kept_apart() {
    let lab = Lab::new();
    let (one, two, inner) = (Kept::new(), Kept::new(), Kept::new());
    let ports = json!({ "80/tcp": [{ "HostPort": "8080" }] });
    let input = json!([
        network("one", "10.1.0.0/24", false),
        network("two", "10.2.0.0/24", false),
        network("inner", "10.3.0.0/24", true),
        container("a", one.0.id(), "one", ports),
        container("b", two.0.id(), "two", json!({})),
        container("c", inner.0.id(), "inner", json!({})),
    ]);
    lab.up(&input.to_string());
    one.serve(80);
    lab.outside.serve(7);
    assert_eq!(two.ask("10.1.0.2:80"), None, "another network");
    assert!(two.ask("192.0.2.1:8080").is_some(), "another network's published port");
    assert_eq!(inner.ask("10.1.0.2:80"), None, "from an internal network");
    assert_eq!(inner.ask(&format!("{OUTSIDE}:7")), None, "from an internal network to the outside");
    assert!(one.ask(&format!("{OUTSIDE}:7")).is_some());
    let (status, _, said) = lab.done(&["down", "a"], "");
    assert_eq!((status, said.as_str()), (0, ""));
    assert_eq!(two.ask("192.0.2.1:8080"), None, "a container that is down publishes nothing");
    lab.down();
}

/// What 127.0.0.11 answers to a question for an address: the last four bytes, and the code.
fn lookup(of: &Kept, name: &str) -> (Vec<u8>, u8) {
    let labels: Vec<u8> = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    let question = [&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &labels[..], &[0, 0, 1, 0, 1]].concat();
    of.namespace()
        .unwrap()
        .within(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            socket.send_to(&question, "127.0.0.11:53").unwrap();
            let mut answer = [0; 512];
            let (length, from) = socket.recv_from(&mut answer).unwrap();
            assert_eq!(from.to_string(), "127.0.0.11:53");
            (answer[length - 4..length].to_vec(), answer[3] & 15)
        })
        .unwrap()
}

#[test]
fn names_of_the_same_network_are_answered_and_the_resolver_ends_with_it() {
    let lab = Lab::new();
    let (web, db, far) = (Kept::new(), Kept::new(), Kept::new());
    let input = json!([
        network("one", "10.1.0.0/24", true),
        container("web", web.0.id(), "one", json!({})),
        container("db", db.0.id(), "one", json!({})),
        container("far", far.0.id(), "bridge", json!({})),
    ]);
    lab.up(&input.to_string());
    lab.up(&input.to_string());
    assert_eq!(lookup(&web, "db").0, lookup(&db, "db").0);
    assert_eq!((lookup(&web, "db").1, lookup(&web, "DB.one").1, lookup(&web, "web").0), (0, 0, vec![10, 1, 0, 3]));
    assert_eq!(lookup(&web, "far").1, 3, "not of its network, and an internal network asks nobody");
    let resolvers = || {
        let names = fs::read_dir(lab.state.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".resolver")).count()
    };
    assert_eq!(resolvers(), 2);
    lab.down();
    let gone = (0..40).any(|_| {
        thread::sleep(Duration::from_millis(50));
        resolvers() == 0
    });
    assert!(gone, "a resolver still runs");
}

#[test]
fn the_same_again_changes_nothing() {
    let lab = Lab::new();
    let web = Kept::new();
    let input =
        json!([container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }], "53/udp": [{}] }))]);
    lab.up(&input.to_string());
    let first = run("nft -a list ruleset") + &snapshot();
    assert_eq!(lab.done(&["up", "--dry-run", "-"], &input.to_string()), (0, String::new(), String::new()));
    lab.up(&input.to_string());
    assert_eq!(run("nft -a list ruleset") + &snapshot(), first);
    lab.down();
}

#[test]
fn a_killed_up_is_undone_and_can_be_done_again() {
    let lab = Lab::new();
    fs::write("/proc/sys/net/ipv4/conf/up0/forwarding", "1").unwrap();
    let before = snapshot();
    let web = Kept::new();
    let input =
        json!([container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] }))]).to_string();
    web.serve(80);
    for step in 0..20 {
        let mut child = lab.net(&["up", "-q", "-"], &input);
        thread::sleep(Duration::from_micros(step * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        if step % 2 == 0 {
            lab.up(&input);
            assert!(ask_soon("127.0.0.1:8080").is_some(), "after a kill at step {step}");
        }
        lab.down();
        unchanged(&before, &format!("after a kill at step {step}"));
    }
}

#[test]
fn what_stands_against_it_is_named_and_nothing_is_changed() {
    let lab = Lab::new();
    let web = Kept::new();
    let _held = TcpListener::bind("0.0.0.0:8080").unwrap();
    run("ip route add 172.17.3.0/24 via 192.0.2.9");
    let before = snapshot();
    let ports =
        json!({ "80/tcp": [{ "HostPort": "8080" }], "81/tcp": [{ "HostIp": "203.0.113.9", "HostPort": "81" }] });
    let input = json!([container("web", web.0.id(), "bridge", ports)]).to_string();
    let (status, _, said) = lab.done(&["up", "-"], &input);
    assert_eq!(status, 1);
    for text in [
        "network 'bridge' with 172.17.0.1/16 overlaps the route to 172.17.3.0/24 by 'up0'",
        "port 8080/tcp of 0.0.0.0 is wanted by container 'web' and held by process",
        "port 81/tcp of 203.0.113.9 is wanted by container 'web', and this host has no such address",
    ] {
        assert!(said.contains(text), "{said}");
    }
    let none = json!([container("lost", 0, "bridge", json!({}))]).to_string();
    let (status, _, said) = lab.done(&["up", "-"], &none);
    assert!(status == 1 && said.contains("container 'lost' has no process and no network namespace"), "{said}");
    unchanged(&before, "in the end");
    assert_eq!(
        fs::read_dir(lab.state.path())
            .unwrap()
            .map(|e| PathBuf::from(e.unwrap().file_name()))
            .filter(|p| p.extension().is_some_and(|e| e == "json"))
            .count(),
        0
    );
}

#[test]
fn hosts_and_resolv_conf_are_there_while_the_container_is_up() {
    let lab = Lab::new();
    let (web, db) = (Kept::new(), Kept::new());
    let mut linked = container("web", web.0.id(), "bridge", json!({}));
    linked["HostConfig"]["Links"] = json!(["/db:/web/store"]);
    linked["Config"] = json!({ "Hostname": "front" });
    let input = json!([network("one", "10.1.0.0/24", false), linked, container("db", db.0.id(), "bridge", json!({})),]);
    lab.up(&input.to_string());
    let files = || {
        let folders = fs::read_dir(lab.state.path()).unwrap().map(|entry| entry.unwrap().path());
        let folder = folders.into_iter().find(|path| path.extension().is_some_and(|end| end == "files"));
        folder.map(|folder| folder.join(format!("{:0>64}", "web")))
    };
    let web_files = files().unwrap();
    let hosts = fs::read_to_string(web_files.join("hosts")).unwrap();
    let own = "172.17.0.2\tstore 000000000000 db\n172.17.0.3\tfront\n";
    assert_eq!(hosts, format!("{}{own}", wire::files::HOSTS));
    assert!(fs::read_to_string(web_files.join("resolv.conf")).unwrap().contains("nameserver "));
    lab.down();
    assert_eq!(files(), None);
}

#[test]
fn ports_of_others_are_not_given_out_where_any_will_do() {
    let lab = Lab::new();
    let web = Kept::new();
    let _held = (TcpListener::bind("0.0.0.0:32768").unwrap(), TcpListener::bind("127.0.0.1:9000").unwrap());
    let ports = json!({ "80/tcp": [{ "HostPort": "" }], "81/tcp": [{ "HostPort": "9000-9001" }] });
    let input = json!([container("web", web.0.id(), "bridge", ports)]).to_string();
    let (status, said, _) = lab.done(&["up", "-"], &input);
    assert!(status == 0 && said.contains("0.0.0.0:32769->80/tcp") && said.contains("0.0.0.0:9001->81/tcp"), "{said}");
    lab.down();
}

#[test]
fn addresses_of_others_and_missing_privilege_are_named() {
    let lab = Lab::new();
    let (one, two) = (Kept::new(), Kept::new());
    let with = |name: &str, pid: u32, address: &str| {
        let mut one = container(name, pid, "bridge", json!({}));
        one["NetworkSettings"]["Networks"]["bridge"] = json!({ "IPAddress": address, "IPPrefixLen": 16 });
        one
    };
    let first = with("one", one.0.id(), "172.17.0.9");
    lab.up(&json!([first]).to_string());
    let before = snapshot();
    for (address, by) in [
        ("172.17.0.9", "address 172.17.0.9 is wanted by container 'two' and by 'one'"),
        ("172.17.0.1", "address 172.17.0.1 is wanted by container 'two' and is that of 'docker0'"),
    ] {
        let (status, _, said) = lab.done(&["up", "-"], &json!([with("two", two.0.id(), address)]).to_string());
        assert!(status == 1 && said.contains(by), "{said}");
    }
    unchanged(&before, "after refusals");
    lab.down();

    let input = lab.state.path().join("objects");
    fs::write(&input, json!([first]).to_string()).unwrap();
    let state = format!("--state-dir={}/of-nobody", lab.state.path().display());
    run(&format!("chmod 777 {}", lab.state.path().display()));
    let program = lab.state.path().join("net");
    fs::copy(env!("CARGO_BIN_EXE_net"), &program).unwrap();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--clear-groups"]).arg(program).args(["up", &state]).arg(input);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("CAP_NET_ADMIN"), "{said}");
}

#[test]
fn ports_of_ipv6_addresses_are_carried_to_containers_without_ipv6() {
    let lab = Lab::new();
    run("ip -6 addr add fd00:9::1/64 dev up0 nodad");
    let before = snapshot();
    let web = Kept::new();
    let ports = json!({
        "80/tcp": [{ "HostIp": "::1", "HostPort": "8080" }, { "HostIp": "fd00:9::1", "HostPort": "8081" }],
        "53/udp": [{ "HostIp": "::1", "HostPort": "5353" }],
        "99/tcp": [{ "HostPort": "9999" }],
    });
    let input = json!([container("web", web.0.id(), "bridge", ports)]).to_string();
    let held = TcpListener::bind("[::1]:8080").unwrap();
    let (status, _, said) = lab.done(&["up", "-"], &input);
    assert!(status == 1 && said.contains("port 8080/tcp of ::1 is wanted by container 'web'"), "{said}");
    unchanged(&before, "after a refusal");
    drop(held);
    for _ in 0..2 {
        let (status, _, said) = lab.done(&["up", "-q", "--userland-proxy", "-"], &input);
        assert_eq!((status, said.as_str()), (0, ""));
    }
    [80, 99].iter().for_each(|port| web.serve(*port));
    let echo = web.namespace().unwrap().within(|| UdpSocket::bind("0.0.0.0:53").unwrap()).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = echo.recv_from(&mut buffer) {
            echo.send_to(&buffer[..length], from).unwrap();
        }
    });
    for to in ["[::1]:8080", "[fd00:9::1]:8081", "[::1]:9999", "127.0.0.1:9999"] {
        assert!(ask_soon(to).is_some(), "{to}");
    }
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.send_to(b"well", "[::1]:5353").unwrap();
    let mut answer = [0; 64];
    assert_eq!(socket.recv(&mut answer).map(|length| &answer[..length]).unwrap(), b"well");
    lab.down();
    let gone = (0..40).any(|_| {
        thread::sleep(Duration::from_millis(50));
        ask("[::1]:8080").is_none()
    });
    assert!(gone, "the proxy still runs");
    unchanged(&before, "in the end");
}

/// An outside that goes on sending from one socket, and what comes back.
struct Sender(UdpSocket);

impl Sender {
    fn new(lab: &Lab) -> Sender {
        let socket = lab.outside.namespace().unwrap().within(|| UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        Sender(socket)
    }

    fn ask(&self, to: &str) -> Option<String> {
        self.0.send_to(b"who", to).unwrap();
        let mut answer = [0; 64];
        let length = self.0.recv(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    fn ask_soon(&self, to: &str) -> Option<String> {
        (0..6).find_map(|_| self.ask(to))
    }
}

/// Answers each packet to port 53 inside with a name.
fn name_itself(kept: &Kept, name: &'static str) {
    let socket = kept.namespace().unwrap().within(|| UdpSocket::bind("0.0.0.0:53").unwrap()).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(name.as_bytes(), from);
        }
    });
}

#[test]
fn who_goes_on_sending_is_led_to_what_is_published_now() {
    let lab = Lab::new();
    let (other, first, second) = (Kept::new(), Kept::new(), Kept::new());
    let udp = json!({ "53/udp": [{ "HostPort": "5353" }] });
    // From here on the kernel keeps track of connections.
    lab.up(&json!([container("other", other.0.id(), "bridge", json!({}))]).to_string());
    let sender = Sender::new(&lab);
    let to = "192.0.2.1:5353";
    assert_eq!(sender.ask(to), None);
    name_itself(&first, "first");
    name_itself(&second, "second");
    lab.up(&json!([container("first", first.0.id(), "bridge", udp.clone())]).to_string());
    assert_eq!(sender.ask_soon(to).as_deref(), Some("first"));
    let (status, _, said) = lab.done(&["down", "first"], "");
    assert_eq!((status, said.as_str()), (0, ""));
    assert_eq!(sender.ask(to), None);
    let mut web = container("second", second.0.id(), "bridge", udp);
    web["NetworkSettings"]["Networks"]["bridge"] = json!({ "IPAddress": "172.17.0.77", "IPPrefixLen": 16 });
    lab.up(&json!([web]).to_string());
    assert_eq!(sender.ask_soon(to).as_deref(), Some("second"));
    lab.down();
    thread::sleep(Duration::from_millis(50));
    assert!(!run("conntrack -L").contains("172.17."), "{}", run("conntrack -L"));
}

#[test]
fn rules_that_the_kernel_refuses_change_nothing() {
    let lab = Lab::new();
    // A table of that name belongs to another program, as long as it runs: nobody else may touch it.
    let mut owner = std::process::Command::new("nft");
    owner.arg("-i").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut owner = owner.spawn().unwrap();
    let mut stdin = owner.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"add table ip dockless { flags owner; }\n").unwrap();
    while !run("nft list tables").contains("dockless") {
        thread::sleep(Duration::from_millis(5));
    }
    let before = snapshot();
    let web = Kept::new();
    let ports = json!({ "80/tcp": [{ "HostPort": "8080" }] });
    let (status, _, said) = lab.done(&["up", "-"], &json!([container("web", web.0.id(), "bridge", ports)]).to_string());
    assert!(status == 1 && said.contains("rules in table dockless"), "{said}");
    unchanged(&before, "after a refusal");
    assert_eq!(lab.done(&["ls"], "").1.lines().count(), 1);
    drop(stdin);
    owner.wait().unwrap();
}

#[test]
fn an_address_that_somebody_has_on_the_wire_is_not_given() {
    let lab = Lab::new();
    // A bridge of another's, on which somebody has taken addresses that no record tells of.
    for line in ["link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up"] {
        run(&format!("ip {line}"));
    }
    let (web, other) = (Kept::new(), Kept::new());
    let pid = other.0.id();
    run(&format!("ip link add other0 type veth peer name eth0 netns {pid}"));
    run("ip link set other0 master docker0 up");
    run(&format!("nsenter -t {pid} -n ip addr add 172.17.255.254/16 dev eth0"));
    run(&format!("nsenter -t {pid} -n ip link set eth0 up address 02:42:00:00:00:99"));
    let mut asking = container("web", web.0.id(), "bridge", json!({}));
    asking["NetworkSettings"]["Networks"]["bridge"] = json!({ "IPAddress": "172.17.255.254", "IPPrefixLen": 16 });
    let said = (0..20).find_map(|_| {
        let (status, _, said) = lab.done(&["up", "--dry-run", "-"], &json!([asking]).to_string());
        thread::sleep(Duration::from_millis(50));
        (status == 1).then_some(said)
    });
    let expected =
        "address 172.17.255.254 is wanted by container 'web' and in use on bridge 'docker0' by 02:42:00:00:00:99";
    assert!(said.as_ref().is_some_and(|said| said.contains(expected)), "{said:?}");
    run("ip neigh flush dev docker0");
    let before = snapshot();
    // Where any will do, it is the next one.
    let (status, said, _) =
        lab.done(&["up", "-"], &json!([container("web", web.0.id(), "bridge", json!({}))]).to_string());
    assert!(status == 0 && said.contains("172.17.255.253/16"), "{said}");
    lab.down();
    unchanged(&before, "after down");
}
