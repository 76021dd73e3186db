//! `containers/`: one folder a container, named by its id.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hostfs::{Problem, Root};
use model::{Container, Finding, Generation, HostPath, Id, Store};

use crate::Found;
use crate::docker::container;
use crate::docker::links::{self, Links};
use crate::json::{self, Notes};

/// The record since docker 1.10.
pub(crate) const SINCE_1_10: &str = "config.v2.json";
/// The record before docker 1.10.
pub(crate) const BEFORE_1_10: &str = "config.json";

/// How many folders a thread takes at a time: enough that taking them costs nothing, few enough to end together.
const AT_A_TIME: usize = 64;

/// `containers` of a store.
pub(crate) fn folder(store: &Store) -> HostPath {
    store.home.join("containers")
}

/// The folder of one container.
pub(crate) fn of(store: &Store, id: &Id) -> HostPath {
    folder(store).join(id.as_str())
}

/// The ids that have a folder, sorted; what else lies there is a finding.
pub(crate) fn ids(root: &Root, home: &HostPath) -> Found<Vec<Id>> {
    let path = home.join("containers");
    let mut findings = Vec::new();
    let entries = match root.entries(&path) {
        Ok(entries) => entries,
        Err(error) if error.is_missing() => return Default::default(),
        Err(error) => {
            findings.push(
                Finding::new(json::code_of(&error), format!("no container can be listed: {}", error.problem)).at(path),
            );
            return (Vec::new(), findings);
        }
    };
    let mut ids = Vec::with_capacity(entries.len());
    for entry in entries {
        let here = path.join(&entry.name);
        let is_dir = entry.is_dir.unwrap_or_else(|| root.is_dir(&here));
        match std::str::from_utf8(&entry.name).ok().and_then(Id::new) {
            Some(id) if is_dir => ids.push(id),
            id => findings.push(stray(root, here, id)),
        }
    }
    (ids, findings)
}

fn stray(root: &Root, here: HostPath, id: Option<Id>) -> Finding {
    let what = root.stat(&here).map_or("file", |stat| stat.kind.words());
    let finding =
        Finding::new("stray-file", format!("a {what} among the folders of containers; it is passed over")).at(here);
    match id {
        Some(id) if id.is_full() => finding.about(format!("container {}", id.short())),
        _ => finding,
    }
}

/// What of `containers/` is a store's own, since several stores may share a home.
pub(crate) struct Share<'a> {
    stores: &'a [Store],
    index: usize,
    record: &'static str,
}

impl<'a> Share<'a> {
    pub fn new(stores: &'a [Store], index: usize) -> Share<'a> {
        let old = matches!(stores[index].generation, Generation::DockerFirst | Generation::DockerGraph);
        Share { stores, index, record: if old { BEFORE_1_10 } else { SINCE_1_10 } }
    }

    fn store(&self) -> &Store {
        &self.stores[self.index]
    }

    /// The stores of that home whose containers have the same record, this one among them.
    fn rivals(&self) -> impl Iterator<Item = usize> {
        let is_rival =
            |store: &Store| store.home == self.store().home && Share::record_of(store.generation) == Some(self.record);
        (0..self.stores.len()).filter(move |&at| is_rival(&self.stores[at]))
    }

    fn record_of(generation: Generation) -> Option<&'static str> {
        match generation {
            Generation::DockerFirst | Generation::DockerGraph => Some(BEFORE_1_10),
            Generation::DockerContent | Generation::DockerContainerd => Some(SINCE_1_10),
            Generation::Containerd | Generation::ContainersStorage => None,
        }
    }

    /// Whether what concerns the home as a whole is this store's to tell.
    fn is_first(&self) -> bool {
        self.rivals().next() == Some(self.index)
    }

    /// Whether a container with that recorded driver is in this store: the store of that driver, else the first.
    fn holds(&self, driver: &str) -> bool {
        let owner = self.rivals().find(|&at| self.stores[at].driver.name() == driver).or_else(|| self.rivals().next());
        owner == Some(self.index)
    }

    /// Whether a store of the other age shares the home.
    fn has_older(&self) -> bool {
        let is_older = |store: &Store| matches!(store.generation, Generation::DockerFirst | Generation::DockerGraph);
        self.stores.iter().any(|store| store.home == self.store().home && is_older(store))
    }

    fn has_newer(&self) -> bool {
        self.stores
            .iter()
            .any(|store| store.home == self.store().home && Share::record_of(store.generation) == Some(SINCE_1_10))
    }
}

