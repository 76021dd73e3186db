//! Which files say what, and what they add up to.

use std::collections::HashMap;

use hostfs::Root;
use model::{Container, Digest, Driver, Finding, HostPath, Id, IdMap, IdRange, Image, LayerRef, Rootfs, Store};

use crate::docker::folders;
use crate::docker_content::records::{self, HistoryRecord, ImageRecord, Names};
use crate::home::ids_of;
use crate::json::{self, Notes};
use crate::{Found, HistoryEntry, LayoutError, subids};

/// No image of docker's has more layers (its own limit is 127, layer/layer.go); a longer chain is a loop or a trap.
const CHAIN_LIMIT: usize = 512;

/// Longest text file of the layer store that is read: a digest with a newline has 72 bytes.
const TEXT_LIMIT: u64 = 4096;

/// How many ids a remapped user has where the evidence does not say (/etc/subuid lies outside of the root).
pub(crate) const USUAL_RANGE: u64 = 65_536;

/// `image/<driver>`.
pub(crate) fn image_store(store: &Store) -> HostPath {
    store.home.join(format!("image/{}", store.driver.name()))
}

/// `image/<driver>/imagedb/content/sha256/<id>`.
pub(crate) fn config_of(store: &Store, id: &Id) -> HostPath {
    image_store(store).join("imagedb/content/sha256").join(id.as_str())
}

/// A file of `image/<driver>/imagedb/metadata/sha256/<id>`: `parent` or `lastUpdated`.
pub(crate) fn metadata_of(store: &Store, id: &Id, name: &str) -> HostPath {
    image_store(store).join("imagedb/metadata/sha256").join(id.as_str()).join(name)
}

/// `image/<driver>/layerdb/mounts/<container>`.
pub(crate) fn mount_of(store: &Store, id: &Id) -> HostPath {
    image_store(store).join("layerdb/mounts").join(id.as_str())
}

