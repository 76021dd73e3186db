//! What is there now: the part of a namespace that plans are compared with.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use model::Protocol;

use crate::namespace::{Namespace, cookie};
use crate::netlink::link::{Link, Neighbour, Route};
use crate::netlink::nft::{BaseChain, OwnRule};
use crate::netlink::{NetlinkError, Socket};
use crate::{Interface, Plan, Port, Prefix};

/// Links, addresses, routes and rules of this namespace.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// All interfaces.
    pub links: Vec<Link>,
    /// Their addresses, by interface.
    pub addresses: Vec<(u32, Prefix)>,
    /// The main routing table.
    pub routes: Vec<Route>,
    /// Addresses heard of.
    pub neighbours: Vec<Neighbour>,
    /// Chains of all tables that the kernel calls.
    pub chains: Vec<BaseChain>,
    /// The rules of our own tables.
    pub own: Vec<OwnRule>,
    /// Interfaces that are in containers' namespaces and may be ours: see [`Live::look_inside`].
    pub inside: Vec<Inside>,
}

/// An interface in a container's namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inside {
    /// The file that is the namespace.
    pub namespace: PathBuf,
    /// The namespace's number.
    pub cookie: u64,
    /// The name of the interface.
    pub name: String,
    /// The interface; `None` where it is not there.
    pub link: Option<Link>,
}

impl Live {
    /// Looks.
    pub fn read(route: &Socket, netfilter: &Socket) -> Result<Live, NetlinkError> {
        Ok(Live {
            links: route.links()?,
            addresses: route.addresses()?,
            routes: route.routes()?,
            neighbours: route.neighbours()?,
            chains: netfilter.base_chains()?,
            own: netfilter.own_rules()?,
            inside: Vec::new(),
        })
    }

    /// Looks for a plan's interfaces that lie on one of ours. Namespaces that cannot be opened are left out: whoever needs them
    /// is refused.
    pub fn look_inside(&mut self, plan: &Plan) {
        let lying = plan.interfaces.iter().filter(|interface| interface.host_name().is_none());
        self.inside = lying
            .filter_map(|interface| {
                let namespace = interface.namespace_path();
                let name = &interface.name;
                let look = || Ok::<_, NetlinkError>((cookie(), Socket::route()?.link(name)?));
                let (cookie, link) = Namespace::open(&namespace).ok()?.within(look).ok()?.ok()?;
                Some(Inside { namespace, cookie: cookie.ok()?, name: name.clone(), link })
            })
            .collect();
    }

    /// The interface of that name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// What is known of a plan's interface that lies on one of ours.
    pub fn inside(&self, interface: &Interface) -> Option<&Inside> {
        let path = interface.namespace_path();
        self.inside.iter().find(|inside| inside.namespace == path && inside.name == interface.name)
    }

    /// The name of the interface of that number.
    pub fn name(&self, index: u32) -> &str {
        self.links.iter().find(|link| link.index == index).map_or("?", |link| &link.name)
    }

    /// Whether the interface has the address.
    pub fn has(&self, index: u32, address: Prefix) -> bool {
        self.addresses.contains(&(index, address))
    }

    /// Addresses of an interface.
    pub fn of(&self, index: u32) -> impl Iterator<Item = Prefix> + '_ {
        self.addresses.iter().filter(move |(of, _)| *of == index).map(|(_, prefix)| *prefix)
    }

    /// Addresses that somebody on one of these bridges has.
    pub fn heard(&self, bridges: &BTreeSet<&str>) -> BTreeSet<IpAddr> {
        let on = |neighbour: &&Neighbour| bridges.contains(self.name(neighbour.by));
        self.neighbours.iter().filter(on).map(|neighbour| neighbour.address).collect()
    }
}

/// Where a kernel setting is.
pub(crate) fn sysctl_path(key: &str) -> PathBuf {
    Path::new("/proc/sys").join(key)
}

/// A kernel setting as it is; `None` where this kernel has no such setting.
pub fn sysctl(key: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(sysctl_path(key)) {
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a host port cannot be had: somebody listens on it.
pub fn is_taken(port: &Port) -> bool {
    let place = (port.host_ip, port.host_port);
    let tried = match port.protocol {
        Protocol::Tcp => TcpListener::bind(place).map(drop),
        Protocol::Udp => UdpSocket::bind(place).map(drop),
        // Without SCTP in the kernel nobody can listen on it.
        Protocol::Sctp => Ok(()),
    };
    tried.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Whether this host has the address.
pub fn is_local(address: IpAddr) -> bool {
    address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

/// Ports that somebody listens on here, on any address: those are not given out where any will do.
pub fn listening() -> BTreeSet<(Protocol, u16)> {
    let mut all = BTreeSet::new();
    for (protocol, name) in [Protocol::Tcp, Protocol::Udp].into_iter().flat_map(|protocol| {
        let word = protocol.word();
        [(protocol, word.to_owned()), (protocol, format!("{word}6"))]
    }) {
        let table = fs::read_to_string(Path::new("/proc/thread-self/net").join(name)).unwrap_or_default();
        all.extend(table.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = fields.get(1)?.rsplit(':').next()?;
            let listens = protocol != Protocol::Tcp || *fields.get(3)? == "0A";
            listens.then(|| Some((protocol, u16::from_str_radix(port, 16).ok()?)))?
        }));
    }
    all
}

/// Who listens on a host port: `process 1234 (nginx)`. Empty where nobody was found, as without privilege.
pub fn holder(port: &Port) -> String {
    let Some(inode) = listener(port) else { return String::new() };
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit())) {
        let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target == Path::new(&wanted)) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return format!("process {} ({})", process.file_name().to_string_lossy(), name.trim());
        }
    }
    String::new()
}

/// The inode of the socket on a port, from `/proc/net` (linux/Documentation/networking/proc_net_tcp.rst).
fn listener(port: &Port) -> Option<String> {
    let word = port.protocol.word();
    [word.to_owned(), format!("{word}6")].iter().find_map(|name| {
        let table = fs::read_to_string(Path::new("/proc/thread-self/net").join(name)).ok()?;
        let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let listens = |state: &str| port.protocol != Protocol::Tcp || state == "0A";
        let mut found = lines.filter(|fields| {
            let local = fields.get(1).and_then(|local| local.rsplit(':').next());
            local == Some(&format!("{:04X}", port.host_port)) && fields.get(3).is_some_and(|state| listens(state))
        });
        found.next().and_then(|fields| fields.get(9).map(|inode| inode.to_string()))
    })
}
