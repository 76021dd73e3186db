//! Containers as a store records them, with what lists and lookups need. The whole record stays with the store.

use std::net::IpAddr;

use crate::{HostPath, Id, Timestamp};

/// A container: what `ps` shows and other programs look up. Everything else is in its record, shown by `inspect`.
#[derive(Clone, PartialEq, Debug)]
pub struct Container {
    /// The id, 64 hex digits with docker and podman, free text with containerd.
    pub id: Id,
    /// Which of the root's stores it is in: index into what detection returned.
    pub store: usize,
    /// Names without the leading slash, links' aliases (`web/db`) after its own name; none before docker 0.6.5.
    pub names: Vec<String>,
    /// The image as it was named when the container was made (`app:1`), else its id. Empty where not recorded.
    pub image: String,
    /// The image's id without `sha256:`, where recorded.
    pub image_id: Option<Id>,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its state when the store was last written.
    pub state: State,
    /// Labels, in the record's order.
    pub labels: Vec<(String, String)>,
    /// Ports exposed and published, sorted as docker shows them.
    pub ports: Vec<PortBinding>,
    /// What is mounted, by destination.
    pub mounts: Vec<Mount>,
    /// Names of the networks that it is on, sorted.
    pub networks: Vec<String>,
    /// The graph driver or snapshotter that holds its files, by recorded name.
    pub driver: Box<str>,
    /// The main record (`containers/<id>/config.v2.json`); where it lies in a database, that file.
    pub record: HostPath,
}

/// The state of a container, as it was when last written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Docker's one word for it.
    pub status: Status,
    /// The main process's exit code; `None` where the record does not say (docker 1.12, containerd).
    pub exit_code: Option<i64>,
    /// When it was last started; `None` for never.
    pub started: Option<Timestamp>,
    /// When it last ended; `None` for never.
    pub finished: Option<Timestamp>,
    /// The main process on the old host; 0 for none.
    pub pid: i64,
    /// Why the last start failed; empty when it did not.
    pub error: String,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
    /// What health checks said last, where there are any.
    pub health: Option<Health>,
}

/// What a health check said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// Not known yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

/// Docker's words for the state of a container.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Status {
    /// Made, never started.
    Created,
    /// Running when last written.
    Running,
    /// Frozen when last written.
    Paused,
    /// Between two starts when last written.
    Restarting,
    /// Being removed when last written.
    Removing,
    /// Ended.
    Exited,
    /// Half removed.
    Dead,
    /// Not recorded, as with containerd.
    #[default]
    Unknown,
}

impl Status {
    /// Docker's word: `created`, `running`, …; empty for [`Status::Unknown`].
    pub fn word(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Removing => "removing",
            Status::Exited => "exited",
            Status::Dead => "dead",
            Status::Unknown => "",
        }
    }

    /// Whether docker's `ps` shows it without `-a`.
    pub fn is_live(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Restarting)
    }
}

/// A transport protocol of a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// `tcp`.
    Tcp,
    /// `udp`.
    Udp,
    /// `sctp`.
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// The protocol of that name, in any case.
    pub fn parse(word: &str) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|p| p.word().eq_ignore_ascii_case(word))
    }
}

/// A port that a container exposes, published on the host where `host` is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortBinding {
    /// The port inside.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// Address and port on the host. The address is `None` where the record names none.
    pub host: Option<(Option<IpAddr>, u16)>,
}

/// What a mount is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume.
    Volume,
    /// Memory.
    Tmpfs,
    /// An image's files.
    Image,
    /// Something else: a named pipe, a cluster volume.
    Other,
}

/// Something mounted in a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// What it is.
    pub kind: MountKind,
    /// The volume's name; empty otherwise.
    pub name: String,
    /// The path on the old host, as recorded; may be empty.
    pub source: String,
    /// The path inside.
    pub destination: String,
    /// The volume's driver; empty otherwise.
    pub driver: String,
    /// Whether it may be written.
    pub writable: bool,
}

/// Where a container's log lies and in which form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogPlace {
    /// The log driver by name: `json-file`, `local`, `none`, `journald`, `k8s-file`, …
    pub driver: String,
    /// The newest file; rotated ones stand beside it. `None` where that driver keeps nothing here.
    pub file: Option<HostPath>,
    /// The form in which `file` is written, which may differ from the driver (docker's local cache for remote drivers).
    pub form: LogForm,
    /// Whether the container had a terminal: then all output is on one stream.
    pub terminal: bool,
    /// Whether the engine's API answers with times in whole seconds, though the file has more (podman before 5.8).
    pub whole_seconds: bool,
}

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogForm {
    /// Docker's json-file: one JSON object a line.
    JsonFile,
    /// Docker's `local`: protobuf with lengths around.
    Local,
    /// CRI's: time, stream, `F` or `P`, text. Parts are joined, as kubelet shows them.
    Cri,
    /// Podman's k8s-file: as CRI's, but each part is a record of its own.
    K8sFile,
    /// Raw bytes, stdout and stderr apart (docker before 0.5.1).
    Raw,
}
