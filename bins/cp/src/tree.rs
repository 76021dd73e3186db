//! A container's files as it sees them: its layers, and the volumes and files that lie over them. Links are followed inside of
//! it only.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use host::Host;
use hostfs::Root;
use model::{Container, Entry, EntryPath, Finding, Generation, HostPath, Kind, Rootfs, Source};
use serde_json::Value;

use crate::parts::Part;

/// Links that are followed before it is a circle, as the kernel has it (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The files of a container.
pub struct Tree {
    host: Host,
    rootfs: Rootfs,
    over: Vec<Over>,
}

/// What lies over the layers at one place.
struct Over {
    destination: EntryPath,
    /// The root in which it is: another one than the host's where it lies outside of the data root.
    root: Option<Root>,
    folder: HostPath,
    /// Of a single file, its name in that folder.
    file: Option<Vec<u8>>,
}

impl Tree {
    /// The files of a container of the host. `outside` is where paths outside of the data root are looked for. What lies over
    /// the layers and is not here is a finding.
    pub fn new(host: Host, container: &Container, outside: Option<&Path>, findings: &mut Vec<Finding>) -> Result<Tree> {
        let (rootfs, more) = host.rootfs(container)?;
        findings.extend(more);
        let (inspect, _) = layout::inspect_container(host.root(), host.stores(), container);
        let mut tree = Tree { host, rootfs, over: Vec::new() };
        if tree.host.store(container.store).generation == Generation::DockerContent {
            tree.over.extend(tree.files_of_etc(container));
        }
        for mount in inspect["Mounts"].as_array().into_iter().flatten() {
            match tree.mounted(mount, outside) {
                Some(over) => tree.over.push(over),
                None if mount["Type"] == "tmpfs" => {}
                None => findings.push(missing(mount, container)),
            }
        }
        tree.over.sort_by_key(|over| std::cmp::Reverse(over.destination.as_bytes().len()));
        Ok(tree)
    }

    fn files_of_etc(&self, container: &Container) -> Vec<Over> {
        let folder = HostPath::from("containers").join(container.id.as_str());
        let own =
            ["hostname", "hosts", "resolv.conf"].into_iter().filter(|name| self.host.root().exists(&folder.join(name)));
        own.filter_map(|name| {
            let destination = EntryPath::parse(format!("etc/{name}").as_bytes()).ok()?;
            Some(Over { destination, root: None, folder: folder.clone(), file: Some(name.as_bytes().to_vec()) })
        })
        .collect()
    }

    fn mounted(&self, mount: &Value, outside: Option<&Path>) -> Option<Over> {
        let destination = EntryPath::parse(mount["Destination"].as_str()?.trim_matches('/').as_bytes()).ok()?;
        if let Some(folder) = self.volume(mount) {
            return Some(Over { destination, root: None, folder, file: None });
        }
        let source = mount["Source"].as_str().filter(|source| source.starts_with('/'))?;
        let (root, place) = match self.host.stores().iter().find_map(|store| store.rebase(source.as_bytes())) {
            Some(place) => (None, place),
            None => (Some(Root::open(outside?).ok()?), HostPath::new(source.trim_start_matches('/'))),
        };
        let within = root.as_ref().unwrap_or(self.host.root());
        if within.is_dir(&place) {
            return Some(Over { destination, root, folder: place, file: None });
        }
        let file = within.exists(&place).then(|| place.name().to_vec())?;
        Some(Over { destination, folder: place.parent(), file: Some(file), root })
    }

    /// A volume of the root, by its name: its source is where the root lay when it was recorded.
    fn volume(&self, mount: &Value) -> Option<HostPath> {
        let name = mount["Name"].as_str().filter(|name| !name.is_empty() && !name.contains('/') && *name != "..")?;
        let data = HostPath::from("volumes").join(name).join("_data");
        self.host.root().is_dir(&data).then_some(data)
    }

    /// One name and all below it, as a part that is called `to`; `None` where there is no such name.
    pub fn part(&self, path: &EntryPath, to: EntryPath) -> Result<Option<Part>> {
        let over = self.over.iter().find(|over| over.destination.holds(path));
        let Some(over) = over else {
            let tree = storage::open_at(self.host.root(), &self.rootfs, path)?;
            return Ok(tree.map(|tree| Part { tree, from: path.clone(), to }));
        };
        let rest = path.as_bytes()[over.destination.as_bytes().len()..].strip_prefix(b"/").unwrap_or_default();
        let from = match &over.file {
            Some(name) if rest.is_empty() => EntryPath::parse(name)?,
            Some(_) => return Ok(None),
            None => EntryPath::parse(rest)?,
        };
        let tree = storage::open_folder(over.root.as_ref().unwrap_or(self.host.root()), &over.folder, &from)?;
        Ok(tree.map(|tree| Part { tree, from, to }))
    }

    /// What lies over a directory, further down: each with its name.
    pub fn below(&self, path: &EntryPath) -> Vec<EntryPath> {
        let inside = self.over.iter().filter(|over| over.destination != *path && path.holds(&over.destination));
        inside.map(|over| over.destination.clone()).collect()
    }

    /// What has this very name.
    pub fn entry(&self, path: &EntryPath) -> Result<Option<Entry>> {
        let Some(mut part) = self.part(path, path.clone())? else { return Ok(None) };
        part.tree.next_entry().map_err(|error| anyhow!(error))
    }

    /// Where a path leads, links on the way followed, the last one where `last`; and what is there. `None` where nothing is.
    pub fn resolve(&self, path: &[u8], last: bool) -> Result<Option<(EntryPath, Kind)>> {
        let parts = |path: &[u8]| path.split(|&b| b == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut todo: VecDeque<Vec<u8>> = parts(path).into();
        let mut at: Vec<Vec<u8>> = Vec::new();
        let mut kind = Kind::Directory;
        let mut links = 0;
        while let Some(component) = todo.pop_front() {
            match &component[..] {
                b"" | b"." => continue,
                b".." => {
                    at.pop();
                    kind = Kind::Directory;
                    continue;
                }
                _ => at.push(component),
            }
            let here = EntryPath::parse(&at.join(&b'/'))?;
            let Some(entry) = self.entry(&here)? else { return Ok(None) };
            match entry.kind {
                Kind::Symlink { target } if last || !todo.is_empty() => {
                    links += 1;
                    if links > MOST_LINKS {
                        bail!("too many levels of symbolic links: '{here}'");
                    }
                    at.pop();
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    parts(&target).into_iter().rev().for_each(|part| todo.push_front(part));
                    kind = Kind::Directory;
                }
                other => kind = other,
            }
        }
        Ok(Some((EntryPath::parse(&at.join(&b'/'))?, kind)))
    }
}

fn missing(mount: &Value, container: &Container) -> Finding {
    let text = |key: &str| mount[key].as_str().unwrap_or_default().to_string();
    let detail = format!(
        "what was mounted on '{}' is not here: '{}' of its host (--host-root says where its / is)",
        text("Destination"),
        text("Source")
    );
    Finding::new("mount-missing", detail).about(format!("container {}", container.id.short()))
}
