//! `SizeRw` and `SizeRootFs`: what a container's own files take, and all that it sees.

use host::Host;
use model::{Container, Finding, Generation, Rootfs};
use serde_json::Value;

/// Adds both sizes to what is shown of a container; what cannot be measured is a finding.
pub fn add(host: &Host, container: &Container, shown: &mut Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    match measure(host, container, &mut findings) {
        Ok((own, all)) => {
            shown["SizeRw"] = own.into();
            shown["SizeRootFs"] = all.into();
        }
        Err(error) => findings.push(
            Finding::new("size-unknown", format!("its files cannot be measured: {error:#}"))
                .about(format!("container {}", container.id.short())),
        ),
    }
    findings
}

/// Bytes that the container wrote, and those with its image's layers, as its engine counts both: docker by the sizes that it
/// recorded of layers (moby v28 daemon/images/image.go GetContainerLayerSize), containerd with the init layer as well
/// (daemon/containerd/image_snapshot.go), podman the image's alone by what lies there (libpod/container_inspect.go, v4.3.1):
/// what it records are sizes of tars.
fn measure(host: &Host, container: &Container, findings: &mut Vec<Finding>) -> anyhow::Result<(u64, u64)> {
    let (rootfs, more) = host.rootfs(container)?;
    findings.extend(more);
    let (own, more) = storage::written(host.root(), &rootfs)?;
    findings.extend(more);
    let generation = host.store(container.store).generation;
    let first = if generation == Generation::DockerContainerd { 1 } else { rootfs.own };
    let is_podman = generation == Generation::ContainersStorage;
    let mut all = if is_podman { 0 } else { own };
    for at in first..rootfs.layers.len() {
        all += match rootfs.layers[at].size.filter(|_| !is_podman) {
            Some(size) => size,
            None => {
                let below = Rootfs { layers: rootfs.layers[at..].to_vec(), own: 0, ..rootfs.clone() };
                let (size, more) = storage::written(host.root(), &below)?;
                findings.extend(more);
                size
            }
        };
    }
    Ok((own, all))
}
