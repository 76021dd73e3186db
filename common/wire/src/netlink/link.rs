//! Links, addresses, routes and neighbours.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::config::Mac;
use crate::netlink::{Attributes, Batch, NetlinkError, Socket};
use crate::{Family, Prefix};

pub(super) const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const GET_NEIGHBOUR: u16 = 30;

pub(super) const ACK: u16 = 4;
pub(super) const CREATE: u16 = 0x400 | 0x200;
const DUMP: u16 = 0x300;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
pub(super) const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_NET_NS_FD: u16 = 28;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
pub(super) const INFO_KIND: u16 = 1;
pub(super) const INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const BRPORT_MODE: u16 = 4;

const IFF_UP: u32 = 1;
const AF_BRIDGE: u8 = 7;
/// No duplicate address detection: nobody else is on a bridge that was made just now.
const IFA_F_NODAD: u32 = 2;

/// An interface as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`, …; empty for hardware.
    pub kind: String,
    /// Its MAC address.
    pub mac: Option<Mac>,
    /// The bridge that it is on.
    pub master: Option<u32>,
    /// Its MTU.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
}

/// An interface pair to be.
#[derive(Clone, Debug)]
pub struct NewVeth<'a> {
    /// The end here, and its MAC address.
    pub host: (&'a str, Mac),
    /// The bridge that it goes on.
    pub master: u32,
    /// The end in the other namespace, and its MAC address.
    pub inside: (&'a str, Mac),
    /// The other namespace.
    pub namespace: BorrowedFd<'a>,
    /// MTU of both; `None` for the kernel's choice.
    pub mtu: Option<u32>,
}

/// A route as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to; all zeroes for the default.
    pub to: Prefix,
    /// By which interface.
    pub by: u32,
    /// The next hop.
    pub gateway: Option<IpAddr>,
}

/// An address that was heard of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Behind which interface.
    pub by: u32,
    /// The address.
    pub address: IpAddr,
    /// Who has it.
    pub mac: Mac,
}

