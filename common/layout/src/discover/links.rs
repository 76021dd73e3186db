//! A place that is a symbolic link, followed as the old host would have followed it.

use hostfs::{FileKind, Root};
use model::HostPath;

/// Links on one way, as the kernel counts them (path_resolution(7)).
const MOST: usize = 40;

/// Where `path` of the host whose `/` is `host` lies, below the root: every link is followed, absolute ones from `host`, and
/// `..` stops there. `None` where the way is not there, or leads in a circle.
pub(super) fn real(root: &Root, host: &HostPath, path: &HostPath) -> Option<HostPath> {
    let mut left: Vec<Vec<u8>> = parts(path.as_bytes());
    let mut done: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == b".." {
            done.pop();
            continue;
        }
        done.push(part);
        let here = host.join(done.join(&b'/'));
        if root.stat(&here).ok()?.kind != FileKind::Symlink {
            continue;
        }
        links += 1;
        let target = root.read_link(&here).ok().filter(|_| links <= MOST)?;
        done.pop();
        if target.starts_with(b"/") {
            done.clear();
        }
        left.extend(parts(&target));
    }
    Some(host.join(done.join(&b'/')))
}

/// The components of a path, the first one last.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b".")).rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_never_leads_out_of_its_host_nor_in_a_circle() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("host/a")).unwrap();
        std::fs::create_dir_all(dir.path().join("a")).unwrap();
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        link("/a", "host/whole");
        link("../../../a", "host/up");
        link("two", "host/one");
        link("one", "host/two");
        let root = Root::open(dir.path()).unwrap();
        let check = |path: &str, expected: Option<&str>| {
            let found = real(&root, &HostPath::from("host"), &HostPath::from(path));
            assert_eq!(found, expected.map(HostPath::from), "{path}");
        };
        check("whole", Some("host/a"));
        check("up", Some("host/a"));
        check("./whole/../a//", Some("host/a"));
        check("one", None);
        check("whole/none", None);
        check("..", Some("host"));
    }
}
