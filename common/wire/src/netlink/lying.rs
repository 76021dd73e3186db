//! Interfaces that lie on another one: macvlan, ipvlan and VLANs; and dummies, for what has no other one to lie on.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::link::{
    ACK, CREATE, IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, IFLA_NET_NS_FD, INFO_DATA, INFO_KIND, NEW_LINK,
    info,
};
use super::{Batch, NetlinkError, Socket};
use crate::config::Mac;
use crate::interface::{Lie, MacvlanMode};

const IFLA_LINK: u16 = 5;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;

/// An interface to be that lies on another.
#[derive(Clone, Debug)]
pub struct NewLying<'a> {
    /// Its name.
    pub name: &'a str,
    /// The interface here that it lies on.
    pub parent: u32,
    /// How.
    pub lie: Lie,
    /// Its MAC address; `None` for that of its parent.
    pub mac: Option<Mac>,
    /// Its MTU; `None` for that of its parent.
    pub mtu: Option<u32>,
    /// The namespace that it is born in.
    pub namespace: BorrowedFd<'a>,
}

impl Socket {
    /// Makes an interface that lies on one of this namespace, born in the other namespace and down.
    pub fn add_lying(&self, new: &NewLying) -> Result<(), NetlinkError> {
        self.send(lying(new))
    }

    /// Makes the part of an interface whose packets have a number, down.
    pub fn add_vlan(&self, name: &str, of: u32, id: u16) -> Result<(), NetlinkError> {
        self.send(vlan(name, of, id))
    }

    /// Makes an interface that leads nowhere, down.
    pub fn add_dummy(&self, name: &str, mac: Mac) -> Result<(), NetlinkError> {
        self.send(dummy(name, mac))
    }
}

fn lying(new: &NewLying) -> Batch {
    let mut batch = Batch::default();
    batch.begin(NEW_LINK, ACK | CREATE, &info(0, 0, 0));
    batch.text(IFLA_IFNAME, new.name);
    new.mac.iter().for_each(|mac| batch.put(IFLA_ADDRESS, mac));
    new.mtu.iter().for_each(|mtu| batch.number(IFLA_MTU, *mtu));
    batch.number(IFLA_LINK, new.parent);
    batch.number(IFLA_NET_NS_FD, new.namespace.as_raw_fd() as u32);
    batch.nest(IFLA_LINKINFO, |batch| {
        batch.text(INFO_KIND, new.lie.kind());
        batch.nest(INFO_DATA, |batch| match new.lie {
            Lie::Macvlan(mode) => batch.number(IFLA_MACVLAN_MODE, macvlan_mode(mode)),
            Lie::Ipvlan(mode, reach) => {
                batch.put(IFLA_IPVLAN_MODE, &(mode as u16).to_ne_bytes());
                batch.put(IFLA_IPVLAN_FLAGS, &(reach as u16).to_ne_bytes());
            }
        });
    });
    batch
}

/// `enum macvlan_mode` of linux/if_link.h.
fn macvlan_mode(mode: MacvlanMode) -> u32 {
    match mode {
        MacvlanMode::Private => 1,
        MacvlanMode::Vepa => 2,
        MacvlanMode::Bridge => 4,
        MacvlanMode::Passthru => 8,
    }
}

fn vlan(name: &str, of: u32, id: u16) -> Batch {
    let mut batch = Batch::default();
    batch.begin(NEW_LINK, ACK | CREATE, &info(0, 0, 0));
    batch.text(IFLA_IFNAME, name);
    batch.number(IFLA_LINK, of);
    batch.nest(IFLA_LINKINFO, |batch| {
        batch.text(INFO_KIND, "vlan");
        batch.nest(INFO_DATA, |batch| batch.put(IFLA_VLAN_ID, &id.to_ne_bytes()));
    });
    batch
}

fn dummy(name: &str, mac: Mac) -> Batch {
    let mut batch = Batch::default();
    batch.begin(NEW_LINK, ACK | CREATE, &info(0, 0, 0));
    batch.text(IFLA_IFNAME, name);
    batch.put(IFLA_ADDRESS, &mac);
    batch.nest(IFLA_LINKINFO, |batch| batch.text(INFO_KIND, "dummy"));
    batch
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::interface::{IpvlanMode, IpvlanReach};
    use crate::netlink::Attributes;

    /// What `ip` of iproute2 6.1.0 sent for the same (strace): attributes, and those of `IFLA_INFO_DATA`.
    fn check(mut ours: Batch, kind: &str, attributes: &[(u16, &[u8])], data: &[(u16, &[u8])]) {
        let (head, body) = ours.bytes().split_at(32);
        // RTM_NEWLINK with REQUEST, ACK, EXCL and CREATE, and an empty `struct ifinfomsg`.
        assert_eq!((&head[4..8], &head[16..]), (&[16, 0, 5, 6][..], &[0; 16][..]), "{kind}");
        let own = Attributes(body);
        let mut found: Vec<(u16, &[u8])> = own.filter(|(number, _)| *number != IFLA_LINKINFO).collect();
        found.sort();
        assert_eq!(found, attributes, "{kind}");
        let about = own.inside(IFLA_LINKINFO).expect("it says of which kind it is");
        assert_eq!(about.text(INFO_KIND).as_deref(), Some(kind));
        let told: Vec<_> = about.inside(INFO_DATA).into_iter().flatten().collect();
        assert_eq!(told, data, "{kind}");
    }

    #[test]
    fn messages_are_those_of_ip() {
        let (parent, mac) = (3, [0x02, 0x42, 1, 2, 3, 4]);
        check(vlan("p0.50", parent, 50), "vlan", &[(3, b"p0.50\0"), (5, &[3, 0, 0, 0])], &[(1, &[0x32, 0])]);
        check(dummy("dm-0123456789ab", mac), "dummy", &[(1, &mac), (3, b"dm-0123456789ab\0")], &[]);
        let file = std::fs::File::open("/dev/null").expect("it is there");
        let number = (file.as_raw_fd() as u32).to_ne_bytes();
        let new = NewLying {
            name: "eth0",
            parent,
            lie: Lie::Macvlan(MacvlanMode::Vepa),
            mac: Some(mac),
            mtu: None,
            namespace: file.as_fd(),
        };
        let places: [(u16, &[u8]); 3] = [(3, b"eth0\0"), (5, &[3, 0, 0, 0]), (28, &number)];
        let with_mac = [&[(1, &mac[..])], &places[..]].concat();
        check(lying(&new), "macvlan", &with_mac, &[(1, &[2, 0, 0, 0])]);
        let lie = Lie::Ipvlan(IpvlanMode::L3s, IpvlanReach::Private);
        check(lying(&NewLying { lie, mac: None, ..new }), "ipvlan", &places, &[(1, &[2, 0]), (2, &[1, 0])]);
    }
}
