//! Is docker's content-addressed store here, and with which drivers?
//!
//! `image/<driver>` holds it (daemon/daemon.go, moby v1.10.0 to v28.5.2); with user namespaces everything moves to
//! `<uid>.<gid>/` and both sets may be there (daemon/daemon_unix.go setupDaemonRoot, v20.10.24).

use hostfs::Root;
use model::{Driver, Generation, HostPath, Store};
use serde::Deserialize;

use crate::Found;
use crate::docker::folders;
use crate::json::{self, Loose, Notes};

/// The graph drivers that docker ever had. Whatever else a container names is a snapshotter, or damage.
const GRAPH_DRIVERS: [&str; 10] =
    ["aufs", "btrfs", "devicemapper", "fuse-overlayfs", "lcow", "overlay", "overlay2", "vfs", "windowsfilter", "zfs"];

/// How many containers are asked where they lay and which driver they had, until one answers.
const SAMPLES: usize = 16;

/// The content-addressed stores in `home`, and in the folders of remapped users in it.
pub(crate) fn detect(root: &Root, home: &HostPath) -> Found<Vec<Store>> {
    let mut stores = in_home(root, home);
    for below in remapped(root, home) {
        stores.extend(in_home(root, &below));
    }
    (stores, Vec::new())
}

/// The folders `<uid>.<gid>` of a home.
pub(crate) fn remapped(root: &Root, home: &HostPath) -> Vec<HostPath> {
    let entries = root.open_dir(home).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    let names = entries.into_iter().filter(|entry| entry.is_dir != Some(false)).map(|entry| entry.name);
    names.filter(|name| ids_of(name).is_some()).map(|name| home.join(&name)).collect()
}

/// The user and group that a folder `<uid>.<gid>` is named after.
pub(crate) fn ids_of(name: &[u8]) -> Option<(u64, u64)> {
    let (uid, gid) = std::str::from_utf8(name).ok()?.split_once('.')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
    Some((number(uid)?, number(gid)?))
}

fn in_home(root: &Root, home: &HostPath) -> Vec<Store> {
    let sample = sample(root, home);
    let mut drivers = with_images(root, home);
    drivers.sort_by_key(|name| (Some(name) != sample.as_ref().map(|it| &it.driver), name.clone()));
    if drivers.is_empty() {
        drivers
            .extend(sample.as_ref().filter(|it| is_graph_driver(root, home, &it.driver)).map(|it| it.driver.clone()));
    }
    let recorded = sample.and_then(|it| it.recorded).unwrap_or_else(|| usual(home));
    drivers.into_iter().map(|name| store(root, home, &name, &recorded)).collect()
}

fn store(root: &Root, home: &HostPath, driver: &str, recorded: &[u8]) -> Store {
    let places = [home.join(format!("image/{driver}")), home.join(driver), home.join("containers")];
    Store {
        generation: Generation::DockerContent,
        driver: Driver::docker(driver),
        home: home.clone(),
        recorded: recorded.into(),
        namespace: "".into(),
        evidence: places.into_iter().filter(|place| root.is_dir(place)).collect(),
    }
}

/// The drivers that have images, or the place for them.
pub(crate) fn with_images(root: &Root, home: &HostPath) -> Vec<String> {
    let image = home.join("image");
    let entries = root.open_dir(&image).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    let names = entries.into_iter().filter_map(|entry| String::from_utf8(entry.name.into()).ok());
    let is_store = |name: &String| {
        ["imagedb", "layerdb", "repositories.json"].iter().any(|part| root.exists(&image.join(name).join(part)))
    };
    names.filter(is_store).collect()
}

/// Whether a driver that containers name is a graph driver. A snapshotter of containerd may have the same name, and an
/// unknown driver may be either: then what lies beside the containers tells.
fn is_graph_driver(root: &Root, home: &HostPath, name: &str) -> bool {
    let known = GRAPH_DRIVERS.contains(&name);
    known && root.is_dir(&home.join(name)) || !root.is_dir(&home.join("containerd")) && !name.is_empty()
}

/// What one container says of the store it is in.
pub(crate) struct Sample {
    pub driver: String,
    /// The home on the old host.
    pub recorded: Option<Box<[u8]>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Paths {
    driver: Loose<String>,
    hostname_path: Loose<String>,
    hosts_path: Loose<String>,
    resolv_conf_path: Loose<String>,
    log_path: Loose<String>,
}

fn sample(root: &Root, home: &HostPath) -> Option<Sample> {
    sample_of(root, home, folders::SINCE_1_10)
}

/// Asks containers of a home until one answers.
pub(crate) fn sample_of(root: &Root, home: &HostPath, record: &str) -> Option<Sample> {
    let (ids, _) = folders::ids(root, home);
    ids.iter().take(SAMPLES).find_map(|id| {
        let path = home.join("containers").join(id.as_str()).join(record);
        let raw = root.read(&path, json::RECORD_LIMIT).ok()?;
        let mut notes = Notes::new("", &path);
        let paths: Paths = json::parse(&raw, &mut notes)?;
        let ends = [paths.log_path, paths.hostname_path, paths.hosts_path, paths.resolv_conf_path];
        let recorded = ends.into_iter().find_map(|end| home_of(&end.get("", &mut notes)?, id.as_str()));
        Some(Sample { driver: paths.driver.take("", &mut notes), recorded })
    })
}

fn home_of(path: &str, id: &str) -> Option<Box<[u8]>> {
    let home = path.split_once(&format!("/containers/{id}/"))?.0;
    home.starts_with('/').then(|| home.as_bytes().into())
}

/// Where docker lies where nothing says otherwise.
pub(crate) fn usual(home: &HostPath) -> Box<[u8]> {
    let mut path = b"/var/lib/docker".to_vec();
    if ids_of(home.name()).is_some() {
        path.push(b'/');
        path.extend_from_slice(home.name());
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_remapped_user_is_two_numbers() {
        assert_eq!(ids_of(b"231072.231072"), Some((231_072, 231_072)));
        for name in ["231072", "a.b", "1.2.3", ".", "+1.2", "1."] {
            assert_eq!(ids_of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_home_is_what_stands_before_the_containers() {
        let home = |path| home_of(path, "4f1c").map(|it| String::from_utf8_lossy(&it).into_owned());
        assert_eq!(home("/srv/docker/containers/4f1c/hostname").as_deref(), Some("/srv/docker"));
        assert_eq!(home("/etc/resolv.conf"), None);
        assert_eq!(home("containers/4f1c/x"), None);
    }
}