/// The images of a store, newest first.
pub(crate) fn images(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Image>> {
    let store = &stores[index];
    let mut findings = Vec::new();
    let ids = image_ids(root, store, &mut findings);
    let mut notes = Notes::new("", &image_store(store).join("repositories.json"));
    let names = names(root, store, &mut notes);
    let mut layers = Layers::new(root, store);
    let mut list = Vec::with_capacity(ids.len());
    for id in &ids {
        list.push(image(&mut layers, index, id, &names, &mut findings));
    }
    for why in names.dangling(|id| ids.binary_search(id).is_ok()) {
        notes.add("image-missing", why);
    }
    findings.append(&mut notes.list);
    list.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    (list, findings)
}

/// The names in `repositories.json`; none where there is no such file.
pub(crate) fn names(root: &Root, store: &Store, notes: &mut Notes) -> Names {
    let path = image_store(store).join("repositories.json");
    let raw = json::read_if_there(root, &path, notes).unwrap_or_default();
    if raw.is_empty() { Names::default() } else { Names::parse(&raw, notes.at(&path)) }
}

/// The ids that have a config, sorted.
fn image_ids(root: &Root, store: &Store, findings: &mut Vec<Finding>) -> Vec<Id> {
    let path = image_store(store).join("imagedb/content/sha256");
    let entries = match root.entries(&path) {
        Ok(entries) => entries,
        Err(error) => {
            // A store that never had an image has the folder all the same (image/fs.go NewFSStoreBackend).
            findings.push(
                Finding::new("image-store-missing", format!("no image can be listed: {}", error.problem)).at(path),
            );
            return Vec::new();
        }
    };
    let mut ids = Vec::new();
    for entry in entries {
        match std::str::from_utf8(&entry.name).ok().and_then(Id::new).filter(Id::is_full) {
            Some(id) => ids.push(id),
            // Docker writes configs under a temporary name first (pkg/ioutils/fswriters.go, v20.10.24).
            None if entry.name.starts_with(b".tmp-") => {}
            None => findings.push(
                Finding::new("stray-file", "it is not named by a digest; it is passed over").at(path.join(&entry.name)),
            ),
        }
    }
    ids
}

fn image(layers: &mut Layers, index: usize, id: &Id, names: &Names, findings: &mut Vec<Finding>) -> Image {
    let (root, store) = (layers.root, layers.store);
    let record = config_of(store, id);
    let mut notes = Notes::new(format!("image {}", id.short()), &record);
    let config = json::read(root, &record, &mut notes).unwrap_or_default();
    let parsed = if config.is_empty() { ImageRecord::default() } else { verified(&config, id, &mut notes) };
    let created = ImageRecord::time(parsed.created.get("created", &mut notes), &mut notes);
    let diff_ids = ImageRecord::diff_ids(parsed.rootfs, &mut notes);
    let stack = layers.stack(&diff_ids, &mut notes);
    let size = stack.iter().map(|layer| layer.size).sum();
    let whole = stack.len() == diff_ids.len() && !config.is_empty();
    let (tags, digests) = names.of(id);
    let parent = text(root, &metadata_of(store, id, "parent"), &mut notes).and_then(|text| Id::new(&text));
    findings.append(&mut notes.list);
    Image {
        id: id.clone(),
        store: index,
        tags,
        digests,
        parent,
        created,
        size: if whole { size } else { None },
        config: config.into(),
        record,
        manifest: None,
        layers: stack,
    }
}

fn verified(config: &[u8], id: &Id, notes: &mut Notes) -> ImageRecord {
    let digest = records::sha256(config);
    if digest.hex() != id.as_str() {
        notes.add(
            "digest-differs",
            format!("the config has the digest {digest}, not that of its name; docker would not take it"),
        );
    }
    ImageRecord::parse(config, notes)
}

/// A short text file, trimmed; `None` where it is not there.
fn text(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<String> {
    match root.read(path, TEXT_LIMIT) {
        Ok(raw) => Some(String::from_utf8_lossy(&raw).trim().to_string()),
        Err(error) if error.is_missing() => None,
        Err(error) => {
            notes.at(path).add(json::code_of(&error), error.problem.to_string());
            None
        }
    }
}

/// The layer store, each layer read once.
pub(crate) struct Layers<'a> {
    root: &'a Root,
    store: &'a Store,
    driver: Driver,
    known: HashMap<Digest, Result<Layer, Finding>>,
}

#[derive(Clone)]
struct Layer {
    it: LayerRef,
    below: Option<Digest>,
    /// Which of its small files hold no such thing.
    odd: Vec<&'static str>,
}

impl<'a> Layers<'a> {
    pub fn new(root: &'a Root, store: &'a Store) -> Layers<'a> {
        Layers { root, store, driver: store.driver.clone(), known: HashMap::new() }
    }

    /// `image/<driver>/layerdb/sha256/<chain id>`.
    fn folder(&self, chain: &Digest) -> HostPath {
        image_store(self.store).join("layerdb/sha256").join(chain.hex())
    }

    /// The layers with these digests, bottom first; what comes back is top first. A layer that is not there is a finding.
    fn stack(&mut self, diff_ids: &[Digest], notes: &mut Notes) -> Vec<LayerRef> {
        let chain = records::chain_ids(diff_ids);
        let mut out = Vec::with_capacity(chain.len());
        for (n, id) in chain.iter().enumerate() {
            match self.layer(id) {
                Ok(layer) => {
                    let below = n.checked_sub(1).map(|n| chain[n]);
                    for name in &layer.odd {
                        let detail = format!("what it holds is no {name} of a layer");
                        notes.at(&self.folder(id).join(name)).add("layer-differs", detail);
                    }
                    if layer.below != below {
                        notes.at(&self.folder(id).join("parent")).add("layer-differs", odd_parent(layer.below, below));
                    }
                    out.push(LayerRef { diff_id: Some(diff_ids[n]), ..layer.it });
                }
                Err(finding) => notes.list.push(finding.about(format!("{}layer {}", prefix(notes), id.short()))),
            }
        }
        out.reverse();
        out
    }

    /// The layers from a chain id down, top first, as the layer store itself links them.
    fn down(&mut self, from: Option<Digest>, notes: &mut Notes) -> Vec<LayerRef> {
        let mut out: Vec<LayerRef> = Vec::new();
        let mut next = from;
        while let Some(chain) = next {
            if out.len() >= CHAIN_LIMIT || out.iter().any(|layer| layer.chain_id == Some(chain)) {
                notes.at(&self.folder(&chain)).add("layer-loop", "the layers' parents go round in a circle");
                break;
            }
            match self.layer(&chain) {
                Ok(layer) => {
                    next = layer.below;
                    out.push(layer.it);
                }
                Err(finding) => {
                    notes.list.push(finding.about(format!("{}layer {}", prefix(notes), chain.short())));
                    break;
                }
            }
        }
        out
    }

    fn layer(&mut self, chain: &Digest) -> Result<Layer, Finding> {
        if let Some(known) = self.known.get(chain) {
            return known.clone();
        }
        let found = self.read(chain);
        self.known.insert(*chain, found.clone());
        found
    }

    fn read(&self, chain: &Digest) -> Result<Layer, Finding> {
        let folder = self.folder(chain);
        let mut notes = Notes::new("", &folder);
        let mut text = |name: &str| text(self.root, &folder.join(name), &mut notes);
        let (cache, size, parent, diff) = (text("cache-id"), text("size"), text("parent"), text("diff"));
        if let Some(finding) = notes.list.pop() {
            return Err(finding);
        }
        let Some(id) = cache.as_deref().and_then(Id::new) else {
            let why = if cache.is_some() {
                "its cache-id names no layer"
            } else {
                "it is not in the layer store: its files are lost to whatever stands on it"
            };
            return Err(Finding::new("layer-missing", why).at(folder));
        };
        let split = folder.join("tar-split.json.gz");
        let odd = [("size", size.as_ref().is_some_and(|text| text.parse::<u64>().is_err()))]
            .into_iter()
            .chain([("diff", diff.as_ref().is_some_and(|text| text.parse::<Digest>().is_err()))]);
        let odd = odd.filter(|(_, is_odd)| *is_odd).map(|(name, _)| name).collect();
        let it = LayerRef {
            driver: self.driver.clone(),
            id: id.as_str().into(),
            folder: driver_folder(self.store, &self.driver),
            diff_id: diff.and_then(|text| text.parse().ok()),
            chain_id: Some(*chain),
            tar_split: self.root.exists(&split).then_some(split),
            blob: None,
            size: size.and_then(|text| text.parse().ok()),
        };
        Ok(Layer { it, below: parent.and_then(|text| text.parse().ok()), odd })
    }
}

