//! A new container on a data root in docker's own layout.

use std::path::Path;

use host::Host;
use hostfs::Wait;
use launch::spec::{Changes, RootFiles, Upper};
use layout::docker_content::write::{ContainerRecord, Writer};
use model::{Digest, Driver, EntryPath, Finding, HostPath, Id, Image};
use serde_json::{Map, Value, json};

use crate::error::{LifeError, at};
use crate::{files, record, runtime};

/// What is to be made.
pub struct Wanted<'a> {
    /// The image.
    pub image: &'a Image,
    /// Docker's inspect JSON of the container: `Path`, `Args`, `Config`, `HostConfig`.
    pub inspect: &'a Value,
    /// Its id.
    pub id: &'a Id,
    /// Its name; made up where `None`.
    pub name: Option<&'a str>,
}

/// Makes the container. Nothing of it is in the root before all of it is. Returns what could not be read.
pub fn create(root: &Path, host: &Host, wanted: &Wanted, wait: Wait) -> Result<Vec<Finding>, LifeError> {
    let mut writer = Writer::open(root, wait)?;
    let name = wanted.name.map_or_else(|| format!("dockless-{}", &wanted.id.short()[..8]), str::to_string);
    if let Some(other) = writer.name_taken(&name) {
        return Err(LifeError::NameTaken { name, id: other.to_string() });
    }
    let mut findings = Vec::new();
    let chain = chain(wanted.image);
    let staged = writer.stage_container(chain)?;
    let scratch = runtime::Folder::make(wanted.id.as_str())?;
    let driver = writer.driver().clone();
    let root_files = match &driver {
        Driver::Vfs => {
            RootFiles { lower: vec![writer.path(&staged.init(&driver))], changes: Changes::InPlace, read_only: false }
        }
        _ => {
            let (rootfs, more) = host.image_rootfs(wanted.image)?;
            findings.extend(more);
            let lower = files::layers(host, &rootfs, &mut findings)?.unwrap_or_default();
            let upper = Upper {
                diff: writer.path(&staged.init(&driver)),
                work: writer.path(&staged.init_work(&driver).unwrap_or_default()),
            };
            RootFiles { lower, changes: Changes::Layer(upper), read_only: false }
        }
    };
    launch::init_layer::fill(&root_files, scratch.path())?;
    let own_root = root.canonicalize().map_err(at("open", root))?;
    let points = mount_points(&writer, host, wanted, &own_root, &mut findings)?;
    let config = record::created(
        &record::New {
            id: wanted.id,
            name: &name,
            inspect: wanted.inspect,
            image: format!("sha256:{}", wanted.image.id),
            driver: driver.name(),
            root: &own_root.to_string_lossy(),
            mount_points: points,
        },
        launch::log::now(),
    );
    let etc = files::etc(wanted.inspect, None);
    let host_config = &wanted.inspect["HostConfig"];
    writer.commit_container(staged, wanted.id, &ContainerRecord { config: &config, host_config, files: &etc })?;
    Ok(findings)
}

/// The topmost chain id of an image.
fn chain(image: &Image) -> Option<Digest> {
    image.layers.first().and_then(|layer| layer.chain_id)
}

/// Docker's `MountPoints`: binds and named volumes of `Binds`, anonymous volumes of the config.
fn mount_points(
    writer: &Writer,
    host: &Host,
    wanted: &Wanted,
    root: &Path,
    findings: &mut Vec<Finding>,
) -> Result<Map<String, Value>, LifeError> {
    let mut points = Map::new();
    for bind in wanted.inspect["HostConfig"]["Binds"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let parts: Vec<&str> = bind.split(':').collect();
        let (source, destination, mode) = match parts[..] {
            [source, destination] => (source, destination, ""),
            [source, destination, mode] => (source, destination, mode),
            _ => return Err(LifeError::Mount(format!("invalid volume specification: '{bind}'"))),
        };
        if !destination.starts_with('/') {
            return Err(LifeError::Mount(format!(
                "invalid volume specification: '{bind}': invalid mount config for type \"volume\": invalid mount path: '{destination}' mount path must be absolute"
            )));
        }
        let writable = !mode.split(',').any(|option| option == "ro");
        let point = match source.strip_prefix('/') {
            Some(_) => bound(source, destination, mode, writable)?,
            None => volume(writer, host, wanted, root, source, destination, mode, writable, findings)?,
        };
        points.insert(destination.to_string(), point);
    }
    let declared = wanted.inspect["Config"]["Volumes"].as_object().into_iter().flatten();
    for (destination, _) in declared.filter(|(destination, _)| !points.contains_key(*destination)).collect::<Vec<_>>() {
        let name = runtime::new_id()?;
        let mut point = volume(writer, host, wanted, root, name.as_str(), destination, "", true, findings)?;
        point["Spec"] = json!({"Type": "volume", "Target": destination});
        points.insert(destination.clone(), point);
    }
    Ok(points)
}

