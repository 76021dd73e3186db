//! Where engines keep their data on a whole host: what their settings say, and where each keeps it by default.
//!
//! For a root that is a mounted disk and not a data root itself. Sources: docker's `daemon.json` (`data-root`, before 17.05
//! `graph`; moby v20.10.24 daemon/config/config.go), systemd units and `DOCKER_OPTS` (`--data-root`, `--graph`, `-g`),
//! containerd's `config.toml` (`root`; containerd v1.6.20 services/server/config/config.go), `storage.conf` (`graphroot`;
//! containers/storage v1.59.1 storage.conf). Defaults as in `docs/layouts/places.md`.

use hostfs::{FileKind, Root};
use model::HostPath;
use serde_json::Value;

/// Settings are small; more is none.
const MOST: u64 = 1 << 20;

/// Default places, below the host's `/`.
const PLACES: [&str; 8] = [
    "var/lib/docker",
    "var/lib/containerd",
    "var/lib/containers/storage",
    "var/lib/desktop-containerd/daemon",
    "var/lib/rancher/k3s/agent/containerd",
    "var/lib/rancher/rke2/agent/containerd",
    "var/snap/docker/common/var-lib-docker",
    "var/snap/microk8s/common/var/lib/containerd",
];

/// Default places below a user's home directory.
const OF_USERS: [&str; 3] = [".local/share/docker", ".local/share/containers/storage", ".local/share/containerd"];

/// The folders of a host in which an engine's data may lie: each is there, and is named once. What settings name comes
/// first.
pub fn places(root: &Root) -> Vec<HostPath> {
    let mut all: Vec<HostPath> = Vec::new();
    let named = settings(root).into_iter().map(HostPath::new);
    let usual = PLACES.iter().map(|place| HostPath::from(*place));
    let own = homes(root).into_iter().flat_map(|home| OF_USERS.map(|place| home.join(place)));
    for place in named.chain(usual).chain(own) {
        if root.is_dir(&place) && !all.contains(&place) {
            all.push(place);
        }
    }
    all
}

/// Users' home directories: those of `/home`, and root's.
fn homes(root: &Root) -> Vec<HostPath> {
    let home = HostPath::from("home");
    let users = root.open_dir(&home).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    users.iter().map(|user| home.join(&user.name)).chain([HostPath::from("root")]).collect()
}

/// The folders that engines' settings name, as absolute paths of that host.
fn settings(root: &Root) -> Vec<String> {
    let mut found = Vec::new();
    let users = homes(root).into_iter().map(|home| home.join(".config"));
    for folder in [HostPath::from("etc")].into_iter().chain(users) {
        let daemon = text_at(root, &folder.join("docker/daemon.json"));
        if let Some(json) = daemon.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
            found.extend(["data-root", "graph"].iter().filter_map(|key| json[*key].as_str()).map(str::to_string));
        }
        found.extend(toml(root, &folder.join("containers/storage.conf"), &["storage", "graphroot"]));
    }
    found.extend(toml(root, &HostPath::from("etc/containerd/config.toml"), &["root"]));
    for file in command_lines(root) {
        found.extend(text_at(root, &file).iter().flat_map(|text| flags(text)));
    }
    found.retain(|path| path.starts_with('/'));
    found
}

fn toml(root: &Root, path: &HostPath, keys: &[&str]) -> Option<String> {
    let document: toml::Table = text_at(root, path)?.parse().ok()?;
    let (last, above) = keys.split_last()?;
    let mut table = &document;
    for key in above {
        table = table.get(*key)?.as_table()?;
    }
    table.get(*last)?.as_str().map(str::to_string)
}

/// Files that hold a daemon's command line.
fn command_lines(root: &Root) -> Vec<HostPath> {
    let mut files: Vec<HostPath> =
        ["etc/default/docker", "etc/sysconfig/docker", "etc/conf.d/docker", "etc/init/docker.conf"]
            .map(HostPath::from)
            .into();
    for folder in ["etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system", "run/systemd/system"] {
        files.push(HostPath::from(folder).join("docker.service"));
        let more = HostPath::from(folder).join("docker.service.d");
        let entries = root.open_dir(&more).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
        files.extend(entries.iter().map(|entry| more.join(&entry.name)));
    }
    files
}

/// What `-g`, `--graph` and `--data-root` name in a command line, in all spellings.
fn flags(text: &str) -> Vec<String> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c == '"' || c == '\'').filter(|word| !word.is_empty()).collect();
    let is_flag = |word: &str| matches!(word, "-g" | "--graph" | "-graph" | "--data-root");
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word.split_once('=') {
            Some((flag, value)) if is_flag(flag) => found.push(value.to_string()),
            None if is_flag(word) => found.extend(words.get(at + 1).map(|value| value.to_string())),
            _ => {}
        }
    }
    found
}

fn text_at(root: &Root, path: &HostPath) -> Option<String> {
    let is_file = root.stat(path).is_ok_and(|stat| stat.kind == FileKind::File);
    is_file.then(|| root.read(path, MOST).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_flag_is_known() {
        for line in [
            "ExecStart=/usr/bin/dockerd -g /srv/d -H fd://",
            "DOCKER_OPTS=\"--graph=/srv/d\"",
            "dockerd --data-root /srv/d",
            "'--data-root=/srv/d'",
        ] {
            assert_eq!(flags(line), ["/srv/d"], "{line}");
        }
        assert_eq!(flags("dockerd --log-level=debug -g"), Vec::<String>::new());
    }

    #[test]
    fn settings_and_habits_are_both_looked_at() {
        let host = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = host.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
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
        let root = Root::open(host.path()).unwrap();
        let found: Vec<String> = places(&root).iter().map(|place| place.to_string()).collect();
        assert_eq!(
            found,
            [
                "data/docker",
                "data/podman",
                "srv/ann",
                "data/old",
                "var/lib/docker",
                "home/ann/.local/share/docker",
                "root/.local/share/containers/storage"
            ]
        );
    }
}