/// All containers of a store, newest first.
pub(crate) fn read_all(root: &Root, stores: &[Store], index: usize, links: Links) -> Found<Vec<Container>> {
    let share = Share::new(stores, index);
    let (ids, strays) = ids(root, &share.store().home);
    let (mut rows, mut findings) = read_each(root, &share, &ids, links);
    if share.is_first() {
        findings.extend(strays);
    }
    rows.sort_by(|(a, _), (b, _)| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    let (mut list, links): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let links: Vec<_> = links.into_iter().enumerate().filter(|(_, links)| !links.is_empty()).collect();
    links::name(&mut list, &links);
    (list, findings)
}

/// The containers whose id begins with `prefix`. Nothing is opened but the folder and their records.
pub(crate) fn read_some(root: &Root, stores: &[Store], index: usize, prefix: &str) -> Found<Vec<Container>> {
    let share = Share::new(stores, index);
    let full = Id::new(prefix).filter(Id::is_full);
    let ids = match full {
        Some(id) if root.is_dir(&of(share.store(), &id)) => vec![id],
        _ => ids(root, &share.store().home).0.into_iter().filter(|id| id.as_str().starts_with(prefix)).collect(),
    };
    let mut findings = Vec::new();
    let list = ids.iter().filter_map(|id| read_one(root, &share, id, true, &mut findings)).collect();
    (list, findings)
}

/// A container and the links that it has to others.
type Row = (Container, Vec<String>);

/// Reads on all processors: most of the time goes into opening files.
fn read_each(root: &Root, share: &Share, ids: &[Id], links: Links) -> Found<Vec<Row>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(ids.len().div_ceil(AT_A_TIME)).clamp(1, 8);
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut list, mut findings) = (Vec::new(), Vec::new());
        loop {
            let from = next.fetch_add(AT_A_TIME, Ordering::Relaxed);
            if from >= ids.len() {
                return (list, findings);
            }
            let block = &ids[from..ids.len().min(from + AT_A_TIME)];
            list.extend(block.iter().filter_map(|id| row(root, share, id, links, &mut findings)));
        }
    };
    if threads == 1 {
        return work();
    }
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all: Found<Vec<Row>> = Default::default();
        for worker in workers {
            let (list, findings) = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.0.extend(list);
            all.1.extend(findings);
        }
        all
    })
}

fn row(root: &Root, share: &Share, id: &Id, links: Links, findings: &mut Vec<Finding>) -> Option<Row> {
    let container = read_one(root, share, id, false, findings)?;
    if links == Links::Left {
        return Some((container, Vec::new()));
    }
    let mut notes = Notes::new(format!("container {}", id.short()), &container.record);
    let links = links::of(root, share.store(), id, &mut notes);
    findings.append(&mut notes.list);
    Some((container, links))
}

/// One container, where it is this store's; `named` says that it was asked for by its id.
fn read_one(root: &Root, share: &Share, id: &Id, named: bool, findings: &mut Vec<Finding>) -> Option<Container> {
    let path = of(share.store(), id).join(share.record);
    let mut notes = Notes::new(format!("container {}", id.short()), &path);
    let found = match root.read(&path, json::RECORD_LIMIT) {
        Ok(raw) if raw.iter().all(u8::is_ascii_whitespace) => {
            notes.add("record-empty", "the record is empty: nothing is known of this container but its id");
            None
        }
        Ok(raw) => parse_own(root, share, id, named, &raw, &path, &mut notes),
        Err(error) => {
            absent(root, share, id, &error, &mut notes);
            None
        }
    };
    if found.is_some() || share.is_first() {
        findings.append(&mut notes.list);
    }
    found
}

fn parse_own(
    root: &Root,
    share: &Share,
    id: &Id,
    named: bool,
    raw: &[u8],
    path: &HostPath,
    notes: &mut Notes,
) -> Option<Container> {
    let old = share.record == BEFORE_1_10;
    if old && share.has_newer() && (!named || root.exists(&of(share.store(), id).join(SINCE_1_10))) {
        return None;
    }
    let mut container = container::parse(raw, id, share.index, path, notes)?;
    if container.driver.is_empty() && old {
        // Before 0.7 there was nothing else (daemon/daemon.go Register, v1.2.0).
        container.driver = "aufs".into();
    }
    share.holds(&container.driver).then_some(container)
}

/// Says why a record is not there. A record of the other age may be there instead.
fn absent(root: &Root, share: &Share, id: &Id, error: &hostfs::ReadError, notes: &mut Notes) {
    let other = |name: &str| root.exists(&of(share.store(), id).join(name));
    match (&error.problem, share.record) {
        (Problem::Missing, SINCE_1_10) if share.has_older() && other(BEFORE_1_10) => notes.add(
            "not-migrated",
            "it has only the record of docker before 1.10: its image could not be migrated, and docker no longer shows it; inspect shows it by its id",
        ),
        (Problem::Missing, BEFORE_1_10) if share.has_newer() => {}
        (problem, _) => notes.add(json::code_of(error), format!("nothing is known of this container but its id: {problem}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Driver;

    fn store(generation: Generation, driver: &str) -> Store {
        Store {
            generation,
            driver: Driver::docker(driver),
            home: HostPath::default(),
            recorded: b"/var/lib/docker".as_slice().into(),
            namespace: "".into(),
            evidence: Vec::new(),
            host: None,
        }
    }

    #[test]
    fn a_container_is_in_one_store_only() {
        let stores = [
            store(Generation::DockerContent, "overlay2"),
            store(Generation::DockerContent, "vfs"),
            store(Generation::DockerGraph, "overlay2"),
        ];
        let holders = |driver: &str| (0..2).filter(|&at| Share::new(&stores, at).holds(driver)).collect::<Vec<_>>();
        assert_eq!(holders("overlay2"), [0]);
        assert_eq!(holders("vfs"), [1]);
        assert_eq!(holders("zfsx"), [0]);
        assert!(Share::new(&stores, 2).holds("aufs"));
    }
}
