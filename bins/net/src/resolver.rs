//! `net resolver`: the process that answers a container's questions for names, started by `net up`.
//!
//! It listens on a port of 127.0.0.11 inside, and rules there lead port 53 to it, as docker does: so the container may have
//! a name server of its own on port 53. It ends by itself when its container is down or its namespace is another's.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use cli::Outcome;
use model::Protocol;
use wire::netlink::Socket;
use wire::resolver::{Names, answer, failure, is_short};
use wire::state::Store;
use wire::{Family, Is, Match, Prefix, Rule, RuleSet, Table, Target};

use crate::args::CompanionArgs;
use crate::companion::Companion;

/// Docker's address for it.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const REFUSED: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
/// How long others are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers until the container is down.
pub fn run(args: &CompanionArgs) -> anyhow::Result<Outcome> {
    let Some(companion) = Companion::begin("resolver", args)? else { return Ok(Outcome::done()) };
    let (udp, tcp) = companion.inside.within(listen)??;
    let job = Arc::new(Job { dir: args.state.state_dir.clone(), id: args.id.clone() });
    let (datagrams, streams) = (job.clone(), job);
    thread::spawn(move || serve_datagrams(&Arc::new(udp), &datagrams));
    thread::spawn(move || serve_streams(&tcp, &streams));
    let outcome = companion.attend();
    let none = || Socket::netfilter().and_then(|socket| socket.replace_rules(&RuleSet::default()));
    let _ = companion.inside.within(none);
    outcome
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
