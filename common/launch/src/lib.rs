//! The container launcher.
//!
//! A [`Spec`] says everything a container is to be; [`docker`] makes one from docker's inspect JSON; [`start()`] carries
//! it out. The rules of safety: pivot first, mount after; reach sources of the host and targets of the image by handle,
//! never by one joined path; run nothing of the image on the host's side.
//!
//! In reading order: [`spec`], [`capability`], [`users`], [`docker`], [`start`], `inside`, [`join`], [`cgroup`], [`seccomp`].
//!
//! Nothing here may know layouts, drivers, archives.

pub mod capability;
pub mod cgroup;
mod clock;
pub mod docker;
pub mod init;
pub mod init_layer;
mod inside;
pub mod join;
pub mod relay;
pub mod seccomp;
pub mod spec;
pub mod start;
pub mod sys;
pub mod users;

pub use clock::now;
pub use inside::identity::resource as rlimit;
pub use spec::Spec;
pub use start::{StartError, Started, Streams, start};

/// The most that a limit of this kernel's number can be set to by this process.
pub fn most(resource: u32) -> u64 {
    sys::most(resource)
}
