//! Engines that a package manager of the host has installed: where the root is a whole disk.

use hostfs::Root;
use model::HostPath;

use super::{Engine, Trace, entries, names_after, note};
use crate::json::Notes;

/// The lists of packages of a large system are a few megabytes.
const MOST: u64 = 64 << 20;

/// Names of packages that hold an engine or run its containers.
const NAMES: [&str; 16] = [
    "balena-engine",
    "buildah",
    "containerd",
    "containerd.io",
    "cri-o",
    "crun",
    "docker",
    "docker-ce",
    "docker-ee",
    "docker-engine",
    "docker.io",
    "lxc-docker",
    "moby-engine",
    "nerdctl",
    "podman",
    "runc",
];

// GAP: rpm's database (Berkeley DB, ndb or SQLite with binary headers) is not read.
/// What is installed, by name: by dpkg, apk, pacman and snap.
pub(super) fn installed(root: &Root, notes: &mut Notes) -> Vec<Engine> {
    let mut listed = |path: &str, name: &str, version: &str, by| {
        let path = HostPath::from(path);
        let text = root.read(&path, MOST).map_err(|error| note(&error, &path, notes)).unwrap_or_default();
        listed(&path, &text, name, version, by)
    };
    let mut all = listed("var/lib/dpkg/status", "Package: ", "Version: ", "dpkg");
    all.extend(listed("lib/apk/db/installed", "P:", "V:", "apk"));
    all.extend(pacman(root, notes));
    all.extend(snaps(root, notes));
    all.sort();
    all
}

/// Packages of a file of paragraphs. What dpkg has removed but for its settings is no longer installed.
fn listed(path: &HostPath, text: &[u8], name: &str, version: &str, by: &'static str) -> Vec<Engine> {
    let text = String::from_utf8_lossy(text);
    let field = |paragraph: &str, key: &str| paragraph.lines().find_map(|it| it.strip_prefix(key)).map(str::to_string);
    let of = |paragraph: &str| {
        let found = field(paragraph, name).filter(|found| is_engine(found))?;
        let is_there = field(paragraph, "Status: ").is_none_or(|status| status.ends_with(" installed"));
        let version = field(paragraph, version)?;
        is_there.then(|| Engine::new(&found, version, Trace::Installed(by), path.clone()))
    };
    text.split("\n\n").filter_map(of).collect()
}

/// `lxc-docker-1.2.0` was a package of its own for each version.
fn is_engine(name: &str) -> bool {
    NAMES.contains(&name) || name.starts_with("lxc-docker-")
}

/// A folder `NAME-VERSION-RELEASE` for each package.
fn pacman(root: &Root, notes: &mut Notes) -> Vec<Engine> {
    let folder = HostPath::from("var/lib/pacman/local");
    let entries = entries(root, &folder, notes);
    let of = |(rest, place): (String, HostPath), name: &str| {
        let is_version = rest.starts_with(|c: char| c.is_ascii_digit());
        is_version.then(|| Engine::new(name, rest, Trace::Installed("pacman"), place))
    };
    let each = |name: &'static str| {
        names_after(&entries, &folder, &format!("{name}-")).into_iter().filter_map(move |found| of(found, name))
    };
    NAMES.into_iter().flat_map(each).collect()
}

/// A snap's file names its revision, not its version.
fn snaps(root: &Root, notes: &mut Notes) -> Vec<Engine> {
    let folder = HostPath::from("var/lib/snapd/snaps");
    let found = names_after(&entries(root, &folder, notes), &folder, "docker_");
    let of = |(rest, place): (String, HostPath)| {
        let revision = rest.strip_suffix(".snap")?;
        Some(Engine::new("docker", format!("of revision {revision}"), Trace::Installed("snap"), place))
    };
    found.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_package_managers_list_is_told_and_what_they_removed_is_not() {
        let host = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = host.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "var/lib/dpkg/status",
            "Package: docker.io\nStatus: install ok installed\nVersion: 20.10.24+dfsg1-1\n\nPackage: runc\nStatus: deinstall ok \
             config-files\nVersion: 1.1\n\nPackage: bash\nStatus: install ok installed\nVersion: 5\n\nPackage: \
             lxc-docker-1.2.0\nStatus: install ok installed\nVersion: 1.2.0\n",
        );
        put("lib/apk/db/installed", "P:podman\nV:4.3.1-r0\n\nP:musl\nV:1\n");
        put("var/lib/pacman/local/docker-1:27.1-1/desc", "");
        put("var/lib/pacman/local/docker-compose-2-1/desc", "");
        put("var/lib/snapd/snaps/docker_2932.snap", "");
        let root = Root::open(host.path()).unwrap();
        let mut notes = Notes::new("installed packages", &HostPath::default());
        let said: Vec<String> =
            installed(&root, &mut notes).iter().map(|it| format!("{} {}: {}", it.name, it.version, it.by)).collect();
        assert_eq!(
            said,
            [
                "docker 1:27.1-1: installed, says pacman",
                "docker of revision 2932: installed, says snap",
                "docker.io 20.10.24+dfsg1-1: installed, says dpkg",
                "lxc-docker-1.2.0 1.2.0: installed, says dpkg",
                "podman 4.3.1-r0: installed, says apk",
            ]
        );
        assert_eq!(notes.list, []);
        std::fs::remove_file(host.path().join("var/lib/dpkg/status")).unwrap();
        put("var/lib/dpkg/status/x", "");
        assert_eq!(installed(&root, &mut notes).len(), 3);
        assert_eq!(notes.list.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["record-not-file"]);
    }
}
