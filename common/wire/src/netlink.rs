//! Talking to the kernel about links, addresses, routes and rules: netlink messages of our own making.
//!
//! [`Socket`] sends a [`Batch`] and reads the answers; [`link`], [`lying`], [`nft`] and [`conntrack`] know what is in the messages
//! (linux/netlink.h, linux/rtnetlink.h, linux/netfilter/nf_tables.h).

mod batch;
pub mod conntrack;
pub mod link;
pub mod lying;
mod needs;
mod neighbour;
pub mod nft;
mod socket;

pub(crate) use batch::{Attributes, Batch};
pub use socket::{NetlinkError, Socket};
