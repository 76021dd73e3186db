//! What a container is to be: every namespace, mount, limit and right, decided before anything is done.
//!
//! A [`Spec`] is plain data. It is made from docker's inspect JSON by [`crate::docker`], shown by `run --plan`, and
//! carried out by [`mod@crate::start`]. Nothing in it is looked up later: names of users are numbers, variables are joined.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;

use crate::capability::Capabilities;

/// A container, ready to be started.
#[derive(Clone, Debug, Serialize)]
pub struct Spec {
    /// Names its cgroups; 64 hex digits.
    pub id: String,
    /// Its files.
    pub root: RootFiles,
    /// What runs in it.
    pub process: Process,
    /// Host name inside.
    pub hostname: String,
    /// NIS domain name inside; empty for none.
    pub domainname: String,
    /// What it has of its own and what it shares.
    pub namespaces: Namespaces,
    /// What is mounted, in this order, after the root is in place.
    pub mounts: Vec<Mount>,
    /// Device nodes made in `/dev`.
    pub devices: Vec<Device>,
    /// Which devices its processes may use; empty forbids all.
    pub device_rules: Vec<DeviceRule>,
    /// Paths that show nothing: files read as empty, directories are empty.
    pub masked: Vec<PathBuf>,
    /// Paths that cannot be written.
    pub read_only_paths: Vec<PathBuf>,
    /// Kernel settings of its own namespaces, `net.ipv4.ip_forward` form.
    pub sysctls: Vec<(String, String)>,
    /// Limits that cgroups keep.
    pub limits: Limits,
    /// The cgroup above its own; docker's `/docker` where empty.
    pub cgroup_parent: String,
}

/// Where the files come from.
#[derive(Clone, Debug, Serialize)]
pub struct RootFiles {
    /// Read-only directories, top first; at least one.
    pub lower: Vec<PathBuf>,
    /// Where changes go.
    pub changes: Changes,
    /// Whether `/` itself cannot be written.
    pub read_only: bool,
}

/// Where changes of the root go.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changes {
    /// To memory: they are lost at the end.
    Memory,
    /// To a layer of their own.
    Layer(Upper),
    /// To the one directory that is the whole root.
    InPlace,
}

/// The writable layer of an overlay: two directories of one file system.
#[derive(Clone, Debug, Serialize)]
pub struct Upper {
    /// What changed.
    pub diff: PathBuf,
    /// The kernel's own.
    pub work: PathBuf,
    /// Whether what changed is written to the disk when it is unmounted, which has the kernel write out all that the whole
    /// file system has waiting. Not for what is removed then.
    pub lasting: bool,
}

/// The first process.
#[derive(Clone, Debug, Serialize)]
pub struct Process {
    /// Program and arguments; never empty.
    pub args: Vec<String>,
    /// `K=V`, in order.
    pub env: Vec<String>,
    /// The folder that it starts in; made where missing, as docker does.
    pub cwd: PathBuf,
    /// Who it runs as.
    pub user: User,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Rights beyond the user's.
    pub capabilities: Capabilities,
    /// Whether no program that it starts can have more rights than it.
    pub no_new_privileges: bool,
    /// Whether its system calls are filtered by docker's default profile, or another.
    pub seccomp: Seccomp,
    /// Soft and hard limits by name (`nofile`).
    pub rlimits: Vec<Rlimit>,
    /// -1000 to 1000; `None` leaves it.
    pub oom_score_adj: Option<i32>,
    /// The signal that asks it to stop.
    pub stop_signal: i32,
}

/// Whose rights a process has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The home directory of that user in the image; `/` where it names none.
    pub home: String,
}

/// Which system calls pass.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// All.
    Unconfined,
    /// Those of docker's default profile.
    Default,
    /// Those of a profile in docker's JSON form.
    Profile(String),
}

/// A limit of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rlimit {
    /// As `ulimit` and docker name it: `nofile`.
    pub name: String,
    /// What holds.
    pub soft: u64,
    /// How far it may be raised.
    pub hard: u64,
}

/// What a container has of its own.
#[derive(Clone, Debug, Serialize)]
pub struct Namespaces {
    /// Network.
    pub network: Namespace,
    /// Processes.
    pub pid: Namespace,
    /// Shared memory and message queues.
    pub ipc: Namespace,
    /// Host name.
    pub uts: Namespace,
    /// View of the cgroups.
    pub cgroup: Namespace,
    /// Users; `None` for those of the launcher.
    pub user: Option<Users>,
}

/// A user namespace's ids: as many as there are, from 0 inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Users {
    /// User 0 of inside.
    pub uid: u32,
    /// Group 0 of inside.
    pub gid: u32,
    /// How many of each.
    pub count: u32,
}

