//! What docker's generations share: a container's own folder and record, which kept its shape from 2013 on.

pub(crate) mod container;
pub(crate) mod folders;
pub(crate) mod links;
pub(crate) mod log;
pub(crate) mod networks;
pub(crate) mod ports;
pub(crate) mod volumes;
