//! The network of an ordinary user's container: a program that passes its packets on through sockets of the user's.
//!
//! pasta(1) or slirp4netns(1), whichever is installed; without either the container has none, which is said. It is started
//! when the container is, with the container's network namespace by its path, and ended with it. Its number lies in the
//! container's folder, so that whoever sweeps finds it.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model::Id;
use serde_json::{Map, Value, json};

use crate::network::Connected;
use crate::{LifeError, runtime};

/// What the container has as its own, in slirp4netns's usual network.
const ADDRESS: &str = "10.0.2.100";
const BITS: u8 = 24;
const GATEWAY: &str = "10.0.2.2";
/// Where questions for names go, which the program asks the host's servers.
const RESOLVER: &str = "10.0.2.3";
/// The name of its interface, as docker's.
const INTERFACE: &str = "eth0";
/// How long the program may take until the container has an address.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of the program, and slirp4netns's door, below the container's folder.
const NUMBER: &str = "network.pid";
const DOOR: &str = "network";

/// A port of this machine that leads to one of the container.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Published {
    address: Ipv4Addr,
    host: u16,
    port: u16,
    protocol: String,
}

/// Whether containers of this process have such a network.
pub fn is_it() -> bool {
    userns::person().is_some()
}

/// Refuses ports that only root may publish, before anything is started.
pub fn refuse(inspect: &Value) -> Result<(), LifeError> {
    if !is_it() || !crate::network::is_wanted(inspect) {
        return Ok(());
    }
    let least = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    let least = least.and_then(|text| text.trim().parse().ok()).unwrap_or(1024);
    match wanted(inspect).0.iter().flat_map(|wanted| wanted.hosts.clone()).find(|port| (1..least).contains(port)) {
        Some(port) => Err(LifeError::RootsPort { port, least }),
        None => Ok(()),
    }
}

/// The program that would connect a container, or why there is none.
pub fn program() -> Result<PathBuf, String> {
    may_make_interfaces()?;
    find(PROGRAMS[0]).or_else(|why| find(PROGRAMS[1]).map_err(|too| format!("{why}; {too}")))
}

/// Connects the container whose first process is `pid`, as well as this machine can.
pub fn connect(inspect: &Value, id: &Id, pid: i32) -> Result<Connected, LifeError> {
    let (wanted, mut warnings) = wanted(inspect);
    let published = free(&wanted)?;
    let mode = inspect["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
    if !matches!(mode, "" | "default" | "bridge") {
        warnings.push(format!("the network '{mode}' is root's to make: the container is on one of its own"));
    }
    let folder = runtime::place(id.as_str());
    let ready = may_make_interfaces();
    let begun = ready.and_then(|()| match pasta(&folder, pid, &published) {
        Ok(()) => Ok(()),
        Err(why) => slirp4netns(&folder, pid, &published).map_err(|too| format!("{why}; {too}")),
    });
    match begun {
        Ok(()) => Ok(Connected { warnings, ..connected(mode, &published) }),
        Err(why) => {
            warnings.push(format!("the container has no network, and no port is published: {why}"));
            Ok(Connected { warnings, ..Connected::default() })
        }
    }
}

/// Ends the program of a container, where there is one.
pub fn disconnect(id: &Id) {
    let place = runtime::place(id.as_str()).join(NUMBER);
    let Some(pid) = fs::read_to_string(&place).ok().and_then(|text| text.trim().parse().ok()) else { return };
    let _ = fs::remove_file(place);
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return };
    let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { return };
    // The number may be another's by now.
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
    if NAMES.iter().any(|program| name.starts_with(program)) {
        // It keeps nothing; gentler signals it has inherited as blocked.
        let _ = rustix::process::pidfd_send_signal(&handle, rustix::process::Signal::KILL);
        // It is our child, or its parent is gone.
        let _ = rustix::process::waitid(
            rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&handle)),
            rustix::process::WaitIdOptions::EXITED,
        );
    }
}

