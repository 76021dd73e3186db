//! What a killed process of ours left behind: its folder in `/run`, the container's network and cgroups, and a record that still
//! says "running".

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use hostfs::Wait;
use hostfs::process::Process;
use launch::cgroup::Cgroup;
use launch::sys::{self, Cloned};
use layout::docker_content::write::Writer;
use model::Id;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::runtime::{self, Left};
use crate::{begin, events, live, network, record};

pub use launch::relay::UNSEEN;

/// Sweeps everything that was left on this machine. A container that still lives gets another process beside it. `say` hears,
/// in one line each, of those that are still recorded: what was never kept, or whose root is gone, is nobody's news. This
/// process must have one thread.
pub fn all(say: &dyn Fn(&str)) {
    for id in runtime::all() {
        one(&id, UNSEEN, say);
    }
    runtime::sweep();
}

/// Sweeps what was left of one container, whose exit status is then written as `status`. Returns whether there was something.
pub fn one(id: &str, status: u8, say: &dyn Fn(&str)) -> bool {
    match runtime::elsewhere(id) {
        Some(network) if userns::person().is_none() => there(&network, || here(id, status, say)),
        _ => here(id, status, say),
    }
}

/// Does it in another network namespace, by a process that ends with it.
fn there(network: &File, sweep: impl FnOnce() -> bool) -> bool {
    match sys::clone(0, None) {
        Ok(Cloned::Child) => {
            let swept = sys::setns(network.as_fd(), libc::CLONE_NEWNET).is_ok() && sweep();
            sys::exit_now(i32::from(swept))
        }
        Ok(Cloned::Parent { handle, .. }) => {
            let ended = waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED).ok().flatten();
            ended.and_then(|ended| ended.exit_status()) == Some(1)
        }
        // Somebody who can has to come.
        Err(_) => false,
    }
}

fn here(id: &str, status: u8, say: &dyn Fn(&str)) -> bool {
    let Some(left) = runtime::left(id) else { return false };
    let short = left.id.short().to_string();
    let cgroup = Cgroup::of(id, &left.cgroup_parent);
    match recorded(&left) {
        Recorded::Alive => {
            // Where this one may not write the root, somebody who may has to come.
            if live::take_over(left).is_ok() {
                say(&format!("the process beside container {short} was killed: another one goes on from here"));
            }
            return false;
        }
        Recorded::Unseen if !cgroup.processes().is_empty() => {
            left.leave();
            return false;
        }
        Recorded::Unseen | Recorded::Not => {}
    }
    // What still runs is recorded nowhere, so nobody would ever end it: it was killed before its start was written, or was
    // not to be kept.
    end_unrecorded(&left);
    cgroup.kill();
    let is_recorded = left
        .root
        .as_ref()
        .is_some_and(|root| root.join("containers").join(left.id.as_str()).symlink_metadata().is_ok());
    let unplugged = network::disconnect(&left.id).is_ok();
    cgroup.remove();
    let written = left.root.as_deref().is_none_or(|root| write_end(root, &left.id, status));
    if !unplugged || !written {
        // Somebody who may write the root, or change the network, has to come.
        left.leave();
        return false;
    }
    if is_recorded {
        say(&format!("swept what was left of container {short}: the process beside it was killed"));
    }
    true
}

/// Ends the first process that was written down, where this host has no cgroups to find it by.
fn end_unrecorded(left: &Left) {
    let pid = left.facts["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let since = left.facts["since"].as_i64();
    let living = pid.and_then(Process::of).filter(|process| {
        let began = process.started().map(|at| at.seconds);
        began.zip(since).is_some_and(|(began, since)| (began - since).abs() <= 2)
    });
    if let Some(pid) = living.and_then(|process| Pid::from_raw(process.pid as i32)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// What the record says of a container.
enum Recorded {
    /// It runs, and so it does.
    Alive,
    /// It does not run, or there is none.
    Not,
    /// The root cannot be seen from here.
    Unseen,
}

fn recorded(left: &Left) -> Recorded {
    let Some(root) = &left.root else { return Recorded::Not };
    if !root.join("containers").is_dir() {
        return Recorded::Unseen;
    }
    match begin::raw(&root.join("containers").join(left.id.as_str())) {
        Ok(record) if runtime::living(&record).is_some() => Recorded::Alive,
        _ => Recorded::Not,
    }
}

/// Writes the end of a container that nobody attends any more. One of `--rm` goes.
fn write_end(root: &Path, id: &Id, status: u8) -> bool {
    let Ok(before) = begin::raw(&root.join("containers").join(id.as_str())) else {
        // The container is gone, or was never kept.
        return true;
    };
    let host = begin::host_config(root, id);
    let never_ran = !before["HasBeenStartedBefore"].as_bool().unwrap_or(false);
    let removes = host["AutoRemove"].as_bool().unwrap_or(false);
    let is_over = !before["State"]["Running"].as_bool().unwrap_or(false);
    let is_wanted = !(never_ran && removes);
    if is_over && is_wanted {
        return true;
    }
    if !is_over {
        events::tell(root, &before, "die", &[("exitCode", status.to_string())]);
        events::tell_networks(root, id.as_str(), &before["NetworkSettings"]["Networks"], "disconnect");
        events::tell_mounts(root, id.as_str(), &before["MountPoints"], false);
    }
    if removes {
        let removed = Writer::open(root, Wait::Yes(&mut |_| ()))
            .and_then(|mut writer| writer.remove_container(id.as_str(), true));
        events::tell_gone(root, &before, &before["MountPoints"]);
        return removed.is_ok();
    }
    let ended = |own: &mut serde_json::Value| {
        record::disconnected(own);
        record::ended(own, status, false, launch::now());
    };
    begin::update(root, id, ended).is_ok()
}
