//! A container's pipes, made so that they outlive the process that reads them.
//!
//! The container's ends are open for reading too: should the process beside it be killed, a write waits for the next one
//! instead of ending the program. That one finds the pipes by their numbers in the container's own processes.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use launch::Streams;
use launch::relay::Ends;
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};

use crate::LifeError;
use crate::error::at;

/// Makes the container's ends of its output such that they stay, and tells their numbers.
pub fn keep(streams: Streams) -> Result<(Streams, Value), LifeError> {
    let Streams::Plain { stdin, stdout, stderr } = streams else { return Ok((streams, Value::Null)) };
    let (stdout, stderr) = (both_ways(stdout)?, both_ways(stderr)?);
    let numbers = json!({ "in": number(&stdin), "out": number(&stdout), "err": number(&stderr) });
    Ok((Streams::Plain { stdin, stdout, stderr }, numbers))
}

/// Our ends of the pipes of these numbers, as far as one of the processes still has them.
pub fn find(processes: &[i32], numbers: &Value) -> Ends {
    let open = |key: &str, flags: OFlags| {
        let wanted = format!("pipe:[{}]", numbers[key].as_u64()?);
        let mut handles = processes.iter().flat_map(|pid| handles(*pid));
        let place = handles.find(|place| fs::read_link(place).is_ok_and(|to| to.as_os_str() == wanted.as_str()))?;
        rustix::fs::open(place, flags | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()).ok()
    };
    Ends::Plain {
        stdin: open("in", OFlags::WRONLY),
        stdout: open("out", OFlags::RDONLY),
        stderr: open("err", OFlags::RDONLY),
    }
}

fn handles(pid: i32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn both_ways(end: OwnedFd) -> Result<OwnedFd, LifeError> {
    let path = format!("/proc/self/fd/{}", end.as_raw_fd());
    rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| at("open", path)(errno.into()))
}

/// The number of a pipe; none for what is no pipe.
fn number(end: &OwnedFd) -> Option<u64> {
    let stat = fs::metadata(format!("/proc/self/fd/{}", end.as_raw_fd())).ok()?;
    let is_pipe = std::os::unix::fs::FileTypeExt::is_fifo(&stat.file_type());
    is_pipe.then(|| stat.ino())
}