impl Socket {
    /// Whether the kernel can make interfaces of a kind, with the module that it loads for it where it has one.
    ///
    /// Asks for one with an address that no interface may have: that is refused, and nothing is made, once the kind was found
    /// (linux/net/core/rtnetlink.c, rtnl_newlink; br_validate, veth_validate).
    pub fn knows(&self, kind: &str) -> Result<bool, NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(NEW_LINK, ACK | CREATE, &info(0, 0, 0));
        batch.text(IFLA_IFNAME, "dockless-asks");
        batch.put(IFLA_ADDRESS, &[0; 6]);
        batch.nest(IFLA_LINKINFO, |batch| batch.text(INFO_KIND, kind));
        match self.send(batch) {
            Err(error) if error.code() == Some(libc::EOPNOTSUPP) => Ok(false),
            Err(error) if error.code() == Some(libc::EPERM) => Err(error),
            _ => Ok(true),
        }
    }

    /// All interfaces.
    pub fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        let mut links = Vec::new();
        self.exchange(request(GET_LINK, &info(0, 0, 0)), |kind, body| {
            links.extend((kind == NEW_LINK).then(|| read_link(body)).flatten());
        })?;
        Ok(links)
    }

    /// The interface of that name.
    pub fn link(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(GET_LINK, 0, &info(0, 0, 0));
        batch.text(IFLA_IFNAME, name);
        let mut link = None;
        match self.exchange(batch, |_, body| link = read_link(body)) {
            Err(error) if error.code() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(link),
        }
    }

    /// All addresses, each with its interface.
    pub fn addresses(&self) -> Result<Vec<(u32, Prefix)>, NetlinkError> {
        let mut addresses = Vec::new();
        self.exchange(request(GET_ADDRESS, &[0; 8]), |kind, body| {
            addresses.extend((kind == NEW_ADDRESS).then(|| read_address(body)).flatten());
        })?;
        Ok(addresses)
    }

    /// All routes of the main table.
    pub fn routes(&self) -> Result<Vec<Route>, NetlinkError> {
        let mut routes = Vec::new();
        self.exchange(request(GET_ROUTE, &[0; 12]), |kind, body| {
            routes.extend((kind == NEW_ROUTE).then(|| read_route(body)).flatten());
        })?;
        Ok(routes)
    }

    /// Addresses that were heard of.
    pub fn neighbours(&self) -> Result<Vec<Neighbour>, NetlinkError> {
        let mut all = Vec::new();
        self.exchange(request(GET_NEIGHBOUR, &[0; 12]), |_, body| all.extend(read_neighbour(body)))?;
        Ok(all)
    }

    /// Makes a bridge, down and without addresses.
    pub fn add_bridge(&self, name: &str, mac: Mac, mtu: u32) -> Result<(), NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(NEW_LINK, ACK | CREATE, &info(0, 0, 0));
        batch.text(IFLA_IFNAME, name);
        batch.put(IFLA_ADDRESS, &mac);
        batch.number(IFLA_MTU, mtu);
        batch.nest(IFLA_LINKINFO, |batch| batch.text(INFO_KIND, "bridge"));
        self.send(batch)
    }

    /// Makes a pair, one end on a bridge here and up, the other born in the other namespace and down.
    ///
    /// One queue is said: else the kernel makes one for each processor, takes all but one back, and waits for each end until
    /// nobody uses them any more (linux/drivers/net/veth.c, veth_init_queues).
    pub fn add_veth(&self, veth: &NewVeth) -> Result<(), NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(NEW_LINK, ACK | CREATE, &info(0, 0, IFF_UP));
        batch.text(IFLA_IFNAME, veth.host.0);
        batch.put(IFLA_ADDRESS, &veth.host.1);
        veth.mtu.iter().for_each(|mtu| batch.number(IFLA_MTU, *mtu));
        batch.number(IFLA_MASTER, veth.master);
        one_queue(&mut batch);
        batch.nest(IFLA_LINKINFO, |batch| {
            batch.text(INFO_KIND, "veth");
            batch.nest(INFO_DATA, |batch| {
                batch.nest(VETH_INFO_PEER, |batch| {
                    batch.bare(&info(0, 0, 0));
                    batch.text(IFLA_IFNAME, veth.inside.0);
                    batch.put(IFLA_ADDRESS, &veth.inside.1);
                    veth.mtu.iter().for_each(|mtu| batch.number(IFLA_MTU, *mtu));
                    batch.number(IFLA_NET_NS_FD, veth.namespace.as_raw_fd() as u32);
                    one_queue(batch);
                });
            });
        });
        self.send(batch)
    }

    /// Lets a bridge send packets back to this port of it.
    pub fn set_hairpin(&self, index: u32) -> Result<(), NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(SET_LINK, ACK, &info(AF_BRIDGE, index, 0));
        batch.nest(IFLA_PROTINFO, |batch| batch.put(BRPORT_MODE, &[1]));
        self.send(batch)
    }

    /// Switches an interface on.
    pub fn set_up(&self, index: u32) -> Result<(), NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(NEW_LINK, ACK, &info(0, index, IFF_UP));
        self.send(batch)
    }

    /// Removes an interface, with its addresses and routes.
    pub fn remove_link(&self, index: u32) -> Result<(), NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(DELETE_LINK, ACK, &info(0, index, 0));
        self.send(batch)
    }

    /// Gives an interface an address.
    pub fn add_address(&self, index: u32, prefix: Prefix, broadcast: bool) -> Result<(), NetlinkError> {
        self.send(address(NEW_ADDRESS, ACK | CREATE, index, prefix, broadcast))
    }

    /// Takes an address from an interface.
    pub fn remove_address(&self, index: u32, prefix: Prefix) -> Result<(), NetlinkError> {
        self.send(address(DELETE_ADDRESS, ACK, index, prefix, false))
    }

    /// Adds a default route.
    pub fn add_default_route(&self, index: u32, gateway: IpAddr) -> Result<(), NetlinkError> {
        self.send(default_route(index, Family::of(gateway), Some(gateway)))
    }

    /// Adds a default route by an interface without a gateway.
    pub fn add_straight_route(&self, index: u32, family: Family) -> Result<(), NetlinkError> {
        self.send(default_route(index, family, None))
    }
}