/// A path of this machine; a directory is made where there is none, as docker does for `--volume`.
fn bound(source: &str, destination: &str, mode: &str, writable: bool) -> Result<Value, LifeError> {
    if !Path::new(source).exists() {
        std::fs::create_dir_all(source).map_err(at("make", source))?;
    }
    Ok(json!({
        "Source": source, "Destination": destination, "RW": writable, "Name": "", "Driver": "", "Type": "bind",
        "Relabel": mode, "Propagation": "rprivate", "Spec": {"Type": "bind", "Source": source, "Target": destination, "ReadOnly": !writable},
        "SkipMountpointCreation": false,
    }))
}

/// A volume of the root, made where it is missing and filled with what the image has there.
#[allow(clippy::too_many_arguments)]
fn volume(
    writer: &Writer,
    host: &Host,
    wanted: &Wanted,
    root: &Path,
    name: &str,
    destination: &str,
    mode: &str,
    writable: bool,
    findings: &mut Vec<Finding>,
) -> Result<Value, LifeError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.len() < 2 || !name.chars().all(valid) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(LifeError::Mount(format!(
            "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        )));
    }
    let folder = HostPath::from("volumes").join(name);
    let data = folder.join("_data");
    if !writer.root().exists(&data) {
        let target = writer.target();
        target.make_dirs(&"volumes".into(), 0o701).map_err(layout::docker_content::write::EditError::from)?;
        target.make_dirs(&folder, 0o701).map_err(layout::docker_content::write::EditError::from)?;
        target.make_dirs(&data, 0o755).map_err(layout::docker_content::write::EditError::from)?;
        findings.extend(fill(host, wanted.image, destination, &writer.path(&data))?);
    }
    Ok(json!({
        "Source": format!("{}/{data}", root.display()), "Destination": destination, "RW": writable, "Name": name, "Driver": "local",
        "Type": "volume", "Relabel": mode, "Spec": {"Type": "volume", "Source": name, "Target": destination},
        "SkipMountpointCreation": false,
    }))
}

/// Copies what the image has at `destination` into a new volume, its top's owner and mode too.
fn fill(host: &Host, image: &Image, destination: &str, data: &Path) -> Result<Vec<Finding>, LifeError> {
    let Ok(top) = EntryPath::parse(destination.trim_start_matches('/').as_bytes()) else { return Ok(Vec::new()) };
    let (rootfs, mut findings) = host.image_rootfs(image)?;
    let tree = storage::open(host.root(), &rootfs).map_err(|error| LifeError::Files(error.into()))?;
    let mut below = Below { tree, top };
    let mut folder = storage::Folder::open(data).map_err(at("open", data))?;
    findings.extend(storage::pour(&mut below, &mut folder, |_| ()).map_err(LifeError::Files)?.findings);
    Ok(findings)
}

/// A part of a tree as a tree of its own.
struct Below {
    tree: storage::Merged,
    top: EntryPath,
}

impl model::Source for Below {
    fn next_entry(&mut self) -> Result<Option<model::Entry>, model::StreamError> {
        while let Some(mut entry) = self.tree.next_entry()? {
            if !self.top.holds(&entry.path) {
                continue;
            }
            if let model::Kind::HardLink { target } = &mut entry.kind {
                // A name whose first one lies elsewhere cannot be linked; the walk has no content for it any more.
                match self.inner(target) {
                    Some(path) => *target = path,
                    None => continue,
                }
            }
            if entry.path == self.top && !matches!(entry.kind, model::Kind::Directory) {
                return Ok(None);
            }
            entry.path = self.inner(&entry.path).unwrap_or_default();
            return Ok(Some(entry));
        }
        Ok(None)
    }

    fn content(&mut self) -> Result<Box<dyn model::Content + '_>, model::StreamError> {
        self.tree.content()
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.tree.take_findings()
    }
}

impl Below {
    fn inner(&self, path: &EntryPath) -> Option<EntryPath> {
        let rest = path.as_bytes().strip_prefix(self.top.as_bytes())?;
        self.top.holds(path).then(|| EntryPath::parse(rest.strip_prefix(b"/").unwrap_or(rest)).ok())?
    }
}
