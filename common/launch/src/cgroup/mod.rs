//! Limits that the kernel keeps for a container's processes: cgroup v1 (also beside an empty v2), v2, or none.
//!
//! [`create`] makes the groups and writes the limits before the process exists; [`Cgroup::join`] puts it in. What this
//! host cannot keep is a warning in docker's words, never silence.

mod device;
mod head_start;
mod host;
mod v1;
mod v2;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::spec::{Limits, Spec};
pub use head_start::HeadStart;
pub use host::{Hierarchy, Hosts};

/// Where our groups lie below each hierarchy, unless `--cgroup-parent` says otherwise.
pub const PARENT: &str = "dockless";
/// How long processes may take to stop: those that wait for a disk do so uninterrupted.
const PATIENCE: Duration = Duration::from_secs(10);

/// The groups of one container.
#[derive(Debug, Default)]
pub struct Cgroup {
    /// One folder in every v1 hierarchy, or the one of v2.
    folders: Vec<PathBuf>,
    unified: bool,
}

/// Why a cgroup could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} '{}'", .path.display())]
pub struct CgroupError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Makes the groups of `spec` and writes its limits. Returns what this host cannot keep, in words.
pub fn create(spec: &Spec) -> Result<(Cgroup, Vec<String>), CgroupError> {
    if userns::person().is_some() {
        return Ok((Cgroup::default(), ordinary(&spec.limits).into_iter().collect()));
    }
    let hosts = Hosts::read();
    let mut cgroup = Cgroup { folders: Vec::new(), unified: hosts.is_unified() };
    let mut warnings = Vec::new();
    let made = match &hosts {
        Hosts::Version1(hierarchies) => v1::create(spec, hierarchies, &mut cgroup.folders, &mut warnings),
        Hosts::Version2(top) => v2::create(spec, top, &mut cgroup.folders, &mut warnings),
        Hosts::None => {
            warnings.push("no cgroups here: no limit is kept, and devices are not restricted".to_string());
            Ok(())
        }
    };
    match made {
        Ok(()) => Ok((cgroup, warnings)),
        Err(error) => {
            cgroup.remove();
            Err(error)
        }
    }
}

/// What an ordinary user's container goes without; nothing where no limit is asked for.
// GAP: a group that the machine's systemd gave to the user is not used.
fn ordinary(limits: &Limits) -> Option<String> {
    let asked = [
        ("memory", limits.memory.is_some()),
        ("memory reservation", limits.memory_reservation.is_some()),
        ("memory with swap", limits.memory_swap.is_some()),
        ("swappiness", limits.memory_swappiness.is_some()),
        ("no killing when out of memory", limits.oom_kill_disable),
        ("cpu shares", limits.cpu_shares.is_some()),
        ("cpu quota", limits.cpu_quota.is_some()),
        ("cpu period", limits.cpu_period.is_some()),
        ("cpus", !limits.cpuset_cpus.is_empty()),
        ("memory nodes", !limits.cpuset_mems.is_empty()),
        ("pids", limits.pids.is_some_and(|most| most > 0)),
        ("block weight", limits.blkio_weight.is_some()),
        ("throttles of devices", !limits.throttles.is_empty()),
        ("real-time runtime", limits.real_time_runtime.is_some()),
        ("real-time period", limits.real_time_period.is_some()),
    ];
    let names: Vec<&str> = asked.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| format!("an ordinary user has no cgroups: limits discarded ({})", names.join(", ")))
}

impl Cgroup {
    /// The groups of a container that was started earlier.
    pub fn of(id: &str, parent: &str) -> Cgroup {
        if userns::person().is_some() {
            return Cgroup::default();
        }
        let hosts = Hosts::read();
        let below = |top: &Path| folder(top, parent, id);
        let folders: Vec<PathBuf> = match &hosts {
            Hosts::Version1(all) => all.iter().map(|hierarchy| below(&hierarchy.top)).collect(),
            Hosts::Version2(top) => vec![below(top)],
            Hosts::None => Vec::new(),
        };
        Cgroup { folders: folders.into_iter().filter(|folder| folder.is_dir()).collect(), unified: hosts.is_unified() }
    }

