//! A host, an outside and containers, each a network namespace of the test's own. Needs root, unshare, nsenter, ip and nft.
#![allow(dead_code)] // each test takes what it needs

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use serde_json::json;
use wire::namespace::Namespace;

pub const OUTSIDE: &str = "192.0.2.9";
pub const HOST: &str = "192.0.2.1";

/// A process that keeps a network namespace, ended with the value.
pub struct Kept(pub Child);

impl Kept {
    pub fn new() -> Kept {
        let child = Command::new("unshare").args(["-n", "sleep", "600"]).spawn().expect("these tests need unshare");
        let kept = Kept(child);
        let host = Namespace::current().unwrap();
        while !kept.namespace().is_ok_and(|own| !own.is(&host).unwrap()) {
            thread::sleep(Duration::from_millis(5));
        }
        kept
    }

    pub fn namespace(&self) -> std::io::Result<Namespace> {
        Namespace::of(self.0.id())
    }

    /// Answers on a port with the address that asks.
    pub fn serve(&self, port: u16) {
        let listener = self.namespace().unwrap().within(|| TcpListener::bind(("0.0.0.0", port)).unwrap()).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let peer = stream.peer_addr().unwrap().ip().to_string();
                let _ = stream.write_all(peer.as_bytes());
            }
        });
    }

    pub fn ask(&self, to: &str) -> Option<String> {
        self.namespace().unwrap().within(|| ask(to)).unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What answers there; `None` for nothing.
pub fn ask(to: &str) -> Option<String> {
    let to: SocketAddr = to.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(400)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// What answers there soon: the kernel may take a second to notice that a link is up (linux/net/core/link_watch.c).
pub fn ask_soon(to: &str) -> Option<String> {
    (0..6).find_map(|_| ask(to))
}

pub fn run(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap_or_else(|e| panic!("{line}: {e}"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// This thread in a network namespace and a mount namespace of its own.
pub fn alone() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("these tests need root");
    run("mount --make-rprivate /");
    run("ip link set lo up");
}

/// The host's own state, without what changes by itself.
pub fn snapshot() -> String {
    // A bridge's state is told some time after its first port came up.
    let links = run("ip -o link").replace("state UNKNOWN", "state UP");
    let links = links.lines().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect::<Vec<_>>();
    let addresses = run("ip -4 -o addr").lines().map(|l| l.split_once(": ").unwrap().1.to_owned()).collect::<Vec<_>>();
    let settings =
        ["ipv4", "ipv6", "bridge", "netfilter"].map(|folder| settings(Path::new("/proc/sys/net").join(folder)));
    let routes = run("ip route show table all") + &run("ip -6 route show table all");
    [run("nft -s list ruleset"), links.join("\n"), addresses.join("\n"), routes, settings.join("")].join("\n")
}

/// Fails where the host is not as it was, with what differs.
pub fn unchanged(before: &str, when: &str) {
    let now = snapshot();
    let lines = |text: &str, other: &str| {
        let other: Vec<&str> = other.lines().collect();
        text.lines().filter(|line| !other.contains(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&now, before), lines(before, &now), "{when}");
    let moved = now.lines().zip(before.lines()).find(|(now, before)| now != before);
    assert_eq!(moved, None, "{when}: the same lines in another order");
}

/// All kernel settings below a folder, by name, but for what counts.
fn settings(folder: PathBuf) -> String {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(|entry| entry.file_name());
    let text = entries.into_iter().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => settings(entry.path()),
        _ if entry.file_name() == "nf_conntrack_count" => String::new(),
        _ => fs::read_to_string(entry.path())
            .map_or(String::new(), |value| format!("{}={value}", entry.path().display())),
    });
    text.collect()
}

pub struct Lab {
    pub outside: Kept,
    pub state: tempfile::TempDir,
}

impl Lab {
    /// This thread becomes the host, one link away from the outside.
    pub fn new() -> Lab {
        alone();
        fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        let outside = Kept::new();
        let pid = outside.0.id();
        run(&format!("ip link add up0 type veth peer name up1 netns {pid}"));
        // Nothing is to change by itself later.
        fs::write("/proc/sys/net/ipv6/conf/up0/accept_dad", "0").unwrap();
        run(&format!("ip addr add {HOST}/24 dev up0"));
        run("ip link set up0 up");
        for line in ["addr add 192.0.2.9/24 dev up1", "link set up1 up", "route add 172.16.0.0/12 via 192.0.2.1"] {
            run(&format!("nsenter -t {pid} -n ip {line}"));
        }
        // The kernel may take a second to notice that a link is up (linux/net/core/link_watch.c).
        while !run("ip -o link show up0").contains("state UP") {
            thread::sleep(Duration::from_millis(20));
        }
        Lab { outside, state: tempfile::tempdir().unwrap() }
    }

    pub fn net(&self, args: &[&str], input: &str) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_net"))
            .args(args)
            .args(["--state-dir", self.state.path().to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child
    }

    /// Exit status, stdout and stderr.
    pub fn done(&self, args: &[&str], input: &str) -> (i32, String, String) {
        let output = self.net(args, input).wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The same of a verb that knows no state.
    pub fn done_without_state(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_net")).args(args).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs `net` until its `nth` call of that name; whether it was killed there.
    pub fn killed(&self, args: &[&str], call: &str, nth: usize) -> bool {
        let inject = format!("inject={call}:signal=KILL:when={nth}");
        let mut command = Command::new("strace");
        command.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
        command.arg(env!("CARGO_BIN_EXE_net")).args(args).args(["--state-dir", self.state.path().to_str().unwrap()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        !command.status().unwrap().success()
    }

    pub fn up(&self, input: &str) {
        assert_eq!(self.done(&["up", "-q", "-"], input), (0, String::new(), String::new()));
    }

    pub fn down(&self) {
        assert_eq!(self.done(&["down"], ""), (0, String::new(), String::new()));
    }
}

pub fn container(name: &str, pid: u32, network: &str, ports: serde_json::Value) -> serde_json::Value {
    json!({
        "Id": format!("{name:0>64}"), "Name": format!("/{name}"), "State": { "Running": true, "Pid": pid },
        "HostConfig": { "NetworkMode": network, "PortBindings": ports },
        "NetworkSettings": { "Networks": { network: {} } },
    })
}

pub fn network(name: &str, subnet: &str, internal: bool) -> serde_json::Value {
    json!({
        "Name": name, "Id": format!("{name:0>64}"), "Driver": "bridge", "Internal": internal,
        "IPAM": { "Config": [{ "Subnet": subnet }] },
        "Options": { "com.docker.network.bridge.name": format!("b-{name}") },
    })
}

/// A root with `sleep` and what it needs, as a tar for `docker import`.
pub fn image(dir: &Path) -> PathBuf {
    let root = dir.join("image");
    let needs = run("ldd /bin/sleep");
    let files = needs.split_whitespace().filter(|word| word.starts_with('/')).chain(["/bin/sleep"]);
    for file in files {
        let place = root.join(&file[1..]);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(file, place).unwrap();
    }
    let tar = dir.join("image.tar");
    run(&format!("tar -C {} -cf {} .", root.display(), tar.display()));
    tar
}