/// One namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Its own.
    New,
    /// The host's.
    Host,
    /// That of a running process or a kept one, by path.
    Of(PathBuf),
}

/// Something mounted inside.
#[derive(Clone, Debug, Serialize)]
pub struct Mount {
    /// Where, inside; absolute.
    pub destination: PathBuf,
    /// What.
    pub source: MountSource,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// Whether mounts below it are seen on the other side too.
    pub propagation: Propagation,
    /// Which file or flag asked for it, for `--plan`.
    pub from: String,
}

/// Whether what is mounted below a bind is seen on the other side: always with all mounts below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// On neither side. Docker's default.
    #[default]
    Private,
    /// What the host mounts is seen inside.
    Slave,
    /// On both.
    Shared,
}

impl Propagation {
    /// By docker's words, with or without the `r` for recursive.
    pub fn parse(word: &str) -> Propagation {
        match word.strip_prefix('r').unwrap_or(word) {
            "slave" => Propagation::Slave,
            "shared" => Propagation::Shared,
            _ => Propagation::Private,
        }
    }
}

/// What is mounted.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A file or directory of the host, with what is mounted below it.
    Bind {
        /// On the host.
        path: PathBuf,
    },
    /// A file or directory of the host, without what is mounted below it.
    BindAlone {
        /// On the host.
        path: PathBuf,
    },
    /// A directory of the host under a fresh memory layer: it is never written.
    BindOverlay {
        /// On the host.
        path: PathBuf,
    },
    /// Memory.
    Tmpfs {
        /// Bytes; `None` for the kernel's default.
        size: Option<u64>,
        /// Permission bits of its top; `None` for those of the directory that it covers.
        mode: Option<u32>,
        /// Further options as docker takes them: `exec`, `nosuid`, …
        options: Vec<String>,
    },
    /// `/proc`.
    Proc,
    /// `/sys`.
    Sysfs,
    /// `/dev/pts`.
    Devpts,
    /// `/dev/mqueue`.
    Mqueue,
    /// `/sys/fs/cgroup`, read-only.
    Cgroup,
    /// Our small init, which starts the program and reaps what it leaves.
    Init,
    /// What another mount namespace has at a path.
    Inside {
        /// The namespace, by path.
        namespace: PathBuf,
        /// In it.
        path: PathBuf,
    },
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Inside, absolute.
    pub path: PathBuf,
    /// `c` or `b`.
    pub kind: char,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A permission for devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceRule {
    /// `a`, `c` or `b`.
    pub kind: char,
    /// `None` for all.
    pub major: Option<u32>,
    /// `None` for all.
    pub minor: Option<u32>,
    /// `r`, `w`, `m`.
    pub access: String,
}

/// Limits that cgroups keep. `None` and empty leave the kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes, kept where memory is short.
    pub memory_reservation: Option<u64>,
    /// Bytes of memory and swap together; -1 without limit.
    pub memory_swap: Option<i64>,
    /// 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// Whether the kernel lets it wait instead of killing where memory is out.
    pub oom_kill_disable: bool,
    /// Weight, 2 to 262,144; 1024 is a common share.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time each period.
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// `0-2,5`.
    pub cpuset_cpus: String,
    /// `0-1`.
    pub cpuset_mems: String,
    /// Processes and threads; -1 without limit.
    pub pids: Option<i64>,
    /// Weight of block I/O, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Limits of single block devices.
    pub throttles: Vec<Throttle>,
    /// Microseconds of processor time that real-time processes have each period.
    pub real_time_runtime: Option<i64>,
    /// Microseconds.
    pub real_time_period: Option<u64>,
}

/// A limit of one block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Throttle {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// What is limited.
    pub what: Throttled,
    /// Bytes or operations each second; a weight of 10 to 1000.
    pub value: u64,
}

/// What of a block device is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throttled {
    /// Bytes read each second.
    ReadBytes,
    /// Bytes written each second.
    WriteBytes,
    /// Reads each second.
    Reads,
    /// Writes each second.
    Writes,
    /// The container's weight among others.
    Weight,
}

/// A variable's place in an environment: the last `K=` wins, as execve's readers take it.
pub fn set_env(env: &mut Vec<String>, pair: &str) {
    let key = pair.split('=').next().unwrap_or(pair);
    env.retain(|old| old.split('=').next() != Some(key));
    env.push(pair.to_string());
}

/// Text for execve; a zero byte cannot be passed.
pub(crate) fn c_text(text: &str) -> Result<std::ffi::CString, OsString> {
    std::ffi::CString::new(text).map_err(|_| OsString::from(text))
}
