//! Why a root cannot be changed.

use std::path::PathBuf;

use hostfs::{ReadError, WriteError};
use model::{HostPath, ReferenceError};

/// Why a change of a root was not made. Where docker has words for it, they are docker's.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Something could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Something that is needed could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record that is needed says nothing usable, and must not be written over.
    #[error("'{path}' {why}")]
    Record {
        /// Where it lies.
        path: HostPath,
        /// What is wrong with it.
        why: String,
    },
    /// A living daemon owns the root.
    #[error("the data root '{}' belongs to a running daemon: {daemon}", root.display())]
    Owned {
        /// The root.
        root: PathBuf,
        /// The process that owns it.
        daemon: String,
    },
    /// The root cannot be written in the way that its engine keeps it.
    #[error("cannot write the data root '{}': {why}", root.display())]
    OnlyRead {
        /// The root.
        root: PathBuf,
        /// Why not.
        why: String,
    },
    /// It is a folder of something else.
    #[error("'{}' is no data root of docker: it holds {holds}", root.display())]
    NoRoot {
        /// What was given as the root.
        root: PathBuf,
        /// What lies there that no data root has.
        holds: String,
    },
    /// What was given does not fit together.
    #[error("{0}")]
    Invalid(String),
    /// A name is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No image has this name or id.
    #[error("No such image: {0}")]
    NoImage(String),
    /// No container has this name or id.
    #[error("No such container: {0}")]
    NoContainer(String),
    /// Several ids begin like this.
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    /// It is in use; the text is docker's.
    #[error("{0}")]
    Conflict(String),
}

impl EditError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            EditError::Owned { .. } => {
                Some("stop the daemon first, or pipe into `docker load`, or name another root with --root")
            }
            EditError::OnlyRead { .. } => Some(
                "write an archive with `save` and load it with the engine itself, or name another root with --root",
            ),
            EditError::NoRoot { .. } => Some("name the data root itself with --root; an empty folder becomes one"),
            EditError::Write(WriteError::Locked { .. }) => {
                Some("wait for it: without --no-wait this happens by itself")
            }
            _ => None,
        }
    }

    /// Whether the object asked for is simply not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, EditError::NoImage(_) | EditError::NoContainer(_))
    }
}
