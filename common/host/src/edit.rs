//! Opening a data root for changes, with what programs say while they wait.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hostfs::{Holder, Wait};
use layout::docker_content::write::{EditError, Writer};
use model::{HostPath, Store};

use crate::Host;

/// Opens an existing root for writing. While another program writes to it, this waits, or with `no_wait` refuses;
/// after a second `say` hears for whom, once.
pub fn open_for_writing(path: &Path, no_wait: bool, say: impl FnMut(&str)) -> Result<Writer, EditError> {
    waiting(no_wait, say, |wait| Writer::open(path, wait))
}

/// Opens a root for writing, and makes it where it is missing; else as [`open_for_writing`].
pub fn make_for_writing(path: &Path, no_wait: bool, say: impl FnMut(&str)) -> Result<Writer, EditError> {
    waiting(no_wait, say, |wait| Writer::create(path, wait))
}

fn waiting<T>(no_wait: bool, mut say: impl FnMut(&str), open: impl FnOnce(Wait) -> T) -> T {
    let mut tell = |holder: &Holder| say(&format!("waiting for {holder}, which writes to the data root"));
    open(if no_wait { Wait::No } else { Wait::Yes(&mut tell) })
}

/// Why a store is not written.
#[derive(Debug, thiserror::Error)]
pub enum OnlyRead {
    /// Its form is only read.
    #[error("is in a store that is only read ({0})")]
    Form(String),
    /// It lies below what was opened, and may be written by itself.
    #[error("is in a data root below this one: --root {} names it", .0.display())]
    Below(PathBuf),
}

impl Host {
    /// Refuses a store that is not written.
    pub fn may_write(&self, index: usize) -> Result<(), OnlyRead> {
        let store = self.store(index);
        let alone = Store { home: HostPath::default(), ..store.clone() };
        match (store.is_native(), alone.is_native() && self.root().is_on_disk()) {
            (true, _) => Ok(()),
            (false, true) => Err(OnlyRead::Below(self.root().path().join(OsStr::from_bytes(store.home.as_bytes())))),
            (false, false) => Err(OnlyRead::Form(store.to_string())),
        }
    }
}
