//! The processes of this machine, to tell which of them use a root that is to be written.

use std::path::Path;

use model::{HostPath, Timestamp};

use crate::{Root, Target};

/// A living process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The file name of its program, as the kernel keeps it: at most 15 bytes.
    pub program: String,
    /// What it was started with, the program's name first; bytes that are not UTF-8 are replaced.
    pub args: Vec<String>,
}

/// A process that began this many seconds away from what is recorded is another one under the same number.
const SAME_START: i64 = 60;

/// All processes that this one can see whose program's name begins so.
pub fn processes(prefix: &str) -> Vec<Process> {
    let Ok(table) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = table.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // The name first: a machine has many processes, and all of their command lines take a while.
    numbers.filter(|pid| name(*pid).is_some_and(|name| name.starts_with(prefix))).filter_map(Process::of).collect()
}

/// The file name of a living process's program.
fn name(pid: u32) -> Option<String> {
    let raw = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&raw).trim_end().to_string())
}

/// Whether this process may administer the whole machine (CAP_SYS_ADMIN of the first user namespace): what the kernel
/// asks of whoever reads `trusted.*` attributes (xattr(7)).
pub(crate) fn is_administrator() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    held.is_some_and(|held| held & SYS_ADMIN != 0) && is_first_namespace()
}

/// Whether this process is in the first user namespace, where every id means itself (user_namespaces(7)).
pub fn is_first_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.is_empty() || map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

impl Process {
    /// The living process of that number.
    pub fn of(pid: u32) -> Option<Process> {
        let program = name(pid)?;
        let raw = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let args = raw.split(|&b| b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        // A zombie has no command line any more, and holds nothing.
        (!raw.is_empty()).then_some(Process { pid, program, args })
    }

    /// The living process of which a record says that it has that number and began then; `None` too where another one
    /// has its number by now.
    pub fn recorded(pid: i64, began: Timestamp) -> Option<Process> {
        let process = Process::of(u32::try_from(pid).ok().filter(|pid| *pid > 0)?)?;
        // A machine whose clock cannot be told has had no time to use a number again.
        let apart =
            process.started().map_or(0, |started| started.seconds.saturating_sub(began.seconds).saturating_abs());
        (apart <= SAME_START).then_some(process)
    }

    /// Whether `path`, as that process sees it, is the target's very directory.
    pub fn sees(&self, path: &Path, target: &Target) -> bool {
        let base = if path.is_absolute() { "root" } else { "cwd" };
        let Some(view) = Root::glance(&format!("/proc/{}/{base}", self.pid)) else { return false };
        let there = view.open_dir_inside(&HostPath::new(path.as_os_str().as_encoded_bytes()));
        let Ok(there) = there.map_err(drop).and_then(|dir| dir.stat_self().map_err(drop)) else { return false };
        target
            .root()
            .open_dir(&HostPath::default())
            .is_ok_and(|own| own.stat_self().is_ok_and(|own| own.inode == there.inode))
    }

    /// A file as that process sees it, up to `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        Root::glance(&format!("/proc/{}/root", self.pid))?.read(&HostPath::from(path), limit).ok()
    }

    /// When it began, to a second or so.
    pub fn started(&self) -> Option<Timestamp> {
        // proc(5): the 22nd field of stat counts clock ticks since the machine's start; the second, in brackets, may
        // hold anything.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let ticks: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        let begin: i64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Timestamp::new(begin + i64::try_from(ticks / rustix::param::clock_ticks_per_second()).ok()?, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_start_and_its_view() {
        let own = Process::of(std::process::id()).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((now - own.started().unwrap().seconds).abs() < 600);
        let began = own.started().unwrap();
        let at = |seconds| Process::recorded(own.pid.into(), Timestamp::new(began.seconds + seconds, 0));
        assert_eq!((at(50), at(70), at(i64::MAX - began.seconds)), (Some(own.clone()), None, None));
        assert_eq!((Process::recorded(0, began), Process::recorded(-1, began)), (None, None));
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        assert!(
            own.sees(dir.path(), &target)
                && !own.sees(Path::new("/"), &target)
                && !own.sees(Path::new("no/such"), &target)
        );
        assert!(processes("").contains(&own) && !processes("no such").contains(&own));
    }
}
