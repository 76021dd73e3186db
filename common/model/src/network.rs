//! Networks as a store records them.

use crate::{HostPath, Id, Timestamp};

/// A network. Everything else is in its record, shown by `inspect`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// 64 hex digits.
    pub id: Id,
    /// Which of the root's stores it is in: index into what detection returned.
    pub store: usize,
    /// Its name.
    pub name: String,
    /// `bridge`, `host`, `null`, `macvlan`, `overlay`, …
    pub driver: String,
    /// `local`, `swarm` or `global`; empty where not recorded.
    pub scope: String,
    /// When it was made, where recorded.
    pub created: Option<Timestamp>,
    /// Labels, in the record's order.
    pub labels: Vec<(String, String)>,
    /// Whether it has no way out.
    pub internal: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// The file that holds its record.
    pub record: HostPath,
}
