//! A firewalld that runs here: it rejects what comes from bridges that are in none of its zones, so ours are put into one.
//!
//! Its methods are those of org.fedoraproject.FirewallD1.zone (firewalld 1.3, doc/xml/firewalld.dbus.xml). What is set so
//! lasts as long as it runs, over its reloads, and is in no file.

mod bus;

use std::io;

use bus::Bus;

use crate::live::Live;

/// The zone that accepts everything: our own rules decide on what comes from our bridges.
pub(crate) const ZONE: &str = "trusted";

const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const INTERFACE: &str = "org.fedoraproject.FirewallD1.zone";

/// A firewalld that answers.
#[derive(Debug)]
pub(crate) struct Firewalld(Bus);

impl Firewalld {
    /// The one whose rules are here; `None` where there are none, or nobody answers for them.
    pub(crate) fn of(live: &Live) -> Option<Firewalld> {
        live.chains.iter().find(|chain| chain.table == "firewalld")?;
        Firewalld::connect().ok()
    }

    /// The one on the system's bus.
    pub(crate) fn connect() -> io::Result<Firewalld> {
        Ok(Firewalld(Bus::system()?))
    }

    /// The zone that an interface is in; empty for none.
    pub(crate) fn zone_of(&mut self, interface: &str) -> io::Result<String> {
        self.call("getZoneOfInterface", &[interface])
    }

    /// Puts an interface into our zone.
    pub(crate) fn add(&mut self, interface: &str) -> io::Result<()> {
        self.call("addInterface", &[ZONE, interface]).map(drop)
    }

    /// Takes an interface out of our zone; one that is not in it is left alone.
    pub(crate) fn remove(&mut self, interface: &str) -> io::Result<()> {
        if self.zone_of(interface)? == ZONE {
            self.call("removeInterface", &[ZONE, interface])?;
        }
        Ok(())
    }

    fn call(&mut self, method: &str, words: &[&str]) -> io::Result<String> {
        self.0.call(NAME, PATH, INTERFACE, method, words)
    }
}
