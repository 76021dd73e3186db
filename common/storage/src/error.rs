//! Why a filesystem cannot be put together at all. What merely could not be read is a finding.

use hostfs::ReadError;
use model::{Driver, HostPath};

/// Why the files of a container, image or layer cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no layer to begin with.
    #[error("it has no layers")]
    Empty,
    /// The folder of the top layer is not there, or cannot be read.
    #[error("cannot open layer '{id}'")]
    Layer {
        /// The driver's own id.
        id: Box<str>,
        /// Why not.
        #[source]
        source: ReadError,
    },
    /// Files lie in a way that is not read here.
    #[error("files of driver '{}' cannot be read: {why}", model::path::shown(driver.name().as_bytes()))]
    Driver {
        /// Which.
        driver: Driver,
        /// Where they are, and what to do instead.
        why: String,
    },
    /// An id that is no single name of a folder.
    #[error("layer id '{}' is no name of a folder", model::path::shown(id.as_bytes()))]
    Id {
        /// As recorded.
        id: Box<str>,
    },
    /// A folder of the tree cannot be opened again.
    #[error("cannot open '{path}' again")]
    Gone {
        /// Where it was.
        path: HostPath,
        /// Why not.
        #[source]
        problem: hostfs::Problem,
    },
}
