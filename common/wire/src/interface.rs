//! Containers' interfaces: pairs with an end on a bridge, and those that lie on an interface of the host.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Prefix;
use crate::config::Mac;

/// A container's interface.
#[derive(Clone, PartialEq, Debug)]
pub struct Interface {
    /// What it is at the host.
    pub joint: Joint,
    /// The container's id and title.
    pub container: (String, String),
    /// The network's name.
    pub network: String,
    /// Its name inside.
    pub name: String,
    /// Its MAC address; `None` for that of its parent.
    pub mac: Option<Mac>,
    /// Its addresses.
    pub addresses: Vec<Prefix>,
    /// Default gateways, through this interface.
    pub gateways: Vec<IpAddr>,
    /// Whether everything goes out by this interface without a gateway.
    pub straight: bool,
    /// Its MTU, and that of the other end of a pair; `None` for that of its parent.
    pub mtu: Option<u32>,
    /// Process whose network namespace it is; 0 for none.
    pub pid: u32,
    /// File that is the network namespace; may be empty.
    pub sandbox: String,
    /// Why it is there.
    pub reason: String,
    /// The config field that it comes from.
    pub from: String,
}

impl Interface {
    /// The interface of the host that it is on: a bridge or a parent.
    pub fn on(&self) -> &str {
        match &self.joint {
            Joint::Pair { bridge, .. } => bridge,
            Joint::On { parent, .. } => parent,
        }
    }

    /// The other end of a pair.
    pub fn host_name(&self) -> Option<&str> {
        match &self.joint {
            Joint::Pair { host_name, .. } => Some(host_name),
            Joint::On { .. } => None,
        }
    }

    /// The file that is the container's network namespace.
    pub fn namespace_path(&self) -> PathBuf {
        namespace_path(self.pid, &self.sandbox)
    }
}

/// The file that is a container's network namespace: that of its process, else the recorded one.
pub fn namespace_path(pid: u32, sandbox: &str) -> PathBuf {
    match pid {
        0 => sandbox.into(),
        pid => format!("/proc/{pid}/ns/net").into(),
    }
}

/// Bytes of an interface's name at most (IFNAMSIZ of linux/if.h, without the zero).
pub(crate) const MOST: usize = 15;

/// Whether an interface may be called so, and means itself in every text of rules.
///
/// The kernel takes more (linux/net/core/dev.c, dev_valid_name); iptables and nft take `+` and `*` at the end for any name, and
/// quotes, spaces and ends of lines for what they are in their texts: a record that says such a name is not to say more rules.
pub fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@#%=~^,".contains(&byte);
    (1..=MOST).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('-')
        // The last two are no interfaces, but all of them, in the kernel's settings.
        && ![".", "..", "all", "default"].contains(&name)
}

/// What a container's interface is at the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Joint {
    /// The inner end of a pair.
    Pair {
        /// The end on the bridge.
        host_name: String,
        /// The bridge.
        bridge: String,
        /// Whether the bridge may send a packet back to where it came from.
        hairpin: bool,
    },
    /// An interface that lies on one of the host's.
    On {
        /// The one of the host.
        parent: String,
        /// How it lies there.
        lie: Lie,
    },
}

/// How an interface lies on another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Lie {
    /// With a MAC address of its own.
    Macvlan(MacvlanMode),
    /// With the MAC address of the other.
    Ipvlan(IpvlanMode, IpvlanReach),
}

impl Lie {
    /// The kernel's word for the kind of interface.
    pub fn kind(self) -> &'static str {
        match self {
            Lie::Macvlan(_) => "macvlan",
            Lie::Ipvlan(..) => "ipvlan",
        }
    }

    /// Docker's words for how it lies: `bridge`, `l3s private`.
    pub fn words(self) -> String {
        match self {
            Lie::Macvlan(mode) => mode.word().to_owned(),
            Lie::Ipvlan(mode, IpvlanReach::Bridge) => mode.word().to_owned(),
            Lie::Ipvlan(mode, reach) => format!("{} {}", mode.word(), reach.word()),
        }
    }
}

/// Closed sets with docker's word for each.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Docker's word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }

            /// What the word means; `None` for another word.
            pub fn parse(word: &str) -> Option<$name> {
                match word {
                    $($word => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// Who reaches whom on a macvlan's parent (`macvlan_mode`).
    MacvlanMode {
        /// All of the parent.
        Bridge = "bridge",
        /// Nobody of the parent.
        Private = "private",
        /// All, by the switch outside.
        Vepa = "vepa",
        /// It is the parent's only one.
        Passthru = "passthru",
    }
}

words! {
    /// By what packets find an ipvlan (`ipvlan_mode`), in the order of linux/if_link.h.
    IpvlanMode {
        /// By their network.
        L2 = "l2",
        /// By the host's routes.
        L3 = "l3",
        /// The same, seen by netfilter.
        L3s = "l3s",
    }
}

words! {
    /// Who reaches whom on an ipvlan's parent (`ipvlan_flag`), in the order of linux/if_link.h's flags.
    IpvlanReach {
        /// All of the parent.
        Bridge = "bridge",
        /// Nobody of the parent.
        Private = "private",
        /// All, by the switch outside.
        Vepa = "vepa",
    }
}

/// An interface of the host that containers' interfaces lie on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parent {
    /// Its name.
    pub name: String,
    /// The network's name and id.
    pub network: (String, String),
    /// What is made where it is not there.
    pub kind: ParentKind,
    /// Why it is there.
    pub reason: String,
    /// The config field that it comes from.
    pub from: String,
}

/// What a parent is made as where it is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParentKind {
    /// It is not made: it must be there.
    Given,
    /// The part of another interface whose packets have a number (802.1Q).
    Vlan {
        /// The other interface.
        of: String,
        /// The number, 1 to 4094.
        id: u16,
    },
    /// One that leads nowhere.
    Dummy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_say_more_than_a_name_are_none() {
        for (name, expected) in [
            ("docker0", true),
            ("br-0123456789ab", true),
            ("eth0.50", true),
            ("eth0@x", true),
            ("", false),
            ("br-0123456789abc", false),
            ("..", false),
            ("all", false),
            ("default", false),
            ("../../x", false),
            ("br0\n-A INPUT", false),
            ("br 0", false),
            ("br\"0", false),
            ("br+", false),
            ("br*", false),
            ("-A", false),
            ("a:1", false),
            ("brücke", false),
        ] {
            assert_eq!(is_name(name), expected, "{name:?}");
        }
    }
}
