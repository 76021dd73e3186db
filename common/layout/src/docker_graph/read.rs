//! Which files say what, and what they add up to.

use std::collections::HashMap;

use hostfs::Root;
use model::{Container, Driver, Finding, HostPath, Id, Image, LayerRef, Rootfs, Store};

use crate::docker::folders;
use crate::docker_content::read::{driver_folder, id_map};
use crate::docker_content::records::Names;
use crate::docker_graph::records::{self, V1};
use crate::json::{self, Notes};
use crate::{Found, HistoryEntry, LayoutError};

/// No image of that time could have more layers (aufs takes 127); a longer chain is a loop or a trap.
const CHAIN_LIMIT: usize = 512;

/// Longest short text: an id, a size.
const TEXT_LIMIT: u64 = 4096;

/// `graph/<id>`.
pub(crate) fn folder_of(store: &Store, id: &Id) -> HostPath {
    store.home.join("graph").join(id.as_str())
}

/// `repositories`, or `repositories-<driver>`.
pub(crate) fn table_of(store: &Store) -> HostPath {
    match store.driver {
        Driver::Graph => store.home.join("repositories"),
        _ => store.home.join(format!("repositories-{}", store.driver.name())),
    }
}

/// The images of a store, newest first.
pub(crate) fn images(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Image>> {
    let store = &stores[index];
    let is_first = |other: &Store| other.generation == store.generation && other.home == store.home;
    let first = stores.iter().position(is_first) == Some(index);
    let mut findings = Vec::new();
    let mut graph = Graph::new(root, store);
    let names = graph.names(&mut findings);
    let mut list = Vec::new();
    for id in graph.ids(&mut findings) {
        let known = graph.has_files(&id);
        // The graph is shared by all drivers; a driver's images are those that it has files of (graph/graph.go restore).
        if known || first {
            list.push(graph.image(index, &id, &names, &mut findings));
        }
        if !known && first {
            let finding = Finding::new(
                "layer-missing",
                format!("its files are not in '{}'; docker would not list it", layer(store, &id).folder),
            );
            findings.push(finding.about(format!("image {}", id.short())).at(folder_of(store, &id)));
        }
    }
    let dangling = names.dangling(|id| root.exists(&folder_of(store, id)));
    findings.extend(dangling.into_iter().map(|why| Finding::new("image-missing", why).at(table_of(store))));
    list.sort_by(|a: &Image, b: &Image| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    (list, findings)
}

/// `graph/`, each image read once.
pub(crate) struct Graph<'a> {
    root: &'a Root,
    store: &'a Store,
    known: HashMap<Id, Option<V1>>,
}

impl<'a> Graph<'a> {
    pub fn new(root: &'a Root, store: &'a Store) -> Graph<'a> {
        Graph { root, store, known: HashMap::new() }
    }

    /// The names of images. Where there is no table there are none: that is a finding, since docker always has one.
    pub fn names(&self, findings: &mut Vec<Finding>) -> Names {
        let path = table_of(self.store);
        let mut notes = Notes::new("", &path);
        let raw = json::read(self.root, &path, &mut notes).unwrap_or_default();
        let names = if raw.is_empty() { Names::default() } else { records::names(&raw, &mut notes) };
        findings.append(&mut notes.list);
        names
    }

    /// The ids that have a folder, sorted.
    fn ids(&self, findings: &mut Vec<Finding>) -> Vec<Id> {
        let path = self.store.home.join("graph");
        let entries = match self.root.entries(&path) {
            Ok(entries) => entries,
            Err(error) => {
                findings.push(
                    Finding::new("image-store-missing", format!("no image can be listed: {}", error.problem)).at(path),
                );
                return Vec::new();
            }
        };
        let mut ids = Vec::new();
        for entry in entries {
            let here = path.join(&entry.name);
            match std::str::from_utf8(&entry.name) {
                // Scratch folders of the graph (`:tmp:` before 0.5), and what 1.10 left behind.
                Ok("_tmp" | ":tmp:") => {}
                Ok(name) if entry.is_dir.unwrap_or_else(|| self.root.is_dir(&here)) => ids.extend(Id::new(name)),
                _ => findings
                    .push(Finding::new("stray-file", "it is not the folder of an image; it is passed over").at(here)),
            }
        }
        ids
    }

    /// Whether the driver has files of that image.
    fn has_files(&self, id: &Id) -> bool {
        has_files(self.root, self.store, id.as_str())
    }

    /// The record of an image; `None` with a finding the first time that it cannot be had.
    fn get(&mut self, id: &Id, findings: &mut Vec<Finding>) -> Option<&V1> {
        if !self.known.contains_key(id) {
            let found = self.read(id, findings);
            self.known.insert(id.clone(), found);
        }
        self.known.get(id).and_then(Option::as_ref)
    }

    fn read(&self, id: &Id, findings: &mut Vec<Finding>) -> Option<V1> {
        let folder = folder_of(self.store, id);
        let mut notes = Notes::new(format!("image {}", id.short()), &folder.join("json"));
        let raw = json::read(self.root, &folder.join("json"), &mut notes);
        let text = |name: &str| {
            self.root.read(&folder.join(name), TEXT_LIMIT).ok().map(|raw| String::from_utf8_lossy(&raw).into_owned())
        };
        let image =
            raw.map(|raw| V1::parse(raw, id, text("parent").as_deref(), text("layersize").as_deref(), &mut notes));
        findings.append(&mut notes.list);
        image
    }

    /// An image and its ancestors, top first. A loop, or an ancestor that is not there, ends it with a finding.
    fn chain(&mut self, id: &Id, findings: &mut Vec<Finding>) -> Vec<(Id, V1)> {
        let mut out: Vec<(Id, V1)> = Vec::new();
        let mut next = Some(id.clone());
        while let Some(id) = next {
            let about = |code, detail: &str| {
                Finding::new(code, detail).about(format!("image {}", id.short())).at(folder_of(self.store, &id))
            };
            if out.len() >= CHAIN_LIMIT || out.iter().any(|(other, _)| *other == id) {
                findings.push(about("image-loop", "the images' parents go round in a circle; the chain ends here"));
                break;
            }
            if !self.root.is_dir(&folder_of(self.store, &id)) {
                findings.push(about("image-missing", "it is named as a parent, but is not in the store"));
                break;
            }
            let Some(image) = self.get(&id, findings).cloned() else { break };
            next = image.parent.clone();
            out.push((id, image));
        }
        out
    }

    fn image(&mut self, index: usize, id: &Id, names: &Names, findings: &mut Vec<Finding>) -> Image {
        let mut more = Vec::new();
        let chain = self.chain(id, &mut more);
        // Each descendant of what is missing would say so again.
        findings.extend(more.into_iter().filter(|finding| !findings.contains(finding)).collect::<Vec<_>>());
        let own = chain.first().map(|(_, image)| image.clone()).unwrap_or_default();
        let whole = chain.last().is_some_and(|(_, image)| image.parent.is_none());
        let size = chain.iter().map(|(_, image)| image.size).sum::<Option<u64>>();
        let (tags, digests) = names.of(id);
        Image {
            id: id.clone(),
            store: index,
            tags,
            digests,
            parent: own.parent,
            created: own.created,
            size: if whole { size } else { None },
            config: own.raw.into(),
            record: folder_of(self.store, id).join("json"),
            manifest: None,
            layers: chain
                .iter()
                .map(|(id, image)| LayerRef {
                    size: image.size,
                    tar_split: self.tar_split(id),
                    ..layer(self.store, id)
                })
                .collect(),
        }
    }

    /// `graph/<id>/tar-data.json.gz`, kept since 1.8 (graph/graph.go, v1.8.3).
    fn tar_split(&self, id: &Id) -> Option<HostPath> {
        let path = folder_of(self.store, id).join("tar-data.json.gz");
        self.root.exists(&path).then_some(path)
    }
}