fn prefix(notes: &Notes) -> String {
    if notes.subject().is_empty() { String::new() } else { format!("{}: ", notes.subject()) }
}

fn odd_parent(said: Option<Digest>, right: Option<Digest>) -> String {
    let word = |it: Option<Digest>| it.map_or("none".to_string(), |digest| digest.short());
    format!("the layer's parent is {}, by the image's config it is {}; the config counts", word(said), word(right))
}

/// The folder of a graph driver in which the layers' own folders or files lie.
pub(crate) fn driver_folder(store: &Store, driver: &Driver) -> HostPath {
    match driver {
        Driver::Aufs => store.home.join("aufs/diff"),
        Driver::Vfs => store.home.join("vfs/dir"),
        Driver::Btrfs => store.home.join("btrfs/subvolumes"),
        Driver::Zfs => store.home.join("zfs/graph"),
        other => store.home.join(other.name()),
    }
}

/// The layers of a container, its own on top.
pub(crate) fn rootfs(root: &Root, store: &Store, container: &Container) -> Result<Found<Rootfs>, LayoutError> {
    let subject = format!("container {}", container.id.short());
    let driver = Driver::docker(&container.driver);
    if let Driver::Other(name) = &driver {
        return Err(LayoutError::NoRootfs { subject, why: format!("its driver '{name}' is not known") });
    }
    let store = &Store { driver: driver.clone(), ..store.clone() };
    let mount = mount_of(store, &container.id);
    let mut notes = Notes::new(subject, &mount);
    let mut own = vec![own_layer(root, store, &mount.join("mount-id"))?];
    let init = mount.join("init-id");
    if root.exists(&init) {
        own.push(own_layer(root, store, &init)?);
    }
    let parent = match text(root, &mount.join("parent"), &mut notes) {
        Some(text) => match text.parse() {
            Ok(chain) => Some(chain),
            Err(_) => {
                return Err(LayoutError::Record {
                    path: mount.join("parent"),
                    why: format!("holds '{text}', which is no chain id"),
                });
            }
        },
        None => None,
    };
    let below = Layers::new(root, store).down(parent, &mut notes);
    let count = own.len();
    own.extend(below);
    Ok((
        Rootfs { layers: own, own: count, ids: id_map(root, store), user_xattrs: is_rootless(root, store) },
        notes.list,
    ))
}

fn own_layer(root: &Root, store: &Store, path: &HostPath) -> Result<LayerRef, LayoutError> {
    let raw = root.read(path, TEXT_LIMIT)?;
    let id = records::mount_id(&raw).ok_or_else(|| LayoutError::Record {
        path: path.clone(),
        why: format!("holds '{}', which is no id of a layer", model::path::shown(&raw[..raw.len().min(80)])),
    })?;
    Ok(LayerRef {
        driver: store.driver.clone(),
        id,
        folder: driver_folder(store, &store.driver),
        diff_id: None,
        chain_id: None,
        tar_split: None,
        blob: None,
        size: None,
    })
}

/// The layers of an image.
pub(crate) fn image_rootfs(root: &Root, store: &Store, image: &Image) -> Rootfs {
    Rootfs { layers: image.layers.clone(), own: 0, ids: id_map(root, store), user_xattrs: is_rootless(root, store) }
}