fn connected(mode: &str, published: &[Published]) -> Connected {
    let mut ports = Map::new();
    for one in published {
        let list = ports.entry(format!("{}/{}", one.port, one.protocol)).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({ "HostIp": one.address.to_string(), "HostPort": one.host.to_string() }));
        }
    }
    let name = if matches!(mode, "" | "default") { "bridge" } else { mode };
    let endpoint = json!({
        "IPAMConfig": Value::Null, "Links": Value::Null, "Aliases": Value::Null, "NetworkID": "", "EndpointID": "",
        "Gateway": GATEWAY, "IPAddress": ADDRESS, "IPPrefixLen": BITS, "IPv6Gateway": "", "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0, "MacAddress": "", "DriverOpts": Value::Null, "IPAMOperational": false,
    });
    Connected {
        address: Some(ADDRESS.to_string()),
        addresses: vec![ADDRESS.to_string()],
        gateway: Some(GATEWAY.to_string()),
        resolver: Some(RESOLVER.to_string()),
        warnings: Vec::new(),
        networks: Map::from_iter([(name.to_string(), endpoint)]),
        ports,
    }
}

// Ports ---------------------------------------------------------------------------------------------------------------

/// A port as the record asks for it.
struct Wanted {
    address: Ipv4Addr,
    /// The first of these that is free; 0 for any.
    hosts: Vec<u16>,
    port: u16,
    protocol: String,
}

