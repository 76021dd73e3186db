//! Host network state: what containers' configs imply, and the means to make it so.
//!
//! In reading order: [`config`] is what configs say, [`inspect`] reads it from docker's JSON, [`Daemon`] is what the daemon
//! was told besides; [`plan()`] turns them into a [`Plan`], plain data in which every thing has its reason and the config
//! field that it comes from; [`interface`] is what containers get; [`render`] writes a plan as text.
//!
//! [`live`] is what a namespace has now, [`change`] what is to be done to it for a plan and how that is undone, [`state`]
//! what is up; [`netlink`] talks to the kernel. [`attach`] does all of that for containers that come up or go down;
//! [`companion`] finds the processes beside them, [`resolver`] and [`proxy`] are what these go by.
//!
//! Nothing here may know of layouts, drivers or archives: whoever reads a root hands over inspect JSON.

pub mod attach;
pub mod change;
pub mod companion;
pub mod config;
mod daemon;
mod dialect;
pub mod files;
mod firewalld;
pub mod inspect;
pub mod interface;
pub mod live;
pub mod namespace;
pub mod netlink;
mod plan;
mod planner;
mod prefix;
pub mod proxy;
pub mod render;
mod resolve;
pub mod resolver;
mod rule;
pub mod state;
pub mod survey;

pub use daemon::Daemon;
pub use interface::{Interface, Joint};
pub use plan::{Bridge, Dialect, Plan, Port, Sysctl};
pub use planner::{plan, plan_beside, veth_name};
pub use prefix::Prefix;
pub use resolve::{Selection, Taken};
pub use rule::{Chain, Family, Is, Match, Rule, RuleSet, Table, Target};
