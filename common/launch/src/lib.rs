//! The container launcher.
//!
//! A [`Spec`] says everything a container is to be; [`docker`] makes one from docker's inspect JSON; [`start()`] carries
//! it out. The rules of safety: pivot first, mount after; reach sources of the host and targets of the image by handle,
//! never by one joined path; run nothing of the image on the host's side.
//!
//! In reading order: [`spec`], [`capability`], [`users`], [`docker`], [`mod@start`], `inside`, [`join`], [`cgroup`], [`seccomp`].
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
pub mod oci;
pub mod relay;
pub mod seccomp;
pub mod spec;
pub mod start;
pub mod sys;
pub mod users;
pub mod visit;

pub use clock::now;
pub use inside::identity::resource as rlimit;
pub use inside::send_handle;
pub use spec::Spec;
pub use start::{StartError, Started, Streams, start};

/// The most that a limit of this kernel's number can be set to by this process.
pub fn most(resource: u32) -> u64 {
    sys::most(resource)
}

/// Joins the layers of a root on `scratch`, in a mount namespace that this process gets for itself: for another program
/// that is to run there. Returns where the root is. This process must have one thread.
pub fn mount_root(root: &spec::RootFiles, scratch: &std::path::Path) -> Result<std::path::PathBuf, StartError> {
    sys::unshare(libc::CLONE_NEWNS).map_err(StartError::Process)?;
    Ok(inside::root::mount(root, scratch)?)
}
