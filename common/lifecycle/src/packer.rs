//! Compresses full log files in a process of its own: the one beside the container must not wait, nor have threads.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use launch::sys::{self, Cloned};
use logfile::write::{Packer, pack};
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Packs beside the caller, one file at a time.
#[derive(Default)]
pub struct Beside(Option<OwnedFd>);

impl Packer for Beside {
    fn settle(&mut self) {
        if let Some(handle) = self.0.take() {
            let _ = waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED);
        }
    }

    fn pack(&mut self, path: PathBuf) {
        self.settle();
        match sys::clone(0, None) {
            Ok(Cloned::Child) => sys::exit_now(i32::from(pack(&path).is_err())),
            Ok(Cloned::Parent { handle, .. }) => self.0 = Some(handle),
            // Then the file stays as it is, which every reader takes too.
            Err(_) => {}
        }
    }
}
