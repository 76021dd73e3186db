//! What is to be done to a namespace for a plan, and how it is undone.
//!
//! [`mod@compare`] is data in, data out: plan and live state in, [`Step`]s, their [`Undo`]s and [`Conflict`]s out. [`mod@make`]
//! does the steps, [`mod@unmake`] undoes.

mod compare;
pub mod guard;
mod iptables;
mod lying;
mod make;
mod unmake;

use std::fmt;

use thiserror::Error;

use crate::config::Mac;
use crate::interface::{Interface, Joint, Parent, ParentKind};
use crate::netlink::NetlinkError;
use crate::render::json::dotted;
use crate::render::rows::mac;
use crate::state::{StateError, Undo};
use crate::{Prefix, RuleSet};

pub use compare::{Changes, Conflict, compare, foreign_bridges};
pub use guard::{Guards, ip_tables_that_drop};
pub use make::make;
pub(crate) use make::target;
pub use unmake::unmake;

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sets a kernel setting.
    Sysctl {
        /// Its name with slashes.
        key: String,
        /// What it is now; empty where it is there only later.
        was: String,
        /// What it will be.
        set: String,
    },
    /// Makes a bridge.
    Bridge {
        /// Its name.
        name: String,
        /// Its MAC address.
        mac: Mac,
        /// Its MTU.
        mtu: u32,
    },
    /// Gives a bridge an address.
    Address {
        /// The bridge.
        link: String,
        /// The address.
        prefix: Prefix,
        /// Whether with a broadcast address.
        broadcast: bool,
    },
    /// Switches a bridge on.
    Up {
        /// The bridge.
        link: String,
    },
    /// Puts our tables in place of what they were.
    Rules {
        /// The rules.
        rules: RuleSet,
        /// How many rules there were.
        was: usize,
    },
    /// Adds rules to iptables, whose policy would drop the packets otherwise.
    Iptables {
        /// `iptables-nft`, `ip6tables-legacy`, …
        program: String,
        /// Chains and rules.
        rules: Vec<Vec<String>>,
    },
    /// Puts a bridge into the zone of firewalld's that accepts everything, which would reject what comes from it otherwise.
    Zone {
        /// The bridge.
        link: String,
    },
    /// Makes an interface that others are to lie on, which is not there.
    Parent {
        /// The interface.
        parent: Parent,
        /// Its MAC address, where it has one of its own.
        mac: Mac,
    },
    /// Makes a container's interface.
    Attach {
        /// The interface.
        interface: Box<Interface>,
        /// MAC address of the bridge's end of a pair.
        mac: Mac,
        /// Settings inside: name with slashes, and value.
        sysctls: Vec<(String, String)>,
    },
    /// Removes an interface that is ours and no longer wanted.
    Remove {
        /// Its name.
        link: String,
    },
    /// Removes one from a container's namespace.
    RemoveInside {
        /// Which one.
        lying: Undo,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Step::Sysctl { key, was, set } if was.is_empty() => write!(f, "set {}={set}", dotted(key)),
            Step::Sysctl { key, was, set } => write!(f, "set {}={set} (is {was})", dotted(key)),
            Step::Bridge { name, mac: address, mtu } => write!(f, "add bridge {name} {} mtu {mtu}", mac(*address)),
            Step::Address { link, prefix, .. } => write!(f, "add address {prefix} to {link}"),
            Step::Up { link } => write!(f, "switch on {link}"),
            Step::Rules { rules, was } => write!(f, "put {} rules in table dockless (has {was})", rules.rules.len()),
            Step::Iptables { program, rules } => {
                let lines: Vec<_> = rules.iter().map(|rule| format!("{program} -I {}", rule.join(" "))).collect();
                f.write_str(&lines.join("; "))
            }
            Step::Parent { parent, .. } => match &parent.kind {
                ParentKind::Vlan { of, id } => write!(f, "add vlan {} with number {id} of {of}", parent.name),
                ParentKind::Dummy | ParentKind::Given => write!(f, "add dummy {}", parent.name),
            },
            Step::Attach { interface, .. } => attach(interface, f),
            Step::Zone { link } => write!(f, "put {link} into firewalld's zone {}", crate::firewalld::ZONE),
            Step::Remove { link } => write!(f, "remove {link}"),
            Step::RemoveInside { lying: Undo::Lying { namespace, name, .. } } => {
                write!(f, "remove {name} in {}", namespace.display())
            }
            Step::RemoveInside { lying } => write!(f, "remove {lying:?}"),
        }
    }
}

fn attach(interface: &Interface, f: &mut fmt::Formatter) -> fmt::Result {
    let (name, title) = (&interface.name, &interface.container.1);
    match &interface.joint {
        Joint::Pair { host_name, bridge, .. } => write!(f, "add pair {host_name} on {bridge}, {name} in {title} with")?,
        Joint::On { parent, lie } => write!(f, "add {} on {parent}, {name} in {title} with", lie.kind())?,
    }
    interface.addresses.iter().try_for_each(|address| write!(f, " {address}"))?;
    interface.mac.iter().try_for_each(|address| write!(f, " {}", mac(*address)))
}

/// Why a change could not be made.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// One step failed.
    #[error("cannot {step}")]
    Step {
        /// What was to be done.
        step: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kernel's answers.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The state file.
    #[error(transparent)]
    State(#[from] StateError),
}