/// How owners are shifted: the home of a remapped user is named by the first ids; an ordinary user's ids stand in files of his
/// host, where those are in the evidence.
pub(crate) fn id_map(root: &Root, store: &Store) -> IdMap {
    let range = |outside| vec![IdRange { inside: 0, outside, size: USUAL_RANGE }];
    // Before its first container nothing in such a root says its name.
    let is_top = store.home.as_bytes().is_empty() && root.is_on_disk();
    let own = is_top.then(|| root.path().canonicalize().ok()).flatten();
    ids_of(store.home.name())
        .or_else(|| ids_of(store.recorded.rsplit(|&b| b == b'/').next().unwrap_or_default()))
        .or_else(|| own.as_deref().and_then(|own| ids_of(own.file_name()?.as_encoded_bytes())))
        .map(|(uid, gid)| IdMap { uids: range(uid), gids: range(gid) })
        .or_else(|| of_user(root, store))
        .unwrap_or_default()
}

/// The map of an ordinary user's root, seen from outside of his user namespace.
fn of_user(root: &Root, store: &Store) -> Option<IdMap> {
    let has_host = store.host.is_some() || !std::ptr::eq(root.host(), root);
    let owner = root.stat(&driver_folder(store, &store.driver)).or_else(|_| root.stat(&store.home)).ok()?;
    let has_host = has_host && owner.uid != 0;
    (has_host && !root.is_in_user_namespace()).then(|| subids::known(root, store, &owner))?
}

/// Whether its overlays are marked by `user.*`: where it was an ordinary user's, or he himself looks at what is his in his
/// user namespace, where he is root.
fn is_rootless(root: &Root, store: &Store) -> bool {
    if store.recorded.windows(20).any(|part| part == b"/.local/share/docker") {
        return true;
    }
    match root.stat(&driver_folder(store, &store.driver)).map(|stat| stat.uid) {
        Ok(0) => root.is_in_user_namespace(),
        // Who cannot be shown `trusted.*` does not know which of the two it is.
        Ok(_) => root.is_on_disk() && root.shows_trusted() && ids_of(store.home.name()).is_none(),
        Err(_) => false,
    }
}

/// The steps of an image, newest first, with the sizes of the layers that they made.
pub(crate) fn history(root: &Root, store: &Store, image: &Image) -> Found<Vec<HistoryEntry>> {
    let mut notes = Notes::new(format!("image {}", image.id.short()), &image.record);
    let record =
        if image.config.is_empty() { ImageRecord::default() } else { ImageRecord::parse(&image.config, &mut notes) };
    let steps = record.history.take("history", &mut notes);
    // Bottom first, as the steps are.
    let mut sizes = image.layers.iter().rev().map(|layer| layer.size);
    let mut out: Vec<HistoryEntry> = steps.into_iter().map(|step| entry(step, &mut sizes, &mut notes)).collect();
    out.reverse();
    name_ancestors(root, store, image, &mut out, &mut notes);
    (out, notes.list)
}

fn entry(step: HistoryRecord, sizes: &mut impl Iterator<Item = Option<u64>>, notes: &mut Notes) -> HistoryEntry {
    let size = if step.empty_layer == Some(true) { Some(0) } else { sizes.next().flatten() };
    HistoryEntry {
        id: None,
        created: ImageRecord::time(step.created, notes),
        created_by: step.created_by.unwrap_or_default(),
        size,
        comment: step.comment.unwrap_or_default(),
        tags: Vec::new(),
    }
}

/// Gives the steps the ids of the images that they made, as far as parents are recorded (daemon/images/image_history.go).
fn name_ancestors(root: &Root, store: &Store, image: &Image, steps: &mut [HistoryEntry], notes: &mut Notes) {
    let names = names(root, store, notes);
    let mut next = Some(image.id.clone());
    for step in steps {
        let Some(id) = next else { return };
        step.tags = names.of(&id).0;
        next = text(root, &metadata_of(store, &id, "parent"), notes).and_then(|text| Id::new(&text));
        next = next.filter(|parent| root.exists(&config_of(store, parent)));
        step.id = Some(id);
    }
}

/// The files that say something of a container, the main one first.
pub(crate) fn container_records(root: &Root, store: &Store, container: &Container) -> Vec<HostPath> {
    let folder = folders::of(store, &container.id);
    let mount = mount_of(&Store { driver: Driver::docker(&container.driver), ..store.clone() }, &container.id);
    let more = ["hostconfig.json", "hostname", "hosts", "resolv.conf"].map(|name| folder.join(name));
    let mounts = ["mount-id", "init-id", "parent"].map(|name| mount.join(name));
    let there = more.into_iter().chain(mounts).filter(|path| root.exists(path));
    std::iter::once(container.record.clone()).chain(there).collect()
}

/// The files that say something of an image, the main one first.
pub(crate) fn image_records(root: &Root, store: &Store, image: &Image) -> Vec<HostPath> {
    let more = ["parent", "lastUpdated"].map(|name| metadata_of(store, &image.id, name));
    let there = more.into_iter().filter(|path| root.exists(path));
    std::iter::once(image.record.clone()).chain(there).chain([image_store(store).join("repositories.json")]).collect()
}
