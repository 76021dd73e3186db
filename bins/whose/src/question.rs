//! What a name that was typed may be.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use host::Host;
use model::HostPath;

/// A name, as what it looks like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// An address.
    Ip(IpAddr),
    /// A hardware address, in lower case with colons.
    Mac(String),
    /// A process of the old host.
    Pid(i64),
    /// Anything else: a path, an interface, a cgroup, an id.
    Name(String),
}

impl Question {
    /// Tells what a name looks like.
    pub fn parse(name: &str) -> Question {
        if let Some(ip) = ip(name) {
            return Question::Ip(ip);
        }
        if let Some(pid) = of_proc(name) {
            return Question::Pid(pid);
        }
        if is_mac(name) {
            return Question::Mac(name.to_ascii_lowercase().replace('-', ":"));
        }
        match name.parse() {
            Ok(pid) if pid > 0 && name.bytes().all(|byte| byte.is_ascii_digit()) => Question::Pid(pid),
            _ => Question::Name(name.to_string()),
        }
    }
}

/// An address, with or without the length of its network. A line of `/proc/PID/cgroup` (`0::/system.slice/…`) begins like
/// one and is none.
fn ip(name: &str) -> Option<IpAddr> {
    let (address, length) = name.split_once('/').unwrap_or((name, "0"));
    length.bytes().all(|byte| byte.is_ascii_digit()).then(|| address.parse().ok())?
}

/// The process of a path in `/proc`.
fn of_proc(path: &str) -> Option<i64> {
    let rest = path.strip_prefix("/proc/")?;
    let pid = rest.split('/').next().unwrap_or(rest);
    pid.bytes().all(|byte| byte.is_ascii_digit()).then(|| pid.parse().ok())?
}

fn is_mac(name: &str) -> bool {
    let parts: Vec<&str> = name.split([':', '-']).collect();
    parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Where a path may lie in the evidence: as the old host named it, as the evidence lies here, or below the root.
pub fn places(host: &Host, path: &str) -> Vec<HostPath> {
    let mut out: Vec<HostPath> = Vec::new();
    let here = in_evidence(host.root().path(), path)
        .or_else(|| in_evidence(&absolute(host.root().path()), &absolute_text(path)));
    let recorded = host.stores().iter().filter_map(|store| store.evidence_of(path.as_bytes()));
    let below = (!path.starts_with('/')).then(|| HostPath::new(path.trim_start_matches("./")));
    for place in here.into_iter().chain(recorded).chain(below) {
        let place = HostPath::new(trimmed(place.as_bytes()));
        if !out.contains(&place) {
            out.push(place);
        }
    }
    out
}

/// What of a path lies below the root, as the two are spelled.
fn in_evidence(root: &Path, path: &str) -> Option<HostPath> {
    let root = trimmed(root.as_os_str().as_encoded_bytes());
    let rest = path.as_bytes().strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with(b"/")).then(|| HostPath::new(rest))
}

/// A path as seen from `/`; as it is where that cannot be told.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn absolute_text(path: &str) -> String {
    absolute(Path::new(path)).to_string_lossy().into_owned()
}

/// Without slashes at the end.
pub fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

/// The ids in a path of cgroups: `/docker/ID`, `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`.
pub fn ids(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', ':']).filter_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let id = part.rsplit('-').next().unwrap_or(part);
        (id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_by_its_look() {
        for (name, is) in [
            ("172.17.0.2", Question::Ip([172, 17, 0, 2].into())),
            ("172.17.0.2/16", Question::Ip([172, 17, 0, 2].into())),
            ("02-42-AC-11-00-02", Question::Mac("02:42:ac:11:00:02".into())),
            ("1247", Question::Pid(1247)),
            ("/proc/1247/root", Question::Pid(1247)),
            ("/proc/self", Question::Name("/proc/self".into())),
            ("fe80::1/64", Question::Ip("fe80::1".parse().unwrap())),
            ("0::/system.slice/x", Question::Name("0::/system.slice/x".into())),
            ("+7", Question::Name("+7".into())),
            ("0", Question::Name("0".into())),
            ("veth3528", Question::Name("veth3528".into())),
            ("overlay2/x/diff", Question::Name("overlay2/x/diff".into())),
        ] {
            assert_eq!(Question::parse(name), is, "{name}");
        }
    }

    #[test]
    fn cgroup_paths_hold_ids_in_every_engines_form() {
        let id = "093b093572a4093b093572a4093b093572a4093b093572a4093b093572a4abcd";
        for path in [
            format!("/docker/{id}"),
            format!("12:cpu:/docker/{id}/inner"),
            format!("0::/system.slice/docker-{id}.scope"),
            format!("/system.slice/docker-{id}.scope"),
            format!("/machine.slice/libpod-conmon-{id}.scope"),
            format!("/kubepods/pod1/cri-containerd-{id}.scope"),
        ] {
            assert_eq!(ids(&path).collect::<Vec<_>>(), [id], "{path}");
        }
        assert_eq!(ids("/user.slice/session-2.scope").count(), 0);
    }
}
