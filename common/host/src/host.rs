//! The opened host itself.

use std::path::{Path, PathBuf};

use hostfs::Root;
use layout::LayoutError;
use model::{Container, Finding, Image, Network, Rootfs, Store, Volume};
use serde_json::Value;

use crate::lookup::{self, LookupError};

/// An opened host under study: the root and every engine's store found in it.
pub struct Host {
    root: Root,
    stores: Vec<Store>,
    findings: Vec<Finding>,
}

/// Why a host could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error(
        "there is no data root '{}': --root DIR (or DOCKLESS_ROOT) says where it is; a whole disk will do, as --root /mnt", .path.display()
    )]
    Missing {
        /// As typed, or docker's own place.
        path: PathBuf,
    },
    /// The root itself cannot be read.
    #[error("cannot open the data root '{}'", .path.display())]
    Root {
        /// As typed.
        path: PathBuf,
        /// Why not.
        source: hostfs::ReadError,
    },
    /// It can be read, but no engine's store is in it.
    #[error("no container engine's store found in '{}'{}", .path.display(), wanting(.findings))]
    NoStore {
        /// As typed.
        path: PathBuf,
        /// What was looked at and found wanting.
        findings: Vec<Finding>,
    },
}

/// What was wrong, to follow a sentence: an archive that is cut lacks what would have come.
fn wanting(findings: &[Finding]) -> String {
    findings.iter().take(3).map(|finding| format!("; {finding}")).collect()
}

impl OpenError {
    fn new(path: &Path, source: hostfs::ReadError) -> OpenError {
        let path = path.to_path_buf();
        if source.is_missing() { OpenError::Missing { path } } else { OpenError::Root { path, source } }
    }
}

impl Host {
    /// Opens the root at `path`, a directory or a tar of one, and finds the stores in it.
    pub fn open(path: &Path) -> Result<Host, OpenError> {
        Host::open_with(path, None)
    }

    /// The same; `beside` is the old host's own `/`, for what its records say of files outside of the root.
    pub fn open_with(path: &Path, beside: Option<&Path>) -> Result<Host, OpenError> {
        let open = |path: &Path| Root::open(path).map_err(|source| OpenError::new(path, source));
        let root = match beside {
            Some(beside) => open(path)?.with_host(open(beside)?),
            None => open(path)?,
        };
        let (stores, more) = layout::detect(&root);
        let findings = [root.findings(), &more].concat();
        if stores.is_empty() {
            return Err(OpenError::NoStore { path: path.to_path_buf(), findings });
        }
        Ok(Host { root, stores, findings })
    }

    /// The root at `path` by itself, whatever is in it, without what is mounted below; and what was wrong with it.
    pub fn bare(path: &Path) -> Result<(Root, Vec<Finding>), OpenError> {
        let (root, mounted) = Root::open_alone(path).map_err(|source| OpenError::new(path, source))?;
        let findings = root.findings().iter().cloned().chain(mounted).collect();
        Ok((root, findings))
    }

    /// The evidence root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The stores, in the order of the indices that objects carry.
    pub fn stores(&self) -> &[Store] {
        &self.stores
    }

    /// Whether two stores lie in one folder: what docker keeps by driver are images and containers; its volumes and networks
    /// belong to all.
    pub fn in_one_folder(&self, one: usize, other: usize) -> bool {
        self.stores[one].home == self.stores[other].home
    }

    /// The store that an object with this index is in.
    pub fn store(&self, index: usize) -> &Store {
        &self.stores[index]
    }

    /// What was wrong with the stores themselves; empty when asked again.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// All containers of all stores, newest first, as docker's `ps` lists them.
    pub fn containers(&self) -> (Vec<Container>, Vec<Finding>) {
        newest_first(self.gather(layout::containers))
    }

    /// The same without the names that links give, for half of the files that are read.
    pub fn containers_without_links(&self) -> (Vec<Container>, Vec<Finding>) {
        newest_first(self.gather(layout::containers_without_links))
    }

    /// All images of all stores, newest first, as docker's `images` lists them.
    pub fn images(&self) -> (Vec<Image>, Vec<Finding>) {
        let (mut all, findings) = self.gather(layout::images);
        all.sort_by_key(|image| std::cmp::Reverse(image.created));
        (all, findings)
    }

    /// All volumes of all stores, by name.
    pub fn volumes(&self) -> (Vec<Volume>, Vec<Finding>) {
        let (mut all, findings) = self.gather(layout::volumes);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        (all, findings)
    }

    /// The records of docker's build cache in all stores.
    pub fn build_cache(&self) -> (Vec<layout::CacheRecord>, Vec<Finding>) {
        self.gather(layout::build_cache)
    }

