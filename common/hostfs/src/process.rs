//! The processes of this machine, to tell which of them use a root that is to be written.

use std::path::Path;

use model::HostPath;

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

/// All processes that this one can see.
pub fn processes() -> Vec<Process> {
    let Ok(table) = std::fs::read_dir("/proc") else { return Vec::new() };
    table.flatten().filter_map(|entry| Process::of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

impl Process {
    /// The living process of that number.
    pub fn of(pid: u32) -> Option<Process> {
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_string();
        let raw = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let args = raw.split(|&b| b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        // A zombie has no command line any more, and holds nothing.
        (!raw.is_empty()).then_some(Process { pid, program, args })
    }

    /// Whether `path`, as that process sees it, is the target's very directory.
    pub fn sees(&self, path: &Path, target: &Target) -> bool {
        let base = if path.is_absolute() { "root" } else { "cwd" };
        let Ok(view) = Root::open(Path::new(&format!("/proc/{}/{base}", self.pid))) else { return false };
        let there = view.open_dir_inside(&HostPath::new(path.as_os_str().as_encoded_bytes()));
        let Ok(there) = there.map_err(drop).and_then(|dir| dir.stat_self().map_err(drop)) else { return false };
        target.root().open_dir(&HostPath::default()).is_ok_and(|own| own.stat_self().is_ok_and(|own| own.inode == there.inode))
    }

    /// A file as that process sees it, up to `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        Root::open(Path::new(&format!("/proc/{}/root", self.pid))).ok()?.read(&HostPath::from(path), limit).ok()
    }

    /// Whether it belongs to a control group whose path holds `text`.
    pub fn is_in_group(&self, text: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).is_ok_and(|groups| groups.contains(text))
    }
}