    /// A handle for starting a process right inside, with v2.
    pub fn handle(&self) -> Option<OwnedFd> {
        let folder = self.folders.first().filter(|_| self.unified)?;
        fs::File::open(folder).ok().map(OwnedFd::from)
    }

    /// Puts a process in.
    pub fn join(&mut self, pid: i32) -> Result<(), CgroupError> {
        for folder in &self.folders {
            write(&folder.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(())
    }

    /// Stops every process in it, and waits until they have stopped, or lets them go on. Returns false where this host has no
    /// freezer. One that cannot be stopped, since the kernel works for it, lets all go on.
    pub fn freeze(&self, frozen: bool) -> Result<bool, CgroupError> {
        for folder in &self.folders {
            let (file, word) = match (self.unified, frozen) {
                (true, true) => ("cgroup.freeze", "1"),
                (true, false) => ("cgroup.freeze", "0"),
                (false, true) => ("freezer.state", "FROZEN"),
                (false, false) => ("freezer.state", "THAWED"),
            };
            let path = folder.join(file);
            if path.exists() {
                write(&path, word)?;
                return if frozen { self.until_frozen(&path, word).map(|()| true) } else { Ok(true) };
            }
        }
        Ok(false)
    }

    fn until_frozen(&self, path: &Path, word: &str) -> Result<(), CgroupError> {
        let begin = Instant::now();
        while !self.is_frozen() {
            if begin.elapsed() > PATIENCE {
                let _ = self.freeze(false);
                let source = io::Error::other("its processes do not stop");
                return Err(CgroupError { what: "freeze by", path: path.to_path_buf(), source });
            }
            std::thread::sleep(Duration::from_millis(2));
            // Version 1 stops what has come meanwhile only when it is told again (runc v1.1.5 libcontainer/cgroups/fs/freezer.go).
            write(path, word)?;
        }
        Ok(())
    }

    /// Whether every process in it is stopped.
    pub fn is_frozen(&self) -> bool {
        let says = |file, word| self.read(&[file]).is_some_and(|text| text.lines().any(|line| line == word));
        if self.unified { says("cgroup.events", "frozen 1") } else { says("freezer.state", "FROZEN") }
    }

    /// Process ids in it, as the host counts them.
    pub fn processes(&self) -> Vec<i32> {
        let text = self.folders.first().and_then(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok());
        text.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Ends every process in it, also those that are halted, and waits some instants for their end.
    pub fn kill(&self) {
        for _ in 0..100 {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for pid in processes.into_iter().filter_map(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            let _ = self.freeze(false);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A number that the kernel counts for it: the first of `files` that is there.
    pub fn read(&self, files: &[&str]) -> Option<String> {
        let mut candidates = self.folders.iter().flat_map(|folder| files.iter().map(move |file| folder.join(file)));
        candidates.find_map(|path| fs::read_to_string(path).ok())
    }

    /// Removes the groups. Those that still hold processes stay, and the next sweep takes them.
    pub fn remove(&self) {
        for folder in self.folders.iter().rev() {
            for _ in 0..50 {
                match fs::remove_dir(folder) {
                    // The kernel lets go of a group some instants after its last process has ended.
                    Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                        std::thread::sleep(std::time::Duration::from_millis(2))
                    }
                    _ => break,
                }
            }
            // The folder above goes with the last container in it; while there are others the kernel refuses.
            let _ = folder.parent().map(fs::remove_dir);
        }
    }
}

/// The folder of container `id` below the top of a hierarchy.
fn folder(top: &Path, parent: &str, id: &str) -> PathBuf {
    let parent = if parent.is_empty() { PARENT } else { parent };
    let safe = Path::new(parent).components().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name),
        _ => None,
    });
    top.join(safe.collect::<PathBuf>()).join(id)
}

fn make(path: &Path) -> Result<(), CgroupError> {
    fs::create_dir_all(path).map_err(|source| CgroupError { what: "make", path: path.to_path_buf(), source })
}

fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    fs::write(path, text).map_err(|source| CgroupError { what: "write", path: path.to_path_buf(), source })
}
