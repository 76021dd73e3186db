//! `net proxy`: ports of IPv6 addresses that rules cannot translate, carried by a process as docker's userland proxy does.
//!
//! The kernel does not route from `::1`, and does not translate IPv6 to IPv4. One process serves all such ports of a
//! container.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use cli::Outcome;
use model::Protocol;
use wire::Plan;
use wire::config::{Configs, Publish};

use crate::args::ProxyArgs;
use crate::companion::{Companion, is_up};

/// How long answers to a datagram are waited for (moby v20.10.24 libnetwork/cmd/proxy/udp_proxy.go, UDPConnTrackTimeout).
const PATIENCE: Duration = Duration::from_secs(90);

/// A port of the host and where it leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forward {
    protocol: Protocol,
    host: SocketAddr,
    to: SocketAddr,
}

impl Forward {
    fn word(self) -> String {
        format!("{}/{}/{}", self.protocol.word(), self.host, self.to)
    }

    /// Reads what [`Forward::word`] writes.
    pub fn parse(word: &str) -> Result<Forward, String> {
        let parts: Vec<&str> = word.split('/').collect();
        let read = || {
            let [protocol, host, to] = parts[..] else { return None };
            Some(Forward { protocol: Protocol::parse(protocol)?, host: host.parse().ok()?, to: to.parse().ok()? })
        };
        read().ok_or_else(|| "protocol/address/address is wanted, as in tcp/[::1]:80/172.17.0.2:80".to_owned())
    }
}

/// Ports of IPv6 addresses that the chosen containers publish, by container; `everywhere` also those of no address. Those
/// that cannot be had are refused.
pub fn asked(
    configs: &Configs,
    ids: &[String],
    everywhere: bool,
    dir: &Path,
) -> anyhow::Result<Vec<(String, Publish)>> {
    let mut all = Vec::new();
    for container in configs.containers.iter().filter(|container| ids.contains(&container.id)) {
        for publish in container.published.iter().filter(|publish| publish.host_port != 0) {
            let ip = match publish.host_ip {
                Some(ip) if ip.is_ipv4() => continue,
                Some(ip) if !ip.is_unspecified() => ip,
                _ if everywhere => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                _ => continue,
            };
            if publish.protocol != Protocol::Sctp {
                all.push((container.id.clone(), Publish { host_ip: Some(ip), ..publish.clone() }));
            }
            if is_up(dir, &container.id) {
                continue;
            }
            let place = SocketAddr::new(ip, publish.host_port);
            let tried = match publish.protocol {
                Protocol::Udp => UdpSocket::bind(place).map(drop),
                _ => TcpListener::bind(place).map(drop),
            };
            if let Err(error) = tried {
                let what = format!("port {}/{} of {ip}", publish.host_port, publish.protocol.word());
                bail!("{what} is wanted by container '{}' and cannot be had: {error}", container.title());
            }
        }
    }
    Ok(all)
}

/// Starts a proxy for each container that needs one: those ports that no rule leads to it.
pub fn start(asked: &[(String, Publish)], plan: &Plan, dir: &Path) -> anyhow::Result<()> {
    let mut forwards: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (id, publish) in asked {
        let Some(ip) = publish.host_ip else { continue };
        let translated = plan.ports.iter().any(|port| port.id == *id && port.host_ip == ip && !ip.is_loopback());
        let own = || plan.interfaces.iter().filter(|interface| interface.container.0 == *id);
        let addresses: Vec<IpAddr> =
            own().flat_map(|interface| &interface.addresses).map(|prefix| prefix.address).collect();
        let Some(&to) = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()) else { continue };
        if !translated {
            let (host, to) = (SocketAddr::new(ip, publish.host_port), SocketAddr::new(to, publish.port));
            let forward = Forward { protocol: publish.protocol, host, to };
            forwards.entry(id).or_default().extend(["--forward".to_owned(), forward.word()]);
        }
    }
    for (id, words) in forwards {
        let interface = plan
            .interfaces
            .iter()
            .find(|interface| interface.container.0 == id)
            .context("its interface is not planned")?;
        crate::companion::start("proxy", dir, id, &interface.namespace_path(), &words)?;
    }
    Ok(())
}

/// Carries until the container is down.
pub fn run(args: &ProxyArgs) -> anyhow::Result<Outcome> {
    let Some(companion) = Companion::begin("proxy", &args.place)? else { return Ok(Outcome::done()) };
    for &forward in &args.forward {
        match forward.protocol {
            Protocol::Udp => {
                let socket = UdpSocket::bind(forward.host)?;
                thread::spawn(move || datagrams(&Arc::new(socket), forward.to));
            }
            _ => {
                let listener = TcpListener::bind(forward.host)?;
                thread::spawn(move || streams(&listener, forward.to));
            }
        }
    }
    companion.attend()
}

fn streams(listener: &TcpListener, to: SocketAddr) {
    for client in listener.incoming().flatten() {
        thread::spawn(move || {
            let server = TcpStream::connect(to)?;
            let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || carry(&client_too, &server_too));
            carry(&server, &client)
        });
    }
}

/// Until one side has said all; the other is told.
fn carry(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let carried = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    carried.map(drop)
}

/// Each client has a socket of its own towards the container, by which the answers find back.
fn datagrams(socket: &Arc<UdpSocket>, to: SocketAddr) {
    let clients: Arc<Mutex<BTreeMap<SocketAddr, UdpSocket>>> = Arc::default();
    let mut buffer = vec![0; 1 << 16];
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        let mut known = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(place) = known.entry(client) {
            let Ok((server, other)) = server(to).and_then(|server| Ok((server.try_clone()?, server))) else { continue };
            place.insert(server);
            let (socket, clients) = (socket.clone(), clients.clone());
            thread::spawn(move || {
                answers(&socket, client, &other);
                clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
            });
        }
        let _ = known.get(&client).map(|server| server.send(&buffer[..length]));
    }
}

fn server(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn answers(socket: &UdpSocket, client: SocketAddr, server: &UdpSocket) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length) = server.recv(&mut buffer) {
        let _ = socket.send_to(&buffer[..length], client);
    }
}
