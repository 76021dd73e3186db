//! Where engines keep their data on a whole host: what their settings say, and where each keeps it by default.
//!
//! For a root that is a mounted disk and not a data root itself, or a folder of several. In reading order: `settings` (which
//! files name a place), `flags` (a daemon's command line), `users` (homes), `links` (a place that is a symbolic link), and
//! `search`, for a root that has none of this. `docs/layouts/places.md` has the places and their sources.

use hostfs::Root;
use model::HostPath;

mod flags;
mod links;
mod search;
mod settings;
mod users;

pub use search::{Candidate, search};

/// Default places, below the host's `/`.
const PLACES: [&str; 15] = [
    "var/lib/docker",
    "var/lib/containerd",
    "var/lib/containers/storage",
    "usr/lib/containers/storage",
    "var/lib/desktop-containerd/daemon",
    "var/lib/docker-latest",
    "var/lib/balena-engine",
    "mnt/data/docker",
    "var/lib/rancher/k3s/agent/containerd",
    "var/lib/rancher/rke2/agent/containerd",
    "var/lib/k0s/containerd",
    "var/snap/docker/common/var-lib-docker",
    "var/snap/microk8s/common/var/lib/containerd",
    "ProgramData/docker",
    "ProgramData/containerd/root",
];

/// Default places below a user's home directory.
const OF_USERS: [&str; 3] = [".local/share/docker", ".local/share/containers/storage", ".local/share/containerd"];

/// The folders of a host in which an engine's data may lie: each is there, and is named once. What settings name comes
/// first. `host` is the old host's `/`, below the root; links are followed as that host would have, and never out of it.
pub fn places(root: &Root, host: &HostPath) -> Vec<HostPath> {
    let users = users::users(root, host);
    let named = settings::settings(root, host, &users).into_iter().map(HostPath::new);
    let usual = PLACES.iter().map(|place| HostPath::from(*place));
    let own = users.iter().flat_map(|user| OF_USERS.map(|place| user.home.join(place)));
    let mut all: Vec<HostPath> = Vec::new();
    for place in named.chain(usual).chain(own) {
        match links::real(root, host, &place) {
            Some(place) if root.is_dir(&place) && !all.contains(&place) => all.push(place),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(host: &std::path::Path, path: &str, text: &str) {
        let path = host.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn found(host: &std::path::Path, below: &str) -> Vec<String> {
        let root = Root::open(host).unwrap();
        places(&root, &HostPath::from(below)).iter().map(|place| place.to_string()).collect()
    }

    #[test]
    fn settings_and_habits_are_both_looked_at() {
        let host = tempfile::tempdir().unwrap();
        let put = |path, text| put(host.path(), path, text);
        put("etc/docker/daemon.json", r#"{"data-root": "/data/docker", "graph": "../../etc"}"#);
        put("etc/containers/storage.conf", "[storage]\ngraphroot = \"/data/podman\"\n");
        put("home/ann/.config/docker/daemon.json", r#"{"data-root": "/srv/ann"}"#);
        put("etc/containerd/config.toml", "root = \"/nowhere\"\n");
        put("etc/systemd/system/docker.service.d/x.conf", "[Service]\nExecStart=/usr/bin/dockerd -g /data/old\n");
        for folder in [
            "data/docker",
            "data/podman",
            "data/old",
            "srv/ann",
            "var/lib/docker",
            "home/ann/.local/share/docker",
            "root/.local/share/containers/storage",
        ] {
            std::fs::create_dir_all(host.path().join(folder)).unwrap();
        }
        assert_eq!(
            found(host.path(), ""),
            [
                "data/docker",
                "srv/ann",
                "data/podman",
                "data/old",
                "var/lib/docker",
                "home/ann/.local/share/docker",
                "root/.local/share/containers/storage"
            ]
        );
    }

    #[test]
    fn a_place_that_is_a_link_is_where_the_link_leads_on_that_host() {
        let host = tempfile::tempdir().unwrap();
        let disk = host.path().join("disk");
        for folder in ["disk/data/docker", "disk/var/lib", "disk/var/home/ann/.local/share/docker"] {
            std::fs::create_dir_all(host.path().join(folder)).unwrap();
        }
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, disk.join(name)).unwrap();
        link("/data/docker", "var/lib/docker");
        link("../../../../../../data", "var/lib/containerd");
        link("var/home", "home");
        link("containers", "var/lib/containers");
        assert_eq!(
            found(host.path(), "disk"),
            ["disk/data/docker", "disk/data", "disk/var/home/ann/.local/share/docker"]
        );
    }

    #[test]
    fn homes_are_where_the_hosts_own_list_of_users_says() {
        let host = tempfile::tempdir().unwrap();
        put(
            host.path(),
            "etc/passwd",
            "# x\nann:x:1000:1000:Ann:/srv/users/ann:/bin/sh\nbroken\nno:x:1:1::relative:\n",
        );
        put(
            host.path(),
            "etc/containers/storage.conf",
            "[storage]\nrootless_storage_path = \"/fast/$USER/$UID\"\n[storage.options]\nadditionalimagestores = [\"/shared\"]\n",
        );
        for folder in ["srv/users/ann/.local/share/docker", "fast/ann/1000", "shared"] {
            std::fs::create_dir_all(host.path().join(folder)).unwrap();
        }
        assert_eq!(found(host.path(), ""), ["shared", "fast/ann/1000", "srv/users/ann/.local/share/docker"]);
    }

    #[test]
    fn settings_that_are_pipes_loops_or_without_end_are_passed_by() {
        let host = tempfile::tempdir().unwrap();
        for folder in ["etc/docker", "etc/systemd/system", "var/lib", "srv/last"] {
            std::fs::create_dir_all(host.path().join(folder)).unwrap();
        }
        let pipe = std::process::Command::new("mkfifo").arg(host.path().join("etc/docker/daemon.json")).status();
        assert!(pipe.unwrap().success());
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, host.path().join(name)).unwrap();
        link("docker", "var/lib/docker");
        link("/dev/zero", "etc/default");
        link("../../../../../../../proc/self/mem", "etc/passwd");
        link("/srv/last", "var/lib/containerd");
        let endless = format!("docker -g '{}", "/srv/last ".repeat(20_000));
        for number in 0..40 {
            put(host.path(), &format!("etc/systemd/system/{number}.service"), &endless);
        }
        assert_eq!(found(host.path(), ""), ["srv/last"]);
    }
}
