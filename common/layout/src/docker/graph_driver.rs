//! `GraphDriver`: where the dead daemon would have mounted from, by what the driver left.

use hostfs::Root;
use model::{Container, Driver, Generation, HostPath, Id, Store};
use serde_json::{Value, json};

use crate::docker_content::read::mount_of;

/// Longest list of lower layers: 128 of 28 bytes (overlay2/overlay.go maxDepth, v20.10.24), with room.
const LOWER_LIMIT: u64 = 64 * 1024;

/// `{"Name": …, "Data": …}` of a container; `Data` is null for drivers that say nothing, and where nothing is known.
pub(crate) fn container(root: &Root, store: &Store, container: &Container) -> Value {
    let driver = Driver::docker(&container.driver);
    let own = match store.generation {
        Generation::DockerContent => mount_id(root, &Store { driver: driver.clone(), ..store.clone() }, container),
        _ => Some(container.id.as_str().to_string()),
    };
    let data =
        own.filter(|_| store.generation != Generation::DockerContainerd).and_then(|id| data(root, store, &driver, &id));
    json!({ "Name": container.driver.to_string(), "Data": data })
}

fn mount_id(root: &Root, store: &Store, container: &Container) -> Option<String> {
    let raw = root.read(&mount_of(store, &container.id).join("mount-id"), 256).ok()?;
    Id::new(std::str::from_utf8(&raw).ok()?.trim()).map(|id| id.as_str().to_string())
}

/// Paths on the old host (overlay2/overlay.go GetMetadata; overlay/overlay.go GetMetadata, v20.10.24).
fn data(root: &Root, store: &Store, driver: &Driver, id: &str) -> Option<Value> {
    let home = format!("{}/{}", String::from_utf8_lossy(&store.recorded), driver.name());
    let text = |name: &str| {
        let raw = root.read(&store.home.join(driver.name()).join(id).join(name), LOWER_LIMIT).ok()?;
        Some(String::from_utf8_lossy(&raw).trim().to_string())
    };
    let (lower, upper) = match driver {
        Driver::Overlay2 | Driver::FuseOverlayfs => {
            let lower = text("lower")?;
            (lower.split(':').map(|link| format!("{home}/{link}")).collect::<Vec<_>>().join(":"), "diff")
        }
        Driver::Overlay => (format!("{home}/{}/root", text("lower-id")?), "upper"),
        _ => return None,
    };
    Some(json!({
        "LowerDir": lower,
        "MergedDir": format!("{home}/{id}/merged"),
        "UpperDir": format!("{home}/{id}/{upper}"),
        "WorkDir": format!("{home}/{id}/work"),
    }))
}

/// `{"Name": …, "Data": …}` of an image, by its topmost layer.
pub(crate) fn image(store: &Store, top: Option<&model::LayerRef>) -> Value {
    let home = |folder: &HostPath| {
        format!("{}/{}", String::from_utf8_lossy(&store.recorded), String::from_utf8_lossy(folder.name()))
    };
    let data = top.filter(|layer| matches!(layer.driver, Driver::Overlay2 | Driver::FuseOverlayfs)).map(|layer| {
        let home = home(&layer.folder);
        json!({ "MergedDir": format!("{home}/{}/merged", layer.id), "UpperDir": format!("{home}/{}/diff", layer.id), "WorkDir": format!("{home}/{}/work", layer.id) })
    });
    json!({ "Name": store.driver.name(), "Data": data })
}
