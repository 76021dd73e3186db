//! Has the kernel get ready for a process to be moved into another cgroup, while this one does something else.
//!
//! With version 1 such a move waits until every processor has passed a quiet point, some 10 ms, and the lock that it takes stays cheap for
//! as long again (`cgroup_threadgroup_rwsem`, kernel/cgroup/cgroup.c; kernel/rcu/sync.c). So a helper moves itself to where it is
//! already, early enough for the container's own move to find the lock cheap.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::host::Hosts;
use crate::sys::{self, Cloned};

/// A helper that is at it. It ends by itself, soon.
pub struct HeadStart(Option<OwnedFd>);

impl HeadStart {
    /// Begins. Where that is of no use or not possible, nothing is done: a move works without. This process must have one thread.
    pub fn begin() -> HeadStart {
        let Some(file) = own_group() else { return HeadStart(None) };
        match sys::clone(0, None) {
            Ok(Cloned::Parent { handle, .. }) => HeadStart(Some(handle)),
            Ok(Cloned::Child) => {
                let _ = fs::write(file, "0");
                sys::exit_now(0)
            }
            Err(_) => HeadStart(None),
        }
    }

    /// Lets go of the helper where it has ended.
    pub fn is_over(&self) {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        // It may be another's by now: a process that was forked since has this too, but not the helper.
        let _ = self.0.as_ref().map(|handle| waitid(WaitId::PidFd(handle.as_fd()), ended));
    }
}

impl Drop for HeadStart {
    fn drop(&mut self) {
        self.is_over();
    }
}

/// Where this process is moved to by staying, in a hierarchy of version 1; version 2 has processes begin in their group.
fn own_group() -> Option<PathBuf> {
    if userns::person().is_some() {
        return None;
    }
    let Hosts::Version1(hierarchies) = Hosts::read() else { return None };
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    find(&hierarchies, &groups).filter(|file| file.exists())
}

/// Reads `/proc/self/cgroup` (cgroups(7)): number, controllers, path, parted by colons.
fn find(hierarchies: &[super::Hierarchy], groups: &str) -> Option<PathBuf> {
    let mut own = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    own.find_map(|(controllers, path)| {
        let same = |hierarchy: &&super::Hierarchy| controllers.split(',').eq(hierarchy.controllers.iter());
        let top = &hierarchies.iter().find(same)?.top;
        Some(top.join(path.trim_start_matches('/')).join("cgroup.procs"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_in_a_hierarchy_that_is_mounted() {
        let mounts = "31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
        let Hosts::Version1(hierarchies) = Hosts::parse(mounts) else { panic!("not version 1") };
        let found = |groups| find(&hierarchies, groups);
        let file = PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/a/b/cgroup.procs");
        assert_eq!(found("9:name=systemd:/\n4:cpu,cpuacct:/a/b\n0::/\n"), Some(file));
        assert_eq!(found("9:name=systemd:/\n0::/\n"), None);
    }

    #[test]
    fn nothing_is_left_of_a_helper_that_has_ended() {
        let helper = HeadStart::begin();
        let Some(handle) = helper.0.as_ref().map(|handle| handle.try_clone().unwrap()) else { return };
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::PidFd(handle.as_fd()), ended).unwrap();
        drop(helper);
        assert!(waitid(WaitId::PidFd(handle.as_fd()), ended).is_err());
    }
}
