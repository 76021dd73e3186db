//! The evidence root: a directory, or a tar of one. The only crate that opens files of the host under study.
//!
//! [`Root`] is the opened evidence; everything is named by a [`HostPath`](model::HostPath) below it. [`Dir`] walks trees
//! of files by handle, [`File`] reads one.
//!
//! A root in a tar, plain or compressed, in a file or on stdin, is indexed once and read like a directory. Compressed or
//! piped contents lie in an unlinked temporary file meanwhile, in $TMPDIR or /var/tmp, never in the evidence.
//!
//! What holds, whatever lies there: nothing outside of the root is opened; no symbolic link is followed unless asked,
//! and then inside the root only; nothing but regular files is opened for reading, and opening never blocks; no access
//! time moves where the kernel lets us say so (`quiet`); no record is read beyond the limit that the caller names.
//!
//! [`Tree`] is what [`Dir`] and [`File`] walk where no kernel shows the files: that index, or a filesystem in a disk.
//!
//! [`Target`] is a root opened for writing: everything beneath, no link followed, files whole or not there at all.
//!
//! Nothing here may know docker, podman, layers.

mod dir;
mod error;
mod file;
mod os;
mod packed;
pub mod process;
mod quiet;
mod root;
mod stat;
mod target;
mod tree;

pub use dir::{Dir, DirEntry};
pub use error::{Problem, ReadError};
pub use file::File;
pub use root::Root;
pub use stat::{FileKind, Stat};
pub use target::{Holder, Lock, Room, Shift, Target, Wait, WriteError};
pub use tree::Tree;