fn layer(store: &Store, id: &Id) -> LayerRef {
    let folder =
        if store.driver == Driver::Graph { store.home.join("graph") } else { driver_folder(store, &store.driver) };
    LayerRef::new(store.driver.clone(), id.as_str(), folder)
}

/// Whether a driver has files under an id.
fn has_files(root: &Root, store: &Store, id: &str) -> bool {
    match store.driver {
        Driver::Graph => root.exists(&store.home.join("graph").join(id).join("layer")),
        // Its files lie in a pool; what it has is told by its metadata (graphdriver/devmapper/deviceset.go, v1.2.0).
        Driver::Devicemapper => root.exists(&store.home.join("devicemapper/metadata").join(id)),
        // Datasets of a pool, whose mount points are made on demand.
        Driver::Zfs => true,
        _ => root.exists(&driver_folder(store, &store.driver).join(id)),
    }
}

/// The layers of a container, its own on top.
pub(crate) fn rootfs(root: &Root, store: &Store, container: &Container) -> Result<Found<Rootfs>, LayoutError> {
    let subject = format!("container {}", container.id.short());
    let store = &own_store(store, container);
    if let Driver::Other(name) = &store.driver {
        return Err(LayoutError::NoRootfs { subject, why: format!("its driver '{name}' is not known") });
    }
    let mut findings = Vec::new();
    let mut layers = own_layers(root, store, container);
    let own = layers.len();
    let mut graph = Graph::new(root, store);
    match &container.image_id {
        Some(id) => {
            for (id, image) in graph.chain(id, &mut findings) {
                if !graph.has_files(&id) {
                    findings.push(
                        Finding::new("layer-missing", "the files of this layer are gone")
                            .about(format!("{subject}: image {}", id.short()))
                            .at(layer(store, &id).folder.join(id.as_str())),
                    );
                    continue;
                }
                layers.push(LayerRef { size: image.size, tar_split: graph.tar_split(&id), ..layer(store, &id) });
            }
        }
        None => return Err(LayoutError::NoRootfs { subject, why: "its record names no image".into() }),
    }
    Ok((Rootfs { layers, own, ids: id_map(root, store), user_xattrs: false }, findings))
}

