//! Docker's `MountPoints` of a new container: what it has of others, binds, named volumes, anonymous ones.
//!
//! In docker's order (moby v20.10.24 daemon/volumes.go registerMountPoints, daemon/create_unix.go): the later takes the place
//! of the earlier, but for the image's volumes, which go where nothing is yet.

use std::path::Path;

use host::Host;
use layout::docker_content::write::{EditError, Writer};
use model::{Finding, HostPath};
use serde_json::{Map, Value, json};

use super::{Wanted, copy};
use crate::error::{LifeError, at};
use crate::{events, peers, runtime};

/// The mount points as they are found, and volumes made.
pub struct Points<'a> {
    writer: &'a Writer,
    host: &'a Host,
    wanted: &'a Wanted<'a>,
    root: &'a Path,
    /// By destination.
    pub found: Map<String, Value>,
    /// What could not be copied into new volumes.
    pub findings: Vec<Finding>,
}

/// A volume asked for: its name, place, mode, and what else the record says of it.
struct Asked<'a> {
    name: &'a str,
    destination: &'a str,
    mode: &'a str,
    writable: bool,
    copy: bool,
    options: Value,
}

impl<'a> Points<'a> {
    /// None yet.
    pub fn new(writer: &'a Writer, host: &'a Host, wanted: &'a Wanted<'a>, root: &'a Path) -> Points<'a> {
        Points { writer, host, wanted, root, found: Map::new(), findings: Vec::new() }
    }

    /// Finds them all.
    pub fn find(&mut self) -> Result<(), LifeError> {
        let config = &self.wanted.inspect["HostConfig"];
        for text in strings(&config["VolumesFrom"]) {
            self.of_another(text)?;
        }
        for bind in strings(&config["Binds"]) {
            self.bind(bind)?;
        }
        for mount in config["Mounts"].as_array().into_iter().flatten() {
            self.mount(mount)?;
        }
        let declared = self.wanted.inspect["Config"]["Volumes"].as_object().into_iter().flatten();
        let tmpfs = config["Tmpfs"].as_object();
        for (destination, _) in declared {
            let taken = self.found.contains_key(destination) || tmpfs.is_some_and(|map| map.contains_key(destination));
            if !taken {
                self.anonymous(destination, true, "", Value::Null)?;
            }
        }
        Ok(())
    }

    /// `NAME[:MODE]`: every mount point of another container.
    fn of_another(&mut self, text: &str) -> Result<(), LifeError> {
        let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
        if !mode.split(',').all(|word| matches!(word, "ro" | "rw" | "z" | "Z" | "nocopy")) {
            return Err(LifeError::Mount(format!("invalid mode: {mode}")));
        }
        let (container, _) = peers::inspect(self.host, name)?;
        let folder = self.writer.path(&HostPath::from("containers").join(container.id.as_str()));
        let record = crate::begin::raw(&folder)?;
        for (destination, point) in record["MountPoints"].as_object().into_iter().flatten() {
            let mut point = point.clone();
            point["RW"] = json!(point["RW"].as_bool().unwrap_or(true) && !mode.split(',').any(|word| word == "ro"));
            self.found.insert(destination.clone(), point);
        }
        Ok(())
    }

    /// `SOURCE:DESTINATION[:MODE]`.
    fn bind(&mut self, text: &str) -> Result<(), LifeError> {
        let wrong = || LifeError::Mount(format!("invalid volume specification: '{text}'"));
        let parts: Vec<&str> = text.split(':').collect();
        let ([source, destination] | [source, destination, _]) = parts[..] else { return Err(wrong()) };
        let mode = parts.get(2).copied().unwrap_or_default();
        if !destination.starts_with('/') {
            return Err(LifeError::Mount(format!(
                "invalid volume specification: '{text}': invalid mount config for type \"volume\": invalid mount path: '{destination}' mount path must be absolute"
            )));
        }
        let destination = clean(destination);
        let has = |word: &str| mode.split(',').any(|option| option == word);
        let point = if source.starts_with('/') {
            if !Path::new(source).exists() {
                std::fs::create_dir_all(source).map_err(at("make", source))?;
            }
            bound(source, &destination, mode, !has("ro"), propagation(mode))
        } else {
            self.volume(&Asked {
                name: source,
                destination: &destination,
                mode,
                writable: !has("ro"),
                copy: !has("nocopy"),
                options: Value::Null,
            })?
        };
        self.found.insert(destination, point);
        Ok(())
    }

    /// One of `HostConfig.Mounts`. Memory is no mount point that has a source; it is mounted from the host config.
    fn mount(&mut self, mount: &Value) -> Result<(), LifeError> {
        let text = |key: &str| mount[key].as_str().unwrap_or_default();
        let writable = !mount["ReadOnly"].as_bool().unwrap_or(false);
        let destination = clean(text("Target"));
        let mut point = match text("Type") {
            "bind" => {
                if !Path::new(text("Source")).exists() {
                    return Err(LifeError::Mount(format!(
                        "invalid mount config for type \"bind\": bind source path does not exist: {}",
                        text("Source")
                    )));
                }
                let wanted = mount["BindOptions"]["Propagation"].as_str().unwrap_or_default();
                bound(text("Source"), &destination, "", writable, propagation(wanted))
            }
            "volume" => {
                let options = &mount["VolumeOptions"];
                let driver = options["DriverConfig"]["Name"].as_str().unwrap_or_default();
                if !matches!(driver, "" | "local") {
                    return Err(LifeError::Mount(format!(
                        "error looking up volume plugin {driver}: plugin \"{driver}\" not found"
                    )));
                }
                if text("Source").is_empty() {
                    return self.anonymous(&destination, writable, "", options.clone());
                }
                let asked = Asked {
                    name: text("Source"),
                    destination: &destination,
                    mode: "",
                    writable,
                    copy: !options["NoCopy"].as_bool().unwrap_or(false),
                    options: options.clone(),
                };
                self.volume(&asked)?
            }
            _ => json!({
                "Type": "tmpfs", "Source": "", "Name": "", "Driver": "", "Destination": destination, "RW": writable,
                "Propagation": "", "SkipMountpointCreation": false,
            }),
        };
        point["Spec"] = mount.clone();
        self.found.insert(destination, point);
        Ok(())
    }

    /// A volume that has a name of digits only.
    fn anonymous(&mut self, destination: &str, writable: bool, mode: &str, options: Value) -> Result<(), LifeError> {
        let name = runtime::new_id()?;
        let copy = !options["NoCopy"].as_bool().unwrap_or(false);
        let asked = Asked { name: name.as_str(), destination, mode, writable, copy, options };
        let mut point = self.volume(&asked)?;
        point["Spec"] = json!({"Type": "volume", "Target": destination});
        self.found.insert(destination.to_string(), point);
        Ok(())
    }

    /// A volume of the root, made where it is missing and filled with what the image has there.
    fn volume(&mut self, asked: &Asked) -> Result<Value, LifeError> {
        let Asked { name, destination, .. } = *asked;
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.len() < 2 || !name.chars().all(valid) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(LifeError::Mount(format!(
                "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
            )));
        }
        let options = &asked.options["DriverConfig"]["Options"];
        if options.as_object().is_some_and(|map| !map.is_empty()) {
            return Err(LifeError::Mount(format!(
                "volume '{name}' asks for options of the local driver, which are not done: mount it on the host and bind it"
            )));
        }
        let folder = HostPath::from("volumes").join(name);
        let data = folder.join("_data");
        let is_new = !self.writer.root().exists(&data);
        if is_new {
            let target = self.writer.target();
            for (path, mode) in [(&"volumes".into(), 0o701), (&folder, 0o701), (&data, 0o755)] {
                target.make_dirs(path, mode).map_err(EditError::from)?;
            }
            events::tell_volume(self.root, name, "create", &[]);
        }
        let there = self.writer.path(&data);
        if asked.copy && is_empty(&there) {
            self.findings.extend(copy::fill(self.host, self.wanted.image, destination, &there)?);
        }
        if let Some(shift) = self.writer.shift().filter(|_| is_new) {
            self.writer.target().shift_tree(&data, shift).map_err(EditError::from)?;
        }
        Ok(json!({
            "Source": format!("{}/{data}", self.root.display()), "Destination": destination, "RW": asked.writable, "Name": name,
            "Driver": "local", "Type": "volume", "Relabel": asked.mode,
            "Spec": {"Type": "volume", "Source": name, "Target": destination}, "SkipMountpointCreation": false,
        }))
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Without slashes at the end or twice, and without `.` and `..`, by the text alone.
fn clean(destination: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in destination.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// The word about propagation in a mode; docker's default keeps the host and the container apart.
fn propagation(mode: &str) -> &str {
    let known = ["shared", "rshared", "slave", "rslave", "private", "rprivate"];
    mode.split(',').find(|word| known.contains(word)).unwrap_or("rprivate")
}

/// A path of this machine.
fn bound(source: &str, destination: &str, mode: &str, writable: bool, propagation: &str) -> Value {
    json!({
        "Source": source, "Destination": destination, "RW": writable, "Name": "", "Driver": "", "Type": "bind",
        "Relabel": mode, "Propagation": propagation,
        "Spec": {"Type": "bind", "Source": source, "Target": destination, "ReadOnly": !writable},
        "SkipMountpointCreation": false,
    })
}
