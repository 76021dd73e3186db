//! What a name means: a container, else an image, else a volume.

use anyhow::{Context, bail};
use cli::Findings;
use host::{Host, LookupError};
use model::{Container, Generation, Image, Rootfs, Volume, path::shown};

use crate::args::Kind;

/// Where the files of the object of that name lie.
pub fn files(host: &Host, name: &str, kind: Option<Kind>, findings: &mut Findings) -> anyhow::Result<Rootfs> {
    let may_be = |asked| kind.is_none_or(|kind| kind == asked);
    if may_be(Kind::Container) {
        match host.container(name) {
            Ok(found) => return of_container(host, &findings.take(found), name, findings),
            Err(LookupError::NoContainer(_)) if kind.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if may_be(Kind::Image) {
        match host.image(name) {
            Ok(found) => return of_image(host, &findings.take(found), name, findings),
            Err(LookupError::NoImage(_)) if kind.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    match host.volume(name) {
        Ok(found) => of_volume(host, &findings.take(found), findings),
        Err(LookupError::NoVolume(_)) if kind.is_none() => {
            bail!("No such container, image or volume: {}", shown(name.as_bytes()))
        }
        Err(error) => Err(error.into()),
    }
}

fn of_container(host: &Host, container: &Container, name: &str, findings: &mut Findings) -> anyhow::Result<Rootfs> {
    let subject = || format!("cannot export container '{}'", shown(name.as_bytes()));
    let mut rootfs = findings.take(host.rootfs(container).with_context(subject)?);
    if is_outward(host, container, &rootfs) {
        rootfs.ids = rootfs.ids.outward();
    }
    Ok(rootfs)
}

/// Whether owners are those of the host: podman's root archives a mapped container from outside (docs/decisions/
/// 0133-podman-exports-the-hosts-ids.md). An ordinary user's podman does so from within his namespace.
fn is_outward(host: &Host, container: &Container, rootfs: &Rootfs) -> bool {
    host.store(container.store).generation == Generation::ContainersStorage && !rootfs.user_xattrs
}

fn of_image(host: &Host, image: &Image, name: &str, findings: &mut Findings) -> anyhow::Result<Rootfs> {
    let subject = || format!("cannot export image '{}'", shown(name.as_bytes()));
    Ok(findings.take(host.image_rootfs(image).with_context(subject)?))
}

fn of_volume(host: &Host, volume: &Volume, findings: &mut Findings) -> anyhow::Result<Rootfs> {
    let Some(files) = host.volume_rootfs(volume) else {
        let (name, driver) = (shown(volume.name.as_bytes()), shown(volume.driver.as_bytes()));
        bail!(
            "cannot export volume '{name}': its files are not in this root (its driver is {driver}; 'inspect' shows its options)"
        )
    };
    Ok(findings.take(files))
}
