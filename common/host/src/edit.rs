//! Opening a data root for changes, with what programs say while they wait.

use std::path::Path;

use hostfs::{Holder, Wait};
use layout::docker_content::write::{EditError, Writer};

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
