//! The `hosts` and `resolv.conf` of containers that are up, beside the state: for whoever binds them into the container.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use wire::Plan;
use wire::config::{Configs, Container};
use wire::files::{has_own, hosts, of_container, path_of_host};
use wire::state::Store;

/// The folder of one container's files.
pub fn folder(dir: &Path, id: &str) -> anyhow::Result<PathBuf> {
    Ok(inside(&Store::files(dir)?, id))
}

/// An id from elsewhere may hold anything.
fn inside(all: &Path, id: &str) -> PathBuf {
    all.join(id.chars().filter(char::is_ascii_alphanumeric).take(64).collect::<String>())
}

/// Writes those of all that are up, and removes those of others. A file that is there keeps its inode: it may be bound.
pub fn write(dir: &Path, configs: &Configs, plan: &Plan) -> anyhow::Result<()> {
    let theirs = of_host();
    let all = Store::files(dir)?;
    for container in configs.containers.iter().filter(|container| has_own(container)) {
        let folder = inside(&all, &container.id);
        let made = make(&all).and_then(|()| make(&folder));
        made.with_context(|| format!("cannot make '{}'", folder.display()))?;
        let texts = [
            ("hosts", hosts(container, configs, gateway(container, plan))),
            ("resolv.conf", of_container(container, &theirs)),
        ];
        for (name, text) in texts {
            let path = folder.join(name);
            put(&path, text.as_bytes()).with_context(|| format!("cannot write '{}'", path.display()))?;
        }
    }
    sweep_all(&all, configs)
}

/// Removes the files of containers that are not up.
pub fn sweep(dir: &Path, configs: &Configs) -> anyhow::Result<()> {
    sweep_all(&Store::files(dir)?, configs)
}

fn sweep_all(all: &Path, configs: &Configs) -> anyhow::Result<()> {
    let wanted: Vec<PathBuf> = configs.containers.iter().map(|container| inside(all, &container.id)).collect();
    let mut is_empty = true;
    for path in fs::read_dir(all).into_iter().flatten().flatten().map(|entry| entry.path()) {
        match wanted.contains(&path) {
            true => is_empty = false,
            false => {
                fs::remove_dir_all(&path).with_context(|| format!("cannot remove '{}'", path.display()))?;
            }
        }
    }
    if is_empty {
        let _ = fs::remove_dir(all);
    }
    Ok(())
}

/// A folder that may be there.
fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// The host's `resolv.conf` with the servers that it asks in the end; empty where it has none.
fn of_host() -> String {
    let etc = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    match path_of_host(&etc) {
        "/etc/resolv.conf" => etc,
        other => fs::read_to_string(other).unwrap_or(etc),
    }
}

/// The host's address for the container: the default bridge's, else its own gateway.
fn gateway(container: &Container, plan: &Plan) -> Option<std::net::IpAddr> {
    let bridge = plan.bridges.iter().find(|bridge| bridge.network.0 == "bridge");
    let own = plan.interfaces.iter().filter(|own| own.container.0 == container.id).flat_map(|own| &own.gateways);
    bridge.and_then(|bridge| Some(bridge.addresses.first()?.address)).or_else(|| own.copied().next())
}

fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Ok(mut new) = File::create_new(path) {
        return new.write_all(text);
    }
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut there = Vec::new();
    file.read_to_end(&mut there)?;
    if there != text {
        io::Seek::rewind(&mut file)?;
        file.write_all(text)?;
        file.set_len(text.len() as u64)?;
    }
    Ok(())
}
