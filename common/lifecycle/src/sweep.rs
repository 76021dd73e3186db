//! What a killed process of ours left behind: its folder in `/run`, the container's network and cgroups, and a record that still
//! says "running".

use std::path::Path;

use hostfs::Wait;
use launch::cgroup::Cgroup;
use layout::docker_content::write::Writer;
use model::Id;

use crate::runtime::{self, Left};
use crate::{begin, events, network, record};

/// The exit status of a container whose end nobody saw, as dockerd records it after a crash of the host.
pub const UNSEEN: u8 = 255;

/// Sweeps everything that was left on this machine. A container that still lives is left as it is. `say` hears, in one line
/// each, of those that are still recorded: what was never kept, or whose root is gone, is nobody's news.
pub fn all(say: &dyn Fn(&str)) {
    for id in runtime::all() {
        one(&id, UNSEEN, say);
    }
}

/// Sweeps what was left of one container, whose exit status is then written as `status`. Returns whether there was something.
pub fn one(id: &str, status: u8, say: &dyn Fn(&str)) -> bool {
    let Some(left) = runtime::left(id) else { return false };
    let cgroup = Cgroup::of(id, &left.cgroup_parent);
    if !cgroup.processes().is_empty() || recorded_alive(&left) {
        left.leave();
        return false;
    }
    let is_recorded = left
        .root
        .as_ref()
        .is_some_and(|root| root.join("containers").join(left.id.as_str()).symlink_metadata().is_ok());
    let unplugged = network::disconnect(&left.id).is_ok();
    cgroup.remove();
    let written = left.root.as_deref().is_none_or(|root| write_end(root, &left.id, status));
    let short = left.id.short().to_string();
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

fn recorded_alive(left: &Left) -> bool {
    let Some(root) = &left.root else { return false };
    let record = begin::raw(&root.join("containers").join(left.id.as_str()));
    record.is_ok_and(|record| runtime::living(&record).is_some())
}

/// Writes the end of a container that nobody attends any more. One of `--rm` goes.
fn write_end(root: &Path, id: &Id, status: u8) -> bool {
    let Ok(before) = begin::raw(&root.join("containers").join(id.as_str())) else {
        // The container is gone, or was never kept.
        return true;
    };
    if !before["State"]["Running"].as_bool().unwrap_or(false) {
        return true;
    }
    let host = begin::host_config(root, id);
    events::tell(root, &before, "die", &[("exitCode", status.to_string())]);
    if host["AutoRemove"].as_bool().unwrap_or(false) {
        let removed = Writer::open(root, Wait::Yes(&mut |_| ()))
            .and_then(|mut writer| writer.remove_container(id.as_str(), true));
        events::tell(root, &before, "destroy", &[]);
        return removed.is_ok();
    }
    let ended = |own: &mut serde_json::Value| {
        record::disconnected(own);
        record::ended(own, status, false, launch::now());
    };
    begin::update(root, id, ended).is_ok()
}
