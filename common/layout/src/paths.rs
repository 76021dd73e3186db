//! Paths told three ways: as the old host had them, inside of the container, and where they lie in the evidence.

use hostfs::{Dir, Root, Stat};
use model::{Container, Driver, Finding, HostPath, LayerRef, MountKind, Store};
use serde_json::{Map, Value, json};

/// The paths of one container.
pub(crate) struct Paths<'a> {
    root: &'a Root,
    store: &'a Store,
    /// The container's own folder: most of what is asked for lies in it, so it is opened once.
    folder: HostPath,
    opened: Option<Dir>,
    told: Vec<Value>,
}

impl<'a> Paths<'a> {
    pub fn new(root: &'a Root, store: &'a Store, folder: HostPath) -> Paths<'a> {
        Paths { root, store, opened: root.open_dir(&folder).ok(), folder, told: Vec::new() }
    }

    /// What there is of a path in the evidence.
    pub fn stat(&self, path: &HostPath) -> Option<Stat> {
        match &self.opened {
            Some(folder) if path.parent() == self.folder => folder.stat(path.name()).ok(),
            _ => self.root.stat(path).ok(),
        }
    }

    /// Tells a path of the old host; where it lies outside of the evidence, or is gone, the third is null.
    pub fn add(&mut self, recorded: &str, inside: Option<&str>) {
        let place = self.store.evidence_of(recorded.as_bytes()).filter(|_| !recorded.is_empty());
        let place = place.filter(|path| self.stat(path).is_some());
        self.tell(recorded.into(), inside, place.as_ref());
    }

    /// The same of what `shown`, an answer in the shape of docker's inspect, says of the container's own files.
    pub fn add_shown(&mut self, shown: &Map<String, Value>) {
        for (key, inside) in [
            ("LogPath", None),
            ("HostnamePath", Some("/etc/hostname")),
            ("HostsPath", Some("/etc/hosts")),
            ("ResolvConfPath", Some("/etc/resolv.conf")),
        ] {
            let recorded = shown.get(key).and_then(Value::as_str).unwrap_or_default();
            if !recorded.is_empty() {
                self.add(recorded, inside);
            }
        }
    }

    /// The same of what it has mounted.
    pub fn add_mounts(&mut self, container: &Container) {
        for mount in container.mounts.iter().filter(|mount| mount.kind != MountKind::Tmpfs) {
            self.add(&mount.source, Some(&mount.destination));
        }
    }

    /// The folder of what the container wrote, where it is there.
    pub fn add_files(&mut self, layer: &LayerRef) {
        let place = files(layer);
        let rest = place.as_bytes().strip_prefix(self.store.home.as_bytes()).map(HostPath::new);
        if let Some(rest) = rest.filter(|_| self.stat(&place).is_some()) {
            let recorded = [&self.store.recorded, b"/".as_slice(), rest.as_bytes()].concat();
            self.tell(model::path::shown(&recorded).into(), Some("/"), Some(&place));
        }
    }

    fn tell(&mut self, recorded: Value, inside: Option<&str>, place: Option<&HostPath>) {
        self.told.push(json!({ "Recorded": recorded, "Inside": inside, "Evidence": place.map(HostPath::to_string) }));
    }

    /// All that was told.
    pub fn take(&mut self) -> Value {
        std::mem::take(&mut self.told).into()
    }
}

/// What dockless adds to an answer of a store that is not docker's own.
pub(crate) fn added(
    root: &Root,
    store: &Store,
    container: &Container,
    shown: &Map<String, Value>,
    findings: &[Finding],
) -> Value {
    let mut paths = Paths::new(root, store, container.record.parent());
    let written = paths.stat(&container.record).map(|stat| stat.mtime.rfc3339());
    paths.add_shown(shown);
    paths.add_mounts(container);
    if let Some(own) =
        crate::rootfs(root, store, container).ok().and_then(|(rootfs, _)| rootfs.layers.into_iter().next())
    {
        paths.add_files(&own);
    }
    json!({
        "Store": store.to_string(),
        "Record": container.record.to_string(),
        "WrittenAt": written,
        "Paths": paths.take(),
        "Findings": findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
    })
}

/// The folder of a layer's files (docs/layouts/drivers.md).
fn files(layer: &LayerRef) -> HostPath {
    let folder = layer.folder.join(layer.id.as_bytes());
    match layer.driver {
        Driver::Overlay2 | Driver::FuseOverlayfs => folder.join("diff"),
        Driver::Overlay => folder.join("upper"),
        Driver::OverlayfsSnapshot => folder.join("fs"),
        Driver::Graph => folder.join("rw"),
        _ => folder,
    }
}
