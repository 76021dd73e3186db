//! Why a container could not be made, started or ended.

use std::io;
use std::path::PathBuf;

use launch::StartError;
use launch::docker::DockerError;
use layout::LayoutError;
use layout::docker_content::write::EditError;

/// Why a step of a container's life failed.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The data root.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Its records.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its files.
    #[error("cannot find the container's files")]
    Files(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What its record asks for.
    #[error(transparent)]
    Record(#[from] DockerError),
    /// The network.
    #[error("cannot connect the container")]
    Network(#[from] wire::attach::AttachError),
    /// The launcher.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A name that another container has; the text is docker's.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// What the process beside a container said before it ended.
    #[error("{why}")]
    Told {
        /// Docker's exit status.
        status: u8,
        /// Its reason.
        why: String,
    },
    /// Another process attends it.
    #[error("container {0} runs already, or is just being started")]
    Attended(String),
    /// Nobody passes its streams on.
    #[error("nobody attends the container: the process beside it was killed, or another engine runs it")]
    Unattended,
    /// It does not run; the text is docker's.
    #[error("Container {0} is not running")]
    NotRunning(String),
    /// It is halted already; the text is docker's.
    #[error("Container {0} is already paused")]
    Paused(String),
    /// It is not halted; the text is docker's.
    #[error("Container {0} is not paused")]
    NotPaused(String),
    /// Not a signal; the text is docker's.
    #[error("Invalid signal: {0}")]
    Signal(String),
    /// No network of the root has this name; the text is docker's.
    #[error("network {0} not found")]
    NoNetwork(String),
    /// The data root cannot be read.
    #[error(transparent)]
    Open(#[from] host::OpenError),
    /// A container of the root is not there, or not whole.
    #[error(transparent)]
    Lookup(#[from] host::LookupError),
    /// A link to a container that does not run; the text is docker's.
    #[error("Cannot link to a non running container: {target} AS {alias}")]
    LinkToStopped {
        /// Its name.
        target: String,
        /// What it would be known as.
        alias: String,
    },
    /// Namespaces of a container that does not run; the text is docker's.
    #[error("cannot join {what} of a non running container: {id}")]
    JoinStopped {
        /// `network`, `PID`, `IPC`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// Shared memory of a container that keeps it for itself; the text is docker's.
    #[error("container {0}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)")]
    NotShareable(String),
    /// This machine cannot halt processes.
    #[error("this machine has no freezer cgroup: its processes cannot be halted together")]
    NoFreezer,
    /// A port that an ordinary user may not publish.
    #[error(
        "port {port} is root's to publish: an ordinary user's begin at {least} (sysctl net.ipv4.ip_unprivileged_port_start)"
    )]
    RootsPort {
        /// The port.
        port: u16,
        /// The first that he may.
        least: u16,
    },
    /// A port that somebody has; the text is docker's.
    #[error("Bind for {address}:{port} failed: port is already allocated")]
    PortTaken {
        /// On which address.
        address: std::net::IpAddr,
        /// The port.
        port: u16,
    },
    /// A mount that cannot be had.
    #[error("{0}")]
    Mount(String),
    /// A file of this machine.
    #[error("cannot {doing} '{}'", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something of this machine that has no path.
    #[error("cannot {0}")]
    Machine(&'static str, #[source] io::Error),
}

impl LifeError {
    /// Docker's exit status for it: 126 or 127 where the program cannot be run, else 125.
    pub fn status(&self) -> u8 {
        match self {
            LifeError::Start(error) => error.status(),
            LifeError::Told { status, .. } => *status,
            _ => 125,
        }
    }
}

/// An error about a path of this machine.
pub(crate) fn at(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LifeError {
    let path = path.into();
    move |source| LifeError::File { doing, path, source }
}
