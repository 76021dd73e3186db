//! `GraphDriver`: where the dead daemon would have mounted from, by what the driver left.

use hostfs::Root;
use model::{Container, Driver, Generation, HostPath, Id, LayerRef, Store};
use serde_json::{Value, json};

use crate::docker_content::read::mount_of;
use crate::json::Notes;

/// Longest list of lower layers: 128 of 28 bytes (overlay2/overlay.go maxDepth, v20.10.24), with room.
const LOWER_LIMIT: u64 = 64 * 1024;

/// `{"Name": …, "Data": …}` of a container; `Data` is null for drivers that say nothing, and where nothing is known. A layer
/// that is not where all others are is damage, and so is a driver that docker never had. With it the container's own layer,
/// where the driver has a folder for it.
pub(crate) fn container(
    root: &Root,
    store: &Store,
    container: &Container,
    notes: &mut Notes,
) -> (Value, Option<LayerRef>) {
    let driver = Driver::docker(&container.driver);
    if matches!(driver, Driver::Other(_)) && store.generation != Generation::DockerContainerd {
        let name = model::path::shown(container.driver.as_bytes());
        notes.add("driver-unknown", format!("its driver '{name}' is none of docker's"));
    }
    let own = match store.generation {
        Generation::DockerContent => {
            let store = Store { driver: driver.clone(), ..store.clone() };
            missing(root, &mount_of(&store, &container.id), notes);
            mount_id(root, &store, container)
        }
        _ => Some(container.id.as_str().to_string()),
    };
    let layer = own.as_ref().and_then(|id| layer(store, &driver, id));
    if let Some(layer) = layer.as_ref().filter(|layer| layer.driver != Driver::Graph) {
        missing(root, &layer.folder.join(layer.id.as_bytes()), notes);
    }
    let data =
        own.filter(|_| store.generation != Generation::DockerContainerd).and_then(|id| data(root, store, &driver, &id));
    (json!({ "Name": container.driver.to_string(), "Data": data }), layer)
}

/// The layer of that id, for the drivers that have a folder for each.
fn layer(store: &Store, driver: &Driver, id: &str) -> Option<LayerRef> {
    let (driver, home) = match driver {
        _ if store.driver == Driver::Graph => (&Driver::Graph, "containers"),
        Driver::Overlay | Driver::Overlay2 | Driver::FuseOverlayfs => (driver, driver.name()),
        Driver::Aufs => (driver, "aufs/diff"),
        Driver::Btrfs => (driver, "btrfs/subvolumes"),
        Driver::Vfs => (driver, "vfs/dir"),
        _ => return None,
    };
    Some(LayerRef::new(driver.clone(), id, store.home.join(home)))
}

/// Notes what is not in a folder that is there: a root may well have been copied without any layers.
fn missing(root: &Root, path: &HostPath, notes: &mut Notes) {
    if root.is_dir(&path.parent()) && !root.exists(path) {
        notes.add("layer-missing", format!("its layer '{path}' is not there"));
    }
}

fn mount_id(root: &Root, store: &Store, container: &Container) -> Option<String> {
    let raw = root.read(&mount_of(store, &container.id).join("mount-id"), 256).ok()?;
    Id::new(std::str::from_utf8(&raw).ok()?.trim()).map(|id| id.as_str().to_string())
}

/// Paths on the old host (overlay2/overlay.go GetMetadata; overlay/overlay.go GetMetadata, v20.10.24).
fn data(root: &Root, store: &Store, driver: &Driver, id: &str) -> Option<Value> {
    let (lower, upper) = match driver {
        Driver::Overlay2 | Driver::FuseOverlayfs => (lowers(root, store, driver, id)?, "diff"),
        Driver::Overlay => {
            (format!("{}/{}/root", recorded(store, driver), text(root, store, driver, id, "lower-id")?), "upper")
        }
        _ => return None,
    };
    let mut data = own_paths(store, driver, id, upper);
    data["LowerDir"] = lower.into();
    Some(data)
}

fn own_paths(store: &Store, driver: &Driver, id: &str, upper: &str) -> Value {
    let own = format!("{}/{id}", recorded(store, driver));
    json!({ "MergedDir": format!("{own}/merged"), "UpperDir": format!("{own}/{upper}"), "WorkDir": format!("{own}/work") })
}

/// The driver's folder on the old host.
fn recorded(store: &Store, driver: &Driver) -> String {
    format!("{}/{}", model::path::shown(&store.recorded), driver.name())
}

/// One of the small files that the driver keeps beside a layer.
fn text(root: &Root, store: &Store, driver: &Driver, id: &str, name: &str) -> Option<String> {
    let raw = root.read(&store.home.join(driver.name()).join(id).join(name), LOWER_LIMIT).ok()?;
    Some(String::from_utf8_lossy(&raw).trim().to_string())
}

/// The layers below one, each by its own path: `lower` names them by links in `l/`, which the engine looks up
/// (overlay2/overlay.go getLowerDirs, v20.10.24). A link that is not there stays as it stands.
fn lowers(root: &Root, store: &Store, driver: &Driver, id: &str) -> Option<String> {
    let lower = text(root, store, driver, id, "lower")?;
    let home = recorded(store, driver);
    let links = root.open_dir(&store.home.join(driver.name()).join("l")).ok();
    let real = |link: &str| {
        let target = links.as_ref()?.read_link(link.strip_prefix("l/")?.as_bytes()).ok()?;
        String::from_utf8(target.strip_prefix(b"../")?.to_vec()).ok()
    };
    let all: Vec<String> =
        lower.split(':').map(|link| format!("{home}/{}", real(link).unwrap_or_else(|| link.to_string()))).collect();
    Some(all.join(":"))
}

/// `{"Name": …, "Data": …}` of an image, by its topmost layer.
pub(crate) fn image(root: &Root, store: &Store, top: Option<&LayerRef>) -> Value {
    let data = top.and_then(|layer| match layer.driver {
        Driver::Overlay2 | Driver::FuseOverlayfs => {
            let mut data = own_paths(store, &layer.driver, &layer.id, "diff");
            if let Some(lower) = lowers(root, store, &layer.driver, &layer.id) {
                data["LowerDir"] = lower.into();
            }
            Some(data)
        }
        Driver::Overlay => Some(json!({ "RootDir": format!("{}/{}/root", recorded(store, &layer.driver), layer.id) })),
        _ => None,
    });
    json!({ "Name": store.driver.name(), "Data": data })
}
