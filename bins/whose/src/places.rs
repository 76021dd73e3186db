//! What lies where: the folders and files of every object, longest first when asked.

use cli::Findings;
use host::Host;
use model::{Container, HostPath, Image, LayerRef, MountKind, Rootfs, Volume};

use crate::answer::{Answer, Owner};

/// A folder or file of an object.
struct Place {
    path: HostPath,
    owner: Owner,
    why: &'static str,
    /// The path inside that this one is; `None` where it is none.
    inside: Option<Vec<u8>>,
}

/// A folder of the old host that a container has mounted.
struct Bind {
    source: Vec<u8>,
    inside: Vec<u8>,
    /// Where it lies in the evidence, where that holds more than the data root.
    evidence: Option<HostPath>,
    owner: Owner,
}

/// All places of a host.
pub struct Places {
    places: Vec<Place>,
    binds: Vec<Bind>,
}

impl Places {
    /// Gathers them.
    pub fn new(host: &Host, containers: &[Container], findings: &mut Findings) -> Places {
        let mut out = Places { places: Vec::new(), binds: Vec::new() };
        for image in findings.take(host.images()) {
            out.image(host, &image);
        }
        for volume in findings.take(host.volumes()) {
            out.volume(host, &volume, containers);
        }
        for container in containers {
            out.container(host, container, findings);
        }
        out
    }

    /// Whose a path in the evidence is: of the nearest place above it, all that share it.
    pub fn at(&self, path: &HostPath) -> Vec<Answer> {
        let hits: Vec<(&Place, &[u8])> =
            self.places.iter().filter_map(|place| Some((place, below(&place.path, path.as_bytes())?))).collect();
        let nearest = hits.iter().map(|(place, _)| place.path.as_bytes().len()).max();
        let near = hits.into_iter().filter(|(place, _)| Some(place.path.as_bytes().len()) == nearest);
        near.map(|(place, rest)| Answer {
            owner: place.owner.clone(),
            why: place.why.into(),
            inside: place.inside.as_ref().map(|inside| joined(inside, rest)),
            evidence: Some(path.clone()),
            recorded: None,
        })
        .collect()
    }

    /// Which containers had a path of the old host mounted.
    pub fn bound(&self, path: &[u8]) -> Vec<Answer> {
        let hits = self.binds.iter().filter_map(|bind| {
            let rest = below(&HostPath::new(&bind.source), HostPath::new(path).as_bytes())?.to_vec();
            Some(Answer {
                inside: Some(joined(&bind.inside, &rest)),
                evidence: bind.evidence.as_ref().map(|place| place.join(&rest)),
                recorded: Some(path.to_vec()),
                ..Answer::plain(bind.owner.clone(), "bind mount")
            })
        });
        hits.collect()
    }

    fn add(&mut self, path: HostPath, owner: &Owner, why: &'static str, inside: Option<&[u8]>) {
        if !path.as_bytes().is_empty() {
            self.places.push(Place { path, owner: owner.clone(), why, inside: inside.map(<[u8]>::to_vec) });
        }
    }

    fn layer(&mut self, host: &Host, layer: &LayerRef, user_xattrs: bool, owner: &Owner, why: &'static str) {
        let folder = layer.folder.join(layer.id.as_bytes());
        if let Ok(place) = storage::drivers::place(host.root(), layer, user_xattrs) {
            self.add(place.path, owner, why, Some(b"/"));
        }
        self.add(folder.join("merged"), owner, why, Some(b"/"));
        self.add(folder, owner, why, None);
        for (file, why) in [(&layer.blob, "layer's tar"), (&layer.tar_split, "layer's tar-split")] {
            if let Some(file) = file {
                self.add(file.clone(), owner, why, None);
            }
        }
    }

    fn image(&mut self, host: &Host, image: &Image) {
        let owner = Owner::from(image);
        self.add(image.record.clone(), &owner, "record", None);
        for layer in &image.layers {
            self.layer(host, layer, false, &owner, "layer");
        }
    }

    fn volume(&mut self, host: &Host, volume: &Volume, containers: &[Container]) {
        let Some(data) = &volume.data else { return };
        let owner = Owner::from(volume);
        if data.name() == b"_data" {
            self.add(data.parent(), &owner, "records", None);
        }
        self.add(data.clone(), &owner, "data", None);
        for container in containers.iter().filter(|container| host.in_one_folder(container.store, volume.store)) {
            for mount in container.mounts.iter().filter(|mount| !mount.name.is_empty() && mount.name == volume.name) {
                self.add(data.clone(), &container.into(), "volume", Some(mount.destination.as_bytes()));
            }
        }
    }

    fn container(&mut self, host: &Host, container: &Container, findings: &mut Findings) {
        let owner = Owner::from(container);
        let folder = container.record.parent();
        if folder.name() == container.id.as_str().as_bytes() {
            self.add(folder, &owner, "records", None);
        }
        let (log, _) = layout::log_place(host.root(), host.store(container.store), container);
        if let Some(file) = log.file {
            self.add(file, &owner, "log", None);
        }
        match host.rootfs(container) {
            Ok(found) => self.own_layers(host, &findings.take(found), &owner),
            Err(error) => findings.add(
                model::Finding::new("files-unreadable", cli::message::causes(&error))
                    .about(format!("container {}", container.id.short())),
            ),
        }
        for mount in container.mounts.iter().filter(|mount| mount.kind == MountKind::Bind && !mount.source.is_empty()) {
            let (source, inside) = (mount.source.clone().into_bytes(), mount.destination.clone().into_bytes());
            let evidence = host.store(container.store).evidence_of(&source).filter(|place| host.root().exists(place));
            self.binds.push(Bind { source, inside, evidence, owner: owner.clone() });
        }
    }

    fn own_layers(&mut self, host: &Host, rootfs: &Rootfs, owner: &Owner) {
        for (at, layer) in rootfs.layers[..rootfs.own.min(rootfs.layers.len())].iter().enumerate() {
            let why = if at == 0 { "own layer" } else { "init layer" };
            self.layer(host, layer, rootfs.user_xattrs, owner, why);
        }
    }
}

/// What of a path lies below a place, without the slash between.
fn below<'a>(place: &HostPath, path: &'a [u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(place.as_bytes())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

fn joined(inside: &[u8], rest: &[u8]) -> Vec<u8> {
    let between: &[u8] = if rest.is_empty() || inside.ends_with(b"/") { b"" } else { b"/" };
    [inside, between, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_belongs() {
        let place = HostPath::from("overlay2/ab/diff");
        assert_eq!(below(&place, b"overlay2/ab/diff"), Some(&b""[..]));
        assert_eq!(below(&place, b"overlay2/ab/diff/etc/a"), Some(&b"etc/a"[..]));
        assert_eq!(below(&place, b"overlay2/ab/different"), None);
        assert_eq!(joined(b"/", b"etc/a"), b"/etc/a");
        assert_eq!(joined(b"/srv", b"a"), b"/srv/a");
        assert_eq!(joined(b"/srv", b""), b"/srv");
    }
}
