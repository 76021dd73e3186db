//! What docker's generations share: a container's own folder and record, volumes, networks, and today's shapes of them.

pub(crate) mod build_cache;
pub(crate) mod container;
pub(crate) mod folders;
pub(crate) mod graph_driver;
pub(crate) mod inspect;
pub(crate) mod inspect_image;
pub(crate) mod links;
pub(crate) mod log;
pub(crate) mod network_settings;
pub(crate) mod networks;
pub(crate) mod plugins;
pub(crate) mod ports;
pub(crate) mod settings;
pub(crate) mod swarm;
pub(crate) mod volumes;
