//! Volumes as a store records them.

use crate::{HostPath, Timestamp};

/// A volume. Everything else is in its record, shown by `inspect`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Volume {
    /// Its name; 64 hex digits when anonymous.
    pub name: String,
    /// Which of the root's stores it is in: index into what detection returned.
    pub store: usize,
    /// `local`, or a plugin.
    pub driver: String,
    /// The mountpoint as docker shows it, on the old host.
    pub mountpoint: String,
    /// Where its data lies in the evidence; `None` where it is not there.
    pub data: Option<HostPath>,
    /// Labels, in the record's order.
    pub labels: Vec<(String, String)>,
    /// Driver options, in the record's order.
    pub options: Vec<(String, String)>,
    /// When it was made, where that can be told.
    pub created: Option<Timestamp>,
}
