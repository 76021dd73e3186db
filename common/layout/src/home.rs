//! A folder that may be an engine's home, as all the generations' detections look at it: each thing is read once.

use std::cell::OnceCell;

use hostfs::{DirEntry, Root};
use model::{HostPath, Id};
use serde::Deserialize;

use crate::docker::folders;
use crate::json::{self, Loose, Notes};

/// How many containers are asked where they lay and which driver they had, until one answers.
const SAMPLES: usize = 16;

/// A folder, and what was read of it so far.
pub(crate) struct Home<'a> {
    /// The root that it is in.
    pub root: &'a Root,
    /// The folder.
    pub path: HostPath,
    entries: OnceCell<Vec<DirEntry>>,
    ids: OnceCell<Vec<Id>>,
    old: OnceCell<Option<Sample>>,
    new: OnceCell<Option<Sample>>,
    remapped: OnceCell<Vec<Home<'a>>>,
}

impl<'a> Home<'a> {
    pub fn new(root: &'a Root, path: HostPath) -> Home<'a> {
        Home {
            root,
            path,
            entries: OnceCell::new(),
            ids: OnceCell::new(),
            old: OnceCell::new(),
            new: OnceCell::new(),
            remapped: OnceCell::new(),
        }
    }

    /// What lies in it, by name; nothing where it cannot be listed.
    pub fn entries(&self) -> &[DirEntry] {
        self.entries
            .get_or_init(|| self.root.open_dir(&self.path).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default())
    }

    /// The ids that have a folder in `containers`, sorted.
    pub fn ids(&self) -> &[Id] {
        self.ids.get_or_init(|| folders::ids(self.root, &self.path).0)
    }

    /// What the first container says that has this record and answers.
    pub fn sample(&self, record: &str) -> Option<&Sample> {
        let known = if record == folders::SINCE_1_10 { &self.new } else { &self.old };
        known.get_or_init(|| self.ids().iter().take(SAMPLES).find_map(|id| self.ask(id, record))).as_ref()
    }

    fn ask(&self, id: &Id, record: &str) -> Option<Sample> {
        let path = self.path.join("containers").join(id.as_str()).join(record);
        let raw = self.root.read(&path, json::RECORD_LIMIT).ok()?;
        let mut notes = Notes::new("", &path);
        let paths: Paths = json::parse(&raw, &mut notes)?;
        let ends = [paths.log_path, paths.hostname_path, paths.hosts_path, paths.resolv_conf_path];
        let recorded = ends.into_iter().find_map(|end| home_of(&end.get("", &mut notes)?, id.as_str()));
        Some(Sample { driver: paths.driver.take("", &mut notes), recorded })
    }

    /// The folders `<uid>.<gid>` in it, of remapped users.
    pub fn remapped(&self) -> &[Home<'a>] {
        self.remapped.get_or_init(|| {
            let folders = self.entries().iter().filter(|entry| entry.is_dir != Some(false));
            let named = folders.filter(|entry| ids_of(&entry.name).is_some());
            named.map(|entry| Home::new(self.root, self.path.join(&entry.name))).collect()
        })
    }
}

/// The user and group that a folder `<uid>.<gid>` is named after.
pub(crate) fn ids_of(name: &[u8]) -> Option<(u64, u64)> {
    let (uid, gid) = std::str::from_utf8(name).ok()?.split_once('.')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
    Some((number(uid)?, number(gid)?))
}

/// What one container says of the store it is in.
pub(crate) struct Sample {
    pub driver: String,
    /// The home on the old host.
    pub recorded: Option<Box<[u8]>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Paths {
    driver: Loose<String>,
    hostname_path: Loose<String>,
    hosts_path: Loose<String>,
    resolv_conf_path: Loose<String>,
    log_path: Loose<String>,
}

fn home_of(path: &str, id: &str) -> Option<Box<[u8]>> {
    let home = path.split_once(&format!("/containers/{id}/"))?.0;
    home.starts_with('/').then(|| home.as_bytes().into())
}

/// Where docker lies where nothing says otherwise.
pub(crate) fn usual(home: &HostPath) -> Box<[u8]> {
    let mut path = b"/var/lib/docker".to_vec();
    if ids_of(home.name()).is_some() {
        path.push(b'/');
        path.extend_from_slice(home.name());
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_remapped_user_is_two_numbers() {
        assert_eq!(ids_of(b"231072.231072"), Some((231_072, 231_072)));
        for name in ["231072", "a.b", "1.2.3", ".", "+1.2", "1."] {
            assert_eq!(ids_of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_home_is_what_stands_before_the_containers() {
        let home = |path| home_of(path, "4f1c").map(|it| String::from_utf8_lossy(&it).into_owned());
        assert_eq!(home("/srv/docker/containers/4f1c/hostname").as_deref(), Some("/srv/docker"));
        assert_eq!(home("/etc/resolv.conf"), None);
        assert_eq!(home("containers/4f1c/x"), None);
    }
}
