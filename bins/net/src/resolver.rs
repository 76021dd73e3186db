//! `net resolver`: the process that answers a container's questions for names, started by `net up`.
//!
//! It listens on a port of 127.0.0.11 inside, and rules there lead port 53 to it, as docker does: so the container may have
//! a name server of its own on port 53. It ends by itself when its container is down or its namespace is another's.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use cli::Outcome;
use model::Protocol;
use wire::namespace::Namespace;
use wire::netlink::Socket;
use wire::resolver::{Names, answer, failure, is_short};
use wire::state::Store;
use wire::{Family, Is, Match, Prefix, Rule, RuleSet, Table, Target};

use crate::args::ResolverArgs;

/// Docker's address for it.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const REFUSED: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
/// How long others are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts one for a container, unless one is at work, and waits until it answers.
pub fn start(store: &Path, id: &str, namespace: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg("resolver").arg("--state-dir").arg(store).args(["--id", id]).arg("--netns").arg(namespace);
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the resolver")?;
    let mut said = String::new();
    child.stdout.take().context("the resolver has no stdout")?.read_to_string(&mut said)?;
    anyhow::ensure!(said == "ready\n", "the resolver for container '{}' did not start", id.get(..12).unwrap_or(id));
    Ok(())
}

/// Answers until the container is down.
pub fn run(args: &ResolverArgs) -> anyhow::Result<Outcome> {
    // Signals to the terminal that started it are not for it.
    let _ = nix::unistd::setsid();
    let own = Namespace::open(&args.netns)?;
    let lock = File::create(lock(&args.state.state_dir, &args.id)?)?;
    if !wire::namespace::claim(&lock) {
        return ready();
    }
    let (udp, tcp) = own.within(listen)??;
    let job = Arc::new(Job { dir: args.state.state_dir.clone(), id: args.id.clone() });
    let (datagrams, streams) = (job.clone(), job.clone());
    thread::spawn(move || serve_datagrams(&Arc::new(udp), &datagrams));
    thread::spawn(move || serve_streams(&tcp, &streams));
    ready()?;
    while job.is_up() && Namespace::open(&args.netns).is_ok_and(|now| now.is(&own).unwrap_or(false)) {
        thread::sleep(Duration::from_millis(500));
    }
    let _ = own.within(|| Socket::netfilter().and_then(|socket| socket.replace_rules(&RuleSet::default())));
    let _ = std::fs::remove_file(self::lock(&args.state.state_dir, &args.id)?);
    Ok(Outcome::done())
}

/// The lock that says that a resolver is at work.
fn lock(dir: &Path, id: &str) -> io::Result<PathBuf> {
    // An id from elsewhere may hold anything.
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    Ok(dir.join(format!("{}-{id}.resolver", wire::namespace::cookie()?)))
}

/// Tells whoever started it, and lets go of stdout.
fn ready() -> anyhow::Result<Outcome> {
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    let null = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&null).context("cannot let go of stdout")?;
    Ok(Outcome::done())
}

/// Inside: both sockets on one port, and rules that lead port 53 there.
fn listen() -> anyhow::Result<(UdpSocket, TcpListener)> {
    let tcp = TcpListener::bind((ADDRESS, 0)).context("cannot listen on 127.0.0.11")?;
    let port = tcp.local_addr()?.port();
    let udp = UdpSocket::bind((ADDRESS, port)).context("cannot listen on 127.0.0.11")?;
    let mut rules = RuleSet::default();
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        rules.append(Rule {
            family: Family::V4,
            table: Table::Nat,
            chain: "OUTPUT".into(),
            matches: vec![
                Match::Destination(Is::In, Prefix::host(ADDRESS.into())),
                Match::DestinationPort(protocol, 53),
            ],
            target: Target::Rewrite(ADDRESS.into(), port),
            reason: "names are answered by net resolver".into(),
            from: "HostConfig.NetworkMode".into(),
        });
    }
    Socket::netfilter()?.replace_rules(&rules).context("cannot lead port 53 to the resolver")?;
    Ok((udp, tcp))
}

struct Job {
    dir: PathBuf,
    id: String,
}

impl Job {
    fn is_up(&self) -> bool {
        Store::peek(&self.dir)
            .ok()
            .flatten()
            .is_some_and(|state| state.configs.containers.iter().any(|c| c.id == self.id))
    }

    fn reply(&self, question: &[u8], ask: impl Fn(SocketAddr) -> io::Result<Vec<u8>>) -> Vec<u8> {
        let state = Store::peek(&self.dir).ok().flatten().unwrap_or_default();
        let names = Names::of(&state.configs, &self.id);
        if let Some(answer) = answer(question, &names) {
            return answer;
        }
        if !names.forwards {
            return failure(question, NO_SUCH_NAME);
        }
        let own = state.configs.containers.iter().find(|container| container.id == self.id);
        let options = own.map(|container| &*container.dns.options).unwrap_or_default();
        if asks_for_dots(options) && is_short(question) {
            return failure(question, 0);
        }
        let servers = servers(own.map(|container| &*container.dns.servers).unwrap_or_default());
        servers.into_iter().find_map(|server| ask(server).ok()).unwrap_or_else(|| failure(question, REFUSED))
    }
}

/// Whether the container set `ndots` above 0: then names without a dot are for its search domains, and are not asked for
/// outside as they are (moby v20.10.24 libnetwork/resolver.go, ServeDNS, NdotsSet).
fn asks_for_dots(options: &[String]) -> bool {
    let given = options.iter().filter_map(|option| option.strip_prefix("ndots:")?.parse::<u32>().ok());
    given.into_iter().any(|dots| dots > 0)
}

/// Those that the container asked for, else the host's: also one on loopback, since it is asked from the host.
fn servers(asked: &[String]) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let of_host = text.lines().filter_map(|line| line.strip_prefix("nameserver ")).map(str::to_owned);
    let all: Vec<String> = if asked.is_empty() { of_host.collect() } else { asked.to_vec() };
    all.iter().filter_map(|text| Some(SocketAddr::new(text.trim().parse().ok()?, 53))).collect()
}

fn serve_datagrams(socket: &Arc<UdpSocket>, job: &Arc<Job>) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let (question, socket, job) = (buffer[..length].to_vec(), socket.clone(), job.clone());
        thread::spawn(move || {
            let reply = job.reply(&question, |server| ask_datagram(&question, server));
            let _ = socket.send_to(&reply, from);
        });
    }
}

fn ask_datagram(question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(question)?;
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn serve_streams(listener: &TcpListener, job: &Arc<Job>) {
    for stream in listener.incoming().flatten() {
        let job = job.clone();
        thread::spawn(move || {
            let question = read_stream(&stream)?;
            let reply = job.reply(&question, |server| {
                let upstream = TcpStream::connect_timeout(&server, PATIENCE)?;
                write_stream(&upstream, &question)?;
                read_stream(&upstream)
            });
            write_stream(&stream, &reply)
        });
    }
}

/// A message after its length (RFC 1035, 4.2.2).
fn read_stream(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut text = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut text)?;
    Ok(text)
}

fn write_stream(mut stream: &TcpStream, text: &[u8]) -> io::Result<()> {
    stream.write_all(&[&(text.len() as u16).to_be_bytes(), text].concat())
}