/// A port that is had for the moment, so that it is given once only.
enum Had {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Wanted {
    /// Takes the first of its ports that nobody has. The text of the refusal is docker's.
    fn take(&self) -> Result<Had, LifeError> {
        let bound = |host: &u16| match &*self.protocol {
            "udp" => UdpSocket::bind((self.address, *host)).map(Had::Udp),
            _ => TcpListener::bind((self.address, *host)).map(Had::Tcp),
        };
        let port = self.hosts.first().copied().unwrap_or_default();
        let taken = || LifeError::PortTaken { address: self.address.into(), port };
        self.hosts.iter().find_map(|host| bound(host).ok()).ok_or_else(taken)
    }
}

/// A free port of this machine for each.
fn free(wanted: &[Wanted]) -> Result<Vec<Published>, LifeError> {
    let had = wanted.iter().map(Wanted::take).collect::<Result<Vec<_>, _>>()?;
    let published = |(wanted, had): (&Wanted, Had)| {
        let bound = match &had {
            Had::Tcp(socket) => socket.local_addr(),
            Had::Udp(socket) => socket.local_addr(),
        };
        let host = bound.map_err(|error| LifeError::Machine("take a port", error))?.port();
        let (address, port, protocol) = (wanted.address, wanted.port, wanted.protocol.clone());
        Ok(Published { address, host, port, protocol })
    };
    // Collected first: no port is let go of before all are had.
    wanted.iter().zip(had).map(published).collect()
}

/// The ports that a record publishes, and what of it cannot be done, in words.
fn wanted(inspect: &Value) -> (Vec<Wanted>, Vec<String>) {
    let host = &inspect["HostConfig"];
    let (mut out, mut warnings) = (Vec::new(), Vec::new());
    let mut put = |key: &str, address: &str, ports: &str| {
        let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let address = if address.is_empty() { Ok(Ipv4Addr::UNSPECIFIED.into()) } else { address.parse() };
        match (port.parse(), address, range(ports), protocol) {
            (Ok(port), Ok(IpAddr::V4(address)), Some(hosts), "tcp" | "udp") => {
                out.push(Wanted { address, hosts, port, protocol: protocol.to_string() })
            }
            _ => warnings.push(format!("'{key}' is not published: an ordinary user's are tcp and udp on IPv4")),
        }
    };
    let bindings = host["PortBindings"].as_object();
    for (key, list) in bindings.into_iter().flatten() {
        for one in list.as_array().into_iter().flatten() {
            put(key, one["HostIp"].as_str().unwrap_or_default(), one["HostPort"].as_str().unwrap_or_default());
        }
    }
    let exposed = inspect["Config"]["ExposedPorts"].as_object().filter(|_| host["PublishAllPorts"] == true);
    for key in exposed.into_iter().flat_map(Map::keys) {
        if bindings.is_none_or(|bindings| !bindings.contains_key(key)) {
            put(key, "", "");
        }
    }
    (out, warnings)
}

/// `8080`, `8000-8010`, or nothing for any.
fn range(text: &str) -> Option<Vec<u16>> {
    match text.split_once('-') {
        _ if text.is_empty() => Some(vec![0]),
        Some((first, last)) => Some((first.parse().ok()?..=last.parse().ok()?).collect()),
        None => Some(vec![text.parse().ok()?]),
    }
}

// Programs ------------------------------------------------------------------------------------------------------------

const PROGRAMS: [&str; 2] = ["pasta", "slirp4netns"];
/// What the kernel calls them: pasta is `passt` by another name, `passt.avx2` on newer processors.
const NAMES: [&str; 3] = ["pasta", "passt", "slirp4netns"];

/// `pasta`: the ports stand on its command line.
fn pasta(folder: &Path, pid: i32, published: &[Published]) -> Result<(), String> {
    let mut command = Command::new(find(PROGRAMS[0])?);
    command.args(["--foreground", "--quiet", "--config-net", "--ipv4-only", "--no-map-gw", "--ns-ifname", INTERFACE]);
    command.args(["--address", ADDRESS, "--netmask", &BITS.to_string(), "--gateway", GATEWAY]);
    command.args(["--dns-forward", RESOLVER, "--tcp-ns", "none", "--udp-ns", "none"]);
    for (flag, protocol) in [("--tcp-ports", "tcp"), ("--udp-ports", "udp")] {
        let own: Vec<&Published> = published.iter().filter(|one| one.protocol == protocol).collect();
        for one in &own {
            command.args([flag, &format!("{}/{}:{}", one.address, one.host, one.port)]);
        }
        if own.is_empty() {
            command.args([flag, "none"]);
        }
    }
    let namespace = Namespace::open(pid)?;
    command.arg("--netns").arg(namespace.path());
    begun(command, folder, pid).map(drop)
}

/// `slirp4netns`: the ports are asked for through its door.
fn slirp4netns(folder: &Path, pid: i32, published: &[Published]) -> Result<(), String> {
    let mut command = Command::new(find(PROGRAMS[1])?);
    let door = folder.join(DOOR);
    command.args(["--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path", "--api-socket"]);
    let namespace = Namespace::open(pid)?;
    command.arg(&door).arg(namespace.path()).arg(INTERFACE);
    let mut child = begun(command, folder, pid)?;
    let asked = published.iter().try_for_each(|one| ask(&door, one));
    if asked.is_err() {
        let _ = child.kill().and_then(|()| child.wait());
        let _ = fs::remove_file(folder.join(NUMBER));
    }
    asked
}

/// Asks slirp4netns for a port (slirp4netns v1.2.0 slirp4netns.1.md, API SOCKET).
fn ask(door: &Path, one: &Published) -> Result<(), String> {
    let words = json!({ "execute": "add_hostfwd", "arguments": {
        "proto": one.protocol, "host_addr": one.address.to_string(), "host_port": one.host, "guest_port": one.port,
    }});
    let until = Instant::now() + PATIENCE;
    let said = || -> std::io::Result<String> {
        // It opens its door after it has set up the container's side.
        let mut socket = loop {
            match UnixStream::connect(door) {
                Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                done => break done?,
            }
        };
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(words.to_string().as_bytes())?;
        socket.shutdown(std::net::Shutdown::Write)?;
        let mut said = String::new();
        socket.read_to_string(&mut said).map(|_| said)
    };
    match said() {
        Ok(said) if !said.contains("\"error\"") => Ok(()),
        Ok(said) => Err(format!("slirp4netns does not publish {}: {}", one.host, said.trim())),
        Err(error) => Err(format!("slirp4netns does not publish {}: {error}", one.host)),
    }
}

/// A process's network, by a handle that the program inherits: it gives up the rights that the way through `/proc` takes.
struct Namespace(fs::File);

impl Namespace {
    fn open(pid: i32) -> Result<Namespace, String> {
        let open = || -> std::io::Result<fs::File> {
            let file = fs::File::open(format!("/proc/{pid}/ns/net"))?;
            rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())?;
            Ok(file)
        };
        open().map(Namespace).map_err(|error| format!("the container's network cannot be opened: {error}"))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.0)))
    }
}