/// Table main, protocol boot, scope universe or link, unicast (rtm_* of linux/rtnetlink.h).
fn default_route(index: u32, family: Family, gateway: Option<IpAddr>) -> Batch {
    let scope = if gateway.is_some() { 0 } else { 253 };
    let mut batch = Batch::default();
    batch.begin(NEW_ROUTE, ACK | CREATE, &[family_number(family), 0, 0, 0, 254, 3, scope, 1, 0, 0, 0, 0]);
    if let Some(gateway) = gateway {
        batch.put(5, &octets(gateway));
    }
    batch.number(4, index);
    batch
}

fn one_queue(batch: &mut Batch) {
    batch.number(IFLA_NUM_TX_QUEUES, 1);
    batch.number(IFLA_NUM_RX_QUEUES, 1);
}

fn request(kind: u16, header: &[u8]) -> Batch {
    let mut batch = Batch::default();
    batch.begin(kind, DUMP, header);
    batch
}

/// `struct ifinfomsg`.
pub(super) fn info(family: u8, index: u32, up: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = family;
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&up.to_ne_bytes());
    bytes[12..16].copy_from_slice(&up.to_ne_bytes());
    bytes
}

fn address(kind: u16, flags: u16, index: u32, prefix: Prefix, broadcast: bool) -> Batch {
    let mut batch = Batch::default();
    let family = family_number(Family::of(prefix.address));
    let mut header = vec![family, prefix.length, 0, 0];
    header.extend(index.to_ne_bytes());
    batch.begin(kind, flags, &header);
    batch.put(2, &octets(prefix.address));
    batch.put(1, &octets(prefix.address));
    if prefix.is_ipv4() && broadcast {
        batch.put(4, &octets(prefix.last()));
    }
    if !prefix.is_ipv4() {
        batch.number(8, IFA_F_NODAD);
    }
    batch
}

fn read_link(body: &[u8]) -> Option<Link> {
    let word = |at: usize| Some(u32::from_ne_bytes(body.get(at..at + 4)?.try_into().ok()?));
    let attributes = Attributes(body.get(16..)?);
    Some(Link {
        index: word(4)?,
        name: attributes.text(IFLA_IFNAME)?,
        kind: attributes.inside(IFLA_LINKINFO).and_then(|info| info.text(INFO_KIND)).unwrap_or_default(),
        mac: attributes.get(IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()),
        master: attributes.number(IFLA_MASTER),
        mtu: attributes.number(IFLA_MTU).unwrap_or(0),
        up: word(8)? & IFF_UP != 0,
    })
}

fn read_address(body: &[u8]) -> Option<(u32, Prefix)> {
    let attributes = Attributes(body.get(8..)?);
    let index = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let address = ip(attributes.get(2).or_else(|| attributes.get(1))?)?;
    Some((index, Prefix::new(address, body[1])?))
}

fn read_route(body: &[u8]) -> Option<Route> {
    let attributes = Attributes(body.get(12..)?);
    let table = attributes.number(15).unwrap_or(body[4].into());
    let zero: IpAddr = match body[0] {
        2 => IpAddr::from([0; 4]),
        10 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let to = Prefix::new(attributes.get(1).and_then(ip).unwrap_or(zero), body[1])?;
    (table == 254).then_some(Route { to, by: attributes.number(4)?, gateway: attributes.get(5).and_then(ip) })
}

/// Those that did not answer have no MAC address, or are marked as failed (linux/neighbour.h, NUD_FAILED).
fn read_neighbour(body: &[u8]) -> Option<Neighbour> {
    let attributes = Attributes(body.get(12..)?);
    let by = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let failed = u16::from_ne_bytes(body.get(8..10)?.try_into().ok()?) & 0x21 != 0;
    let neighbour = Neighbour { by, address: ip(attributes.get(1)?)?, mac: attributes.get(2)?.try_into().ok()? };
    (!failed).then_some(neighbour)
}

pub(super) fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// An address's bytes.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The address of so many bytes.
pub(crate) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