/// The store with the driver that the container itself names.
fn own_store(store: &Store, container: &Container) -> Store {
    if store.driver == Driver::Graph {
        store.clone()
    } else {
        Store { driver: Driver::docker(&container.driver), ..store.clone() }
    }
}

/// 0.6: `containers/<id>/rw` over one folder of mount points for all (image.go MountAUFS, v0.6.4); since 0.7 the
/// driver's `<id>` over `<id>-init` (daemon/daemon.go createRootfs, v1.2.0).
fn own_layers(root: &Root, store: &Store, container: &Container) -> Vec<LayerRef> {
    let own = layer(store, &container.id);
    if store.driver == Driver::Graph {
        let mounts = store.home.join("graph/_tmp");
        let init = LayerRef { id: "_dockerinit".into(), folder: mounts, ..own.clone() };
        let own = LayerRef { folder: folders::folder(store), ..own };
        return if root.is_dir(&init.folder.join("_dockerinit")) { vec![own, init] } else { vec![own] };
    }
    let init = format!("{}-init", container.id.as_str());
    if has_files(root, store, &init) { vec![own.clone(), LayerRef { id: init.into(), ..own }] } else { vec![own] }
}

/// The layers of an image.
pub(crate) fn image_rootfs(root: &Root, store: &Store, image: &Image) -> Rootfs {
    Rootfs { layers: image.layers.clone(), own: 0, ids: id_map(root, store), user_xattrs: false }
}

/// An image's ancestors are its history, newest first (graph/service.go CmdHistory, v1.2.0).
pub(crate) fn history(root: &Root, store: &Store, image: &Image) -> Found<Vec<HistoryEntry>> {
    let mut findings = Vec::new();
    let mut graph = Graph::new(root, store);
    let names = graph.names(&mut findings);
    let chain = graph.chain(&image.id, &mut findings);
    let entry = |(id, step): (Id, V1)| HistoryEntry {
        tags: names.of(&id).0,
        id: Some(id),
        created: step.created,
        created_by: step.created_by,
        size: step.size,
        comment: step.comment,
    };
    (chain.into_iter().map(entry).collect(), findings)
}

/// The files that say something of a container, the main one first.
pub(crate) fn container_records(root: &Root, store: &Store, container: &Container) -> Vec<HostPath> {
    let folder = folders::of(store, &container.id);
    let names = ["hostconfig.json", "config.lxc", "config.env", "hostname", "hosts", "resolv.conf"];
    let state = ["container.json", "state.json", "pid", "start"];
    let native = store.home.join("execdriver/native").join(container.id.as_str());
    let more = names.map(|name| folder.join(name)).into_iter().chain(state.map(|name| native.join(name)));
    std::iter::once(container.record.clone()).chain(more.filter(|path| root.exists(path))).collect()
}

/// The files that say something of an image, the main one first.
pub(crate) fn image_records(root: &Root, store: &Store, image: &Image) -> Vec<HostPath> {
    let names = ["layersize", "checksum", "parent", "v1Compatibility"];
    let more = names.map(|name| folder_of(store, &image.id).join(name)).into_iter().chain([table_of(store)]);
    std::iter::once(image.record.clone()).chain(more.filter(|path| root.exists(path))).collect()
}
