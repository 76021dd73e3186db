//! Who has an address on a link: asked on the wire by the kernel, ARP and neighbour discovery alike.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::link::{Neighbour, family_number, octets};
use super::{Batch, NetlinkError, Socket};
use crate::Family;

const NEW_NEIGHBOUR: u16 = 28;
const DELETE_NEIGHBOUR: u16 = 29;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
/// The kernel is to look for whoever has the address, as if something was to be sent there (`NTF_USE`).
const USE: u8 = 1;
/// How often answers are looked for.
const EVERY: Duration = Duration::from_micros(500);

impl Socket {
    /// Asks for addresses behind interfaces, and waits for answers that long; those that answered. Nothing is left of the
    /// questions that nobody answered.
    pub fn who_has(&self, asked: &[(u32, IpAddr)], patience: Duration) -> Result<Vec<Neighbour>, NetlinkError> {
        for (link, address) in asked {
            self.send(message(NEW_NEIGHBOUR, ACK | CREATE, *link, *address))?;
        }
        let begin = Instant::now();
        let answered = loop {
            let mut found = self.neighbours()?;
            found.retain(|neighbour| asked.contains(&(neighbour.by, neighbour.address)));
            if found.len() == asked.len() || begin.elapsed() > patience {
                break found;
            }
            std::thread::sleep(EVERY);
        };
        let silent =
            asked.iter().filter(|(link, address)| !answered.iter().any(|n| (n.by, n.address) == (*link, *address)));
        for (link, address) in silent {
            // It may have gone by itself.
            let _ = self.send(message(DELETE_NEIGHBOUR, ACK, *link, *address));
        }
        Ok(answered)
    }
}

/// `struct ndmsg` (linux/neighbour.h).
fn message(kind: u16, flags: u16, link: u32, address: IpAddr) -> Batch {
    let mut header = [0; 12];
    header[0] = family_number(Family::of(address));
    header[4..8].copy_from_slice(&link.to_ne_bytes());
    header[10] = if kind == NEW_NEIGHBOUR { USE } else { 0 };
    let mut batch = Batch::default();
    batch.begin(kind, flags, &header);
    batch.put(1, &octets(address));
    batch
}
