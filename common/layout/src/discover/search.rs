//! A root that is no data root and no disk with engines in their places: a folder, or a tar, that holds data roots further
//! down, or several disks side by side.

use std::collections::VecDeque;

use hostfs::{DirEntry, Root};
use model::{Finding, HostPath};

use crate::Found;

/// How far down a data root is looked for: `hosts/NAME/var/lib/docker`.
const DEEPEST: usize = 5;
/// How many folders are looked at, nearer ones first.
const MOST_FOLDERS: usize = 4096;
/// How many names are looked at in all, and in one folder.
const MOST_NAMES: usize = 100_000;

/// What hosts have much of, and no engine's data in.
const NEVER: [&[u8]; 9] = [b"bin", b"boot", b"dev", b"lost+found", b"proc", b"run", b"sbin", b"sys", b"usr"];

/// What a folder may be, by the names in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Candidate {
    /// An engine's data root.
    Home(HostPath),
    /// A host's `/`.
    Host(HostPath),
}

/// The folders below the root that look like an engine's data root or a host's `/`, nearer ones first; nothing is looked for
/// inside of them. No link is followed. What has more names than are looked at is a finding.
pub fn search(root: &Root) -> Found<Vec<Candidate>> {
    let mut found = Vec::new();
    let mut names = 0;
    let mut folders = VecDeque::from([(HostPath::default(), 0)]);
    for _ in 0..MOST_FOLDERS {
        let Some((folder, depth)) = folders.pop_front() else { break };
        let entries = root.entries(&folder).unwrap_or_default();
        names += entries.len();
        if names > MOST_NAMES {
            break;
        }
        match (kind(&entries), depth) {
            (Some(Kind::Home), 1..) => found.push(Candidate::Home(folder)),
            (Some(Kind::Host), 1..) => found.push(Candidate::Host(folder)),
            (_, ..DEEPEST) => folders.extend(below(&folder, &entries).into_iter().map(|folder| (folder, depth + 1))),
            _ => {}
        }
    }
    if folders.is_empty() && names <= MOST_NAMES {
        return (found, Vec::new());
    }
    let detail = format!(
        "not all of it was looked at: after {MOST_FOLDERS} folders or {MOST_NAMES} names the search for data roots ends; --root names one"
    );
    (found, vec![Finding::new("search-ended", detail)])
}

enum Kind {
    Home,
    Host,
}

/// What a folder is by the names in it: docker's of any age, containerd's, containers/storage's.
fn kind(entries: &[DirEntry]) -> Option<Kind> {
    let has = |name: &str| entries.iter().any(|entry| &*entry.name == name.as_bytes());
    let ends = |end: &[u8]| entries.iter().any(|entry| entry.name.len() > end.len() && entry.name.ends_with(end));
    let is_docker = ["image", "graph", "containers"].iter().filter(|name| has(name)).count() >= 2
        || has("containers") && (has("volumes") || has("overlay2") || has("network"))
        || has("image") && (has("overlay2") || has("network"));
    let is_containerd = has("io.containerd.metadata.v1.bolt") || has("io.containerd.content.v1.content");
    let is_storage = has("libpod") || ends(b"-layers") && (ends(b"-images") || ends(b"-containers"));
    if is_docker || is_containerd || is_storage {
        return Some(Kind::Home);
    }
    (has("etc") && has("var")).then_some(Kind::Host)
}

/// The folders in a folder, by name.
fn below(folder: &HostPath, entries: &[DirEntry]) -> Vec<HostPath> {
    let folders = entries.iter().filter(|entry| entry.is_dir != Some(false) && !NEVER.contains(&&*entry.name));
    let mut paths: Vec<HostPath> = folders.map(|entry| folder.join(&entry.name)).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folders: &[&str], expected: &[Candidate]) {
        let dir = tempfile::tempdir().unwrap();
        for folder in folders {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        assert_eq!(search(&Root::open(dir.path()).unwrap()), (expected.to_vec(), vec![]), "{folders:?}");
    }

    #[test]
    fn data_roots_and_disks_are_told_by_the_names_in_them() {
        let home = |path: &str| Candidate::Home(HostPath::from(path));
        let host = |path: &str| Candidate::Host(HostPath::from(path));
        check(&["docker/containers", "docker/image"], &[home("docker")]);
        check(&["a/docker/graph", "a/docker/containers", "b/x/libpod"], &[home("a/docker"), home("b/x")]);
        check(&["s/overlay-layers", "s/overlay-images"], &[home("s")]);
        check(&["hosts/a/var/lib/docker/image", "hosts/a/var/lib/docker/network"], &[home("hosts/a/var/lib/docker")]);
        check(&["one/etc", "one/var/lib/docker/image", "two/var", "two/etc"], &[host("one"), host("two")]);
        check(&["1/2/3/4/5/6/image", "1/2/3/4/5/6/overlay2"], &[]);
        check(&["usr/share/image", "usr/share/containers"], &[]);
        check(&["pictures/image", "lists/containers"], &[]);
    }

    #[test]
    fn nothing_is_looked_for_inside_a_data_root() {
        check(
            &["d/image", "d/overlay2/x/diff/var/lib/docker/image", "d/overlay2/x/diff/var/lib/docker/overlay2"],
            &[Candidate::Home(HostPath::from("d"))],
        );
    }

    #[test]
    fn a_search_that_ends_early_is_told() {
        let dir = tempfile::tempdir().unwrap();
        (0..MOST_FOLDERS).for_each(|number| std::fs::create_dir(dir.path().join(number.to_string())).unwrap());
        let (found, findings) = search(&Root::open(dir.path()).unwrap());
        assert_eq!((found, findings.len()), (vec![], 1));
        assert_eq!(findings[0].code, "search-ended");
    }
}
