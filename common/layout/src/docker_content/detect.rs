//! Is docker's content-addressed store here, and with which drivers?
//!
//! `image/<driver>` holds it (daemon/daemon.go, moby v1.10.0 to v28.5.2); with user namespaces everything moves to
//! `<uid>.<gid>/` and both sets may be there (daemon/daemon_unix.go setupDaemonRoot, v20.10.24).

use hostfs::Root;
use model::{Driver, Generation, HostPath, Store};

use crate::Found;
use crate::docker::folders;
use crate::home::{Home, usual};

/// The graph drivers that docker ever had. Whatever else a container names is a snapshotter, or damage.
const GRAPH_DRIVERS: [&str; 10] =
    ["aufs", "btrfs", "devicemapper", "fuse-overlayfs", "lcow", "overlay", "overlay2", "vfs", "windowsfilter", "zfs"];

/// The content-addressed stores in `home`, and in the folders of remapped users in it.
pub(crate) fn detect(home: &Home) -> Found<Vec<Store>> {
    let homes = std::iter::once(home).chain(home.remapped());
    (homes.flat_map(in_home).collect(), Vec::new())
}

/// The content-addressed stores of one home.
pub(crate) fn in_home(home: &Home) -> Vec<Store> {
    let (root, path, sample) = (home.root, &home.path, home.sample(folders::SINCE_1_10));
    let mut drivers = with_images(root, path);
    drivers.sort_by_key(|name| (Some(name) != sample.map(|it| &it.driver), name.clone()));
    if drivers.is_empty() {
        drivers.extend(sample.filter(|it| is_graph_driver(root, path, &it.driver)).map(|it| it.driver.clone()));
    }
    let recorded = sample.and_then(|it| it.recorded.clone()).unwrap_or_else(|| usual(path));
    drivers.into_iter().map(|name| store(root, path, &name, &recorded)).collect()
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
        host: None,
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
