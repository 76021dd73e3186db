//! Connections that the kernel keeps track of (linux/netfilter/nfnetlink_conntrack.h).

use std::net::IpAddr;

use crate::Family;
use crate::live::sysctl;
use crate::netlink::link::ip;
use crate::netlink::nft::generic;
use crate::netlink::{Attributes, Batch, NetlinkError, Socket};

const SUBSYSTEM: u16 = 1;
const NEW: u16 = SUBSYSTEM << 8;
const GET: u16 = SUBSYSTEM << 8 | 1;
const DELETE: u16 = SUBSYSTEM << 8 | 2;

const ACK: u16 = 4;
const DUMP: u16 = 0x300;

const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
/// How many connections this namespace has.
const COUNT: &str = "net/netfilter/nf_conntrack_count";

/// What tells one connection from all others.
const KEY: [u16; 3] = [TUPLE_ORIG, ID, ZONE];

/// One connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracked {
    /// Who began it, and with whom, as they said.
    pub asked: [IpAddr; 2],
    /// Who answers, and whom, as rewritten.
    pub answered: [IpAddr; 2],
    /// The protocol's number.
    pub protocol: u8,
    /// The port that was asked for; 0 where the protocol has none.
    pub port: u16,
    key: Vec<(u16, Vec<u8>)>,
}

impl Socket {
    /// Forgets the connections that are meant; how many. What goes on gets new rules then, as if it had just begun.
    pub fn forget(&self, family: Family, is_meant: impl Fn(&Tracked) -> bool) -> Result<usize, NetlinkError> {
        // The kernel looks through the connections of all namespaces for those of one: some milliseconds where it has memory
        // for many. Whoever comes after finds nothing in the processor's caches.
        if sysctl(COUNT).is_ok_and(|count| count.as_deref() == Some("0")) {
            return Ok(0);
        }
        let meant: Vec<Tracked> = self.tracked(family)?.into_iter().filter(is_meant).collect();
        for tracked in &meant {
            let mut batch = Batch::default();
            batch.begin(DELETE, ACK, &generic(Some(family), 0));
            tracked.key.iter().for_each(|(kind, value)| batch.put(*kind, value));
            match self.send(batch) {
                // It has ended meanwhile.
                Err(error) if error.code() == Some(libc::ENOENT) => {}
                other => other?,
            }
        }
        Ok(meant.len())
    }

    fn tracked(&self, family: Family) -> Result<Vec<Tracked>, NetlinkError> {
        let mut all = Vec::new();
        let mut batch = Batch::default();
        batch.begin(GET, DUMP, &generic(Some(family), 0));
        self.exchange(batch, |kind, body| all.extend((kind == NEW).then(|| read(body)).flatten()))?;
        Ok(all)
    }
}

fn read(body: &[u8]) -> Option<Tracked> {
    let attributes = Attributes(body.get(4..)?);
    let (asked, protocol, port) = tuple(attributes.inside(TUPLE_ORIG)?)?;
    let (answered, ..) = tuple(attributes.inside(TUPLE_REPLY)?)?;
    let key = KEY.iter().filter_map(|kind| Some((*kind, attributes.get(*kind)?.to_vec())));
    Some(Tracked { asked, answered, protocol, port, key: key.collect() })
}

/// Both addresses, the protocol, and the port that is asked for.
fn tuple(tuple: Attributes) -> Option<([IpAddr; 2], u8, u16)> {
    let addresses = tuple.inside(1)?;
    // Source and destination are 1 and 2 for IPv4, 3 and 4 for IPv6.
    let address = |kinds: [u16; 2]| kinds.iter().find_map(|kind| addresses.get(*kind).and_then(ip));
    let protocol = tuple.inside(2)?;
    let port = protocol.get(3).and_then(|port| port.try_into().ok()).map_or(0, u16::from_be_bytes);
    Some(([address([1, 3])?, address([2, 4])?], *protocol.get(1)?.first()?, port))
}
