//! Whether containers/storage is here, and with which drivers.

use hostfs::Root;
use model::{Driver, Generation, HostPath, Store};

use super::libpod::{Libpod, Setup};
use crate::Found;
use crate::home::Home;
use crate::json::Notes;

/// The drivers of containers/storage (drivers/driver_linux.go, v1.59.1).
const DRIVERS: [&str; 5] = ["overlay", "vfs", "btrfs", "zfs", "aufs"];

/// The stores in `home`, or in `storage` below it.
pub(crate) fn detect(home: &Home) -> Found<Vec<Store>> {
    let (root, home) = (home.root, &home.path);
    let mut out: Found<Vec<Store>> = Default::default();
    for home in
        [home.clone(), home.join("storage")].into_iter().filter(|home| home.as_bytes().is_empty() || root.is_dir(home))
    {
        let found: Vec<&str> = DRIVERS.into_iter().filter(|driver| is_here(root, &home, driver)).collect();
        if found.is_empty() {
            continue;
        }
        let mut notes = Notes::new("", &home);
        let setup = Libpod::open(root, &home, &mut notes).map(|libpod| libpod.setup(&mut notes)).unwrap_or_default();
        out.0.extend(found.into_iter().map(|driver| store(root, &home, driver, &setup)));
        out.1.append(&mut notes.list);
    }
    out
}

fn is_here(root: &Root, home: &HostPath, driver: &str) -> bool {
    let lists = [
        ("images", "images.json"),
        ("layers", "layers.json"),
        ("containers", "containers.json"),
        ("layers", "volatile-layers.json"),
    ];
    lists.iter().any(|(kind, list)| {
        // The folder first: on other hosts it is not there, and to find that out opens nothing.
        let folder = home.join(format!("{driver}-{kind}"));
        root.is_dir(&folder) && root.exists(&folder.join(list))
    })
}

fn store(root: &Root, home: &HostPath, driver: &str, setup: &Setup) -> Store {
    let recorded = if setup.graph_root.starts_with('/') {
        setup.graph_root.trim_end_matches('/')
    } else {
        "/var/lib/containers/storage"
    };
    // Says whether a program, fuse-overlayfs, makes the mounts (drivers/overlay/overlay.go, v1.59.1).
    let with_program =
        root.read(&home.join("overlay/.has-mount-program"), 64).is_ok_and(|said| said.trim_ascii() == b"true");
    Store {
        generation: Generation::ContainersStorage,
        driver: match driver {
            "overlay" if with_program => Driver::FuseOverlayfs,
            "overlay" => Driver::Overlay2,
            other => Driver::docker(other),
        },
        home: home.clone(),
        recorded: recorded.as_bytes().into(),
        namespace: "".into(),
        evidence: ["images", "layers", "containers"]
            .iter()
            .map(|kind| home.join(format!("{driver}-{kind}")))
            .filter(|path| root.is_dir(path))
            .collect(),
        host: None,
    }
}