fn find(program: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("{program} is not installed"))
}

/// Whether a program of the user's can make an interface at all.
fn may_make_interfaces() -> Result<(), String> {
    let path = "/dev/net/tun";
    let tried = fs::OpenOptions::new().read(true).write(true).open(path);
    tried.map(drop).map_err(|error| format!("'{path}' cannot be opened by an ordinary user: {error}"))
}

/// Starts a program, and waits until the container has a way out.
fn begun(mut command: Command, folder: &Path, pid: i32) -> Result<Child, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("'{program}' cannot be started: {error}"))?;
    let number = fs::write(folder.join(NUMBER), child.id().to_string());
    let until = Instant::now() + PATIENCE;
    let why = loop {
        match child.try_wait() {
            _ if has_a_way_out(pid) && number.is_ok() => return Ok(child),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(Some(status)) => break format!("'{program}' ended with {status}: {}", last_line(&mut child)),
            _ => break format!("'{program}' gave the container no address within {} s", PATIENCE.as_secs()),
        }
    };
    let _ = child.kill().and_then(|()| child.wait());
    let _ = fs::remove_file(folder.join(NUMBER));
    Err(why)
}

/// Whether a process's network has a default route: both programs set it last.
fn has_a_way_out(pid: i32) -> bool {
    let routes = fs::read_to_string(format!("/proc/{pid}/net/route")).unwrap_or_default();
    routes.lines().skip(1).any(|line| line.split_ascii_whitespace().nth(1) == Some("00000000"))
}

fn last_line(child: &mut Child) -> String {
    let mut said = String::new();
    let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(host: Value, config: Value) -> Vec<String> {
        let (wanted, warnings) = wanted(&json!({ "HostConfig": host, "Config": config }));
        let shown = |one: Wanted| format!("{} {:?} {}/{}", one.address, one.hosts, one.port, one.protocol);
        wanted.into_iter().map(shown).chain(warnings).collect()
    }

    #[test]
    fn ports_are_those_of_the_record() {
        assert_eq!(
            ports(
                json!({"PortBindings": {
                    "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": ""}],
                    "53/udp": [{"HostIp": "", "HostPort": "5300-5302"}],
                    "1/sctp": [{"HostIp": "", "HostPort": "1111"}],
                }}),
                json!({"ExposedPorts": {"9/tcp": {}}})
            ),
            [
                "0.0.0.0 [8080] 80/tcp",
                "127.0.0.1 [0] 80/tcp",
                "0.0.0.0 [5300, 5301, 5302] 53/udp",
                "'1/sctp' is not published: an ordinary user's are tcp and udp on IPv4",
            ]
        );
        let exposed = json!({"ExposedPorts": {"9/tcp": {}, "10/tcp": {}}});
        let bound = json!({"PublishAllPorts": true, "PortBindings": {"9/tcp": [{"HostPort": "9999"}]}});
        assert_eq!(ports(bound, exposed), ["0.0.0.0 [9999] 9/tcp", "0.0.0.0 [0] 10/tcp"]);
    }
}