    /// All networks of all stores, by name.
    pub fn networks(&self) -> (Vec<Network>, Vec<Finding>) {
        let (mut all, findings) = self.gather(layout::networks);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        (all, findings)
    }

    /// The container that `name` means: its id, its name, or the beginning of its id.
    ///
    /// An id is answered without reading other containers' records; a name needs them all, so findings may be about
    /// others.
    pub fn container(&self, name: &str) -> Result<(Container, Vec<Finding>), LookupError> {
        let mut findings = Vec::new();
        if lookup::may_be_id(name) {
            let mut hits = Vec::new();
            for index in 0..self.stores.len() {
                let (found, more) = layout::container(&self.root, &self.stores, index, name);
                hits.extend(found);
                findings.extend(more);
            }
            // A full id needs no other record; a prefix could also be another container's name, which goes first.
            if let [only] = &hits[..]
                && (only.id.as_str() == name || name.len() >= 12)
            {
                return Ok((hits.remove(0), findings));
            }
        }
        let (all, more) = self.containers();
        findings.extend(more.into_iter().filter(|finding| !findings.contains(finding)).collect::<Vec<_>>());
        let others = lookup::namesakes(&all, name);
        let container = lookup::container(all, name, &findings)?;
        findings.extend(others.iter().filter(|it| it.id != container.id).map(|other| {
            let detail = format!(
                "container {} of {} has the name '{}' too: ask by id, or by --root of one store",
                other.id.short(),
                self.store(other.store),
                model::path::shown(name.as_bytes())
            );
            Finding::new("name-ambiguous", detail).about(format!("container {}", container.id.short()))
        }));
        Ok((container, findings))
    }

    /// The image that `reference` means: a name with or without tag, a name with a digest, an id, or the beginning of one.
    pub fn image(&self, reference: &str) -> Result<(Image, Vec<Finding>), LookupError> {
        let (all, findings) = self.images();
        lookup::image(&all, reference).map(|at| (all[at].clone(), findings))
    }

    /// The volume of that name.
    pub fn volume(&self, name: &str) -> Result<(Volume, Vec<Finding>), LookupError> {
        let (all, mut findings) = self.volumes();
        let mut named = all.into_iter().filter(|volume| volume.name == name);
        let hit = named.next().ok_or_else(|| LookupError::NoVolume(name.to_string()))?;
        findings.extend(named.map(|other| {
            let detail =
                format!("{} has a volume of that name too: ask by --root of one store", self.store(other.store));
            Finding::new("name-ambiguous", detail).about(format!("volume {}", hit.name))
        }));
        Ok((hit, findings))
    }

    /// The network of that name or id, or whose id begins so.
    pub fn network(&self, name: &str) -> Result<(Network, Vec<Finding>), LookupError> {
        let (all, findings) = self.networks();
        lookup::network(&all, name).map(|at| (all[at].clone(), findings))
    }

    /// The plugin of that name or id, or whose id begins so, in the shape of docker's inspect.
    pub fn plugin(&self, name: &str) -> Result<(Value, Vec<Finding>), LookupError> {
        let mut findings = Vec::new();
        let mut all = Vec::new();
        for index in 0..self.stores.len() {
            let (some, more) = layout::plugins(&self.root, &self.stores, index);
            all.extend(some);
            findings.extend(more);
        }
        lookup::plugin(&all, name).map(|at| (all.swap_remove(at), findings))
    }

    /// The layers of a container's filesystem.
    pub fn rootfs(&self, container: &Container) -> Result<(Rootfs, Vec<Finding>), LayoutError> {
        layout::rootfs(&self.root, self.store(container.store), container)
    }

    /// A volume's files as a tree of one layer; `None` where they are not in the evidence.
    pub fn volume_rootfs(&self, volume: &Volume) -> Option<(Rootfs, Vec<Finding>)> {
        layout::volume_rootfs(&self.root, self.store(volume.store), volume)
    }

    /// The layers of an image's filesystem.
    pub fn image_rootfs(&self, image: &Image) -> Result<(Rootfs, Vec<Finding>), LayoutError> {
        layout::image_rootfs(&self.root, self.store(image.store), image)
    }

    fn gather<T>(&self, read: fn(&Root, &[Store], usize) -> (Vec<T>, Vec<Finding>)) -> (Vec<T>, Vec<Finding>) {
        let mut all = Vec::new();
        let mut findings = Vec::new();
        for index in 0..self.stores.len() {
            let (some, more) = read(&self.root, &self.stores, index);
            all.extend(some);
            findings.extend(more);
        }
        (all, findings)
    }
}

fn newest_first((mut all, findings): (Vec<Container>, Vec<Finding>)) -> (Vec<Container>, Vec<Finding>) {
    all.sort_by_key(|container| std::cmp::Reverse(container.created));
    (all, findings)
}
