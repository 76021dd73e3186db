//! Does a living daemon own the root? Told from processes and from /proc/locks; no file of the root is opened for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hostfs::process::{Process, processes};
use hostfs::{Holder, Target};
use model::HostPath;

use super::{EditError, LOCK};

/// Databases that dockerd keeps locked while it lives: volumes and networks (bolt's flock), and those of the containerd
/// that it starts (moby v20.10.24 volume/service/store.go, libnetwork datastore; v28 the same).
const LOCKED: [&str; 3] =
    ["volumes/metadata.db", "network/files/local-kv.db", "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"];

/// Where a daemon's number stands unless it was told otherwise.
const PID_FILES: [&str; 2] = ["/var/run/docker.pid", "/run/docker.pid"];

/// Refuses a root that a living daemon owns.
// GAP: a daemon in a pid namespace that is not ours shows neither in /proc/locks nor as a process.
pub(super) fn refuse_owned(target: &Target) -> Result<(), EditError> {
    match by_lock(target).or_else(|| by_process_lately(target)) {
        Some(daemon) => Err(EditError::Owned { root: target.path().to_path_buf(), daemon: daemon.to_string() }),
        None => Ok(()),
    }
}

/// Whoever holds a lock on a database of the root, whatever its name, pid file and socket are.
fn by_lock(target: &Target) -> Option<Holder> {
    let buildkit = HostPath::from("buildkit");
    let listed = target.root().open_dir(&buildkit).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    let built = listed.iter().filter(|entry| entry.name.ends_with(b".db")).map(|entry| buildkit.join(&entry.name));
    let files = LOCKED.iter().map(|path| HostPath::from(*path)).chain(built);
    files.filter_map(|path| target.holders(&path).ok()).flatten().next()
}

/// A daemon that came up since has its databases locked by then, or will not have before we are done.
const LATELY: Duration = Duration::from_millis(300);

/// All processes are looked at once in a while only: a container's life has many writers, each for an instant, and a machine
/// with many containers has many processes. The lock's own file tells all writers when that was last done.
fn by_process_lately(target: &Target) -> Option<Holder> {
    if target.age(&LOCK.into()).is_some_and(|age| age < LATELY) {
        return None;
    }
    let found = by_process(target);
    if found.is_none() {
        target.touch(&LOCK.into());
    }
    found
}

/// A daemon whose data root, as it sees it, is this one: also one that has no database open yet.
fn by_process(target: &Target) -> Option<Holder> {
    let named = PID_FILES
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok())
        .filter_map(Process::of);
    let daemons = processes("docker").into_iter().filter(is_daemon);
    let owner = daemons.chain(named).find(|process| process.sees(&data_root(process), target))?;
    Some(Holder { pid: Some(owner.pid), program: owner.program })
}

/// `dockerd`, or before 1.12 `docker daemon`, `docker -d`.
fn is_daemon(process: &Process) -> bool {
    let is_old = || process.args.iter().skip(1).any(|arg| matches!(arg.as_str(), "daemon" | "-d" | "--daemon"));
    process.program == "dockerd" || process.program.starts_with("docker") && is_old()
}

/// The data root of a daemon: as its command line says, else its configuration, else the usual place.
fn data_root(process: &Process) -> PathBuf {
    let config = option(&process.args, &["--config-file"]).unwrap_or("/etc/docker/daemon.json".into());
    option(&process.args, &["--data-root", "--graph", "-g"])
        .or_else(|| {
            let raw = process.read(&config, 1 << 20)?;
            let value: serde_json::Value = serde_json::from_slice(&raw).ok()?;
            ["data-root", "graph"].iter().find_map(|key| Some(value.get(*key)?.as_str()?.to_string()))
        })
        .map_or_else(|| Path::new("/var/lib/docker").to_path_buf(), PathBuf::from)
}

/// The value of an option, given as `--name value` or `--name=value`; the last one counts.
fn option(args: &[String], names: &[&str]) -> Option<String> {
    let mut found = None;
    for (at, arg) in args.iter().enumerate() {
        for name in names {
            let value = match arg.strip_prefix(name) {
                Some("") => args.get(at + 1).map(String::as_str),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            found = value.map(str::to_string).or(found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(line: &str) -> Process {
        let args: Vec<String> = line.split(' ').map(str::to_string).collect();
        Process { pid: 0, program: args[0].clone(), args }
    }

    #[test]
    fn data_roots_are_read_from_command_lines() {
        for (line, root) in [
            ("dockerd --data-root /a", "/a"),
            ("dockerd --data-root=/a -H x", "/a"),
            ("dockerd -g /a", "/a"),
            ("docker daemon --graph=/a", "/a"),
            ("dockerd -g /a --data-root /b", "/b"),
            ("dockerd --config-file /no/such/file", "/var/lib/docker"),
        ] {
            assert_eq!(data_root(&process(line)), Path::new(root), "{line}");
        }
    }

    #[test]
    fn clients_are_no_daemons() {
        for (line, answer) in [
            ("dockerd", true),
            ("docker daemon", true),
            ("docker -d", true),
            ("docker ps", false),
            ("docker-proxy -x", false),
        ] {
            assert_eq!(is_daemon(&process(line)), answer, "{line}");
        }
    }
}
