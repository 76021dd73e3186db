//! `net proxy`: the process that carries what rules cannot lead to a container ([`wire::proxy`]), started by `net up` and `run`.

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
use wire::config::Container;
use wire::proxy::{Forward, forwards};

use crate::args::ProxyArgs;
use crate::companion::{Companion, is_up};

/// How long answers to a datagram are waited for (moby v20.10.24 libnetwork/cmd/proxy/udp_proxy.go, UDPConnTrackTimeout).
const PATIENCE: Duration = Duration::from_secs(90);

/// Refuses ports of IPv6 addresses that containers publish and that cannot be had; `all` also those of no address.
pub fn refuse(containers: &[Container], all: bool, dir: &Path) -> anyhow::Result<()> {
    for container in containers {
        for publish in container.published.iter().filter(|publish| publish.host_port != 0) {
            let ip = match publish.host_ip {
                Some(ip) if ip.is_ipv4() => continue,
                Some(ip) if !ip.is_unspecified() => ip,
                _ if all => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                _ => continue,
            };
            if is_up(dir, &container.id) {
                break;
            }
            let place = SocketAddr::new(ip, publish.host_port);
            if let Err(error) = (Forward { protocol: publish.protocol, host: place, to: place }).is_free() {
                let what = format!("port {}/{} of {ip}", publish.host_port, publish.protocol.word());
                bail!("{what} is wanted by container '{}' and cannot be had: {error}", container.title());
            }
        }
    }
    Ok(())
}

/// Starts a proxy for each container that needs one.
pub fn start(containers: &[Container], plan: &Plan, all: bool, dir: &Path) -> anyhow::Result<()> {
    for container in containers {
        let words: Vec<String> = forwards(container, plan, all)
            .into_iter()
            .flat_map(|forward| ["--forward".to_owned(), forward.word()])
            .collect();
        if words.is_empty() {
            continue;
        }
        let own = plan.interfaces.iter().find(|interface| interface.container.0 == container.id);
        let namespace = own.context("its interface is not planned")?.namespace_path();
        crate::companion::start("proxy", dir, &container.id, &namespace, &words)?;
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
