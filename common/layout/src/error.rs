//! Why an object could not be had at all. What is merely damaged is a finding.

use model::HostPath;

/// Why a layout cannot give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A record that is needed cannot be read.
    #[error(transparent)]
    Read(#[from] hostfs::ReadError),
    /// A record that is needed was read, but says nothing usable.
    #[error("'{path}' {why}")]
    Record {
        /// Where it lies.
        path: HostPath,
        /// What is wrong with it.
        why: String,
    },
    /// The layers of an object cannot be told.
    #[error("the layers of {subject} cannot be told: {why}")]
    NoRootfs {
        /// The object, as a person would name it.
        subject: String,
        /// Why not.
        why: String,
    },
}
