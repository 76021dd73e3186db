//! One engine's store inside a root. Several in one root are normal.

use std::fmt;

use crate::HostPath;

/// How an engine *records* what exists. A different axis from [`Driver`], which is how files lie.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Generation {
    /// Docker 0.6 and before: `repositories`, `graph/<id>/layer`.
    DockerFirst,
    /// Docker 0.7 to 1.9: `repositories-<driver>`, `graph/<id>/json`.
    DockerGraph,
    /// Docker 1.10 to 29 with a graph driver: `image/<driver>`, content-addressed. The native layout.
    DockerContent,
    /// Docker 23 to 29 with the containerd image store.
    DockerContainerd,
    /// containerd alone, one store per namespace.
    Containerd,
    /// Podman, Buildah and CRI-O: containers/storage.
    ContainersStorage,
}

impl Generation {
    /// The name that `--format` and messages use.
    pub fn name(self) -> &'static str {
        match self {
            Generation::DockerFirst => "docker-first",
            Generation::DockerGraph => "docker-graph",
            Generation::DockerContent => "docker-content",
            Generation::DockerContainerd => "docker-containerd",
            Generation::Containerd => "containerd",
            Generation::ContainersStorage => "containers-storage",
        }
    }
}

/// How an engine stores *files*: the graph driver or snapshotter, by the engine's own name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Driver {
    /// `graph/<id>/layer` and `containers/<id>/rw` of docker 0.6, in aufs' form.
    Graph,
    /// `aufs/diff`, `aufs/layers`.
    Aufs,
    /// Docker's `overlay`: `root`, `upper`, `lower-id`.
    Overlay,
    /// Docker's `overlay2`, and `overlay` of containers/storage, which lies the same way.
    Overlay2,
    /// Docker's `fuse-overlayfs`.
    FuseOverlayfs,
    /// Full copies, `vfs/dir`.
    Vfs,
    /// Full trees, `btrfs/subvolumes`.
    Btrfs,
    /// A thin pool; one filesystem a layer.
    Devicemapper,
    /// Datasets outside of the root.
    Zfs,
    /// Windows layers.
    Windowsfilter,
    /// containerd's `overlayfs` snapshotter: `snapshots/<n>/fs`.
    OverlayfsSnapshot,
    /// containerd's `native` snapshotter: full copies.
    NativeSnapshot,
    /// Any other, by its recorded name.
    Other(Box<str>),
}

impl Driver {
    /// The name that the engine itself writes. Docker's and Podman's `overlay` differ only in the store.
    pub fn name(&self) -> &str {
        match self {
            Driver::Graph | Driver::Aufs => "aufs",
            Driver::Overlay => "overlay",
            Driver::Overlay2 => "overlay2",
            Driver::FuseOverlayfs => "fuse-overlayfs",
            Driver::Vfs => "vfs",
            Driver::Btrfs => "btrfs",
            Driver::Devicemapper => "devicemapper",
            Driver::Zfs => "zfs",
            Driver::Windowsfilter => "windowsfilter",
            Driver::OverlayfsSnapshot => "overlayfs",
            Driver::NativeSnapshot => "native",
            Driver::Other(name) => name,
        }
    }

    /// The graph driver of docker's that has this name.
    pub fn docker(name: &str) -> Driver {
        match name {
            "aufs" => Driver::Aufs,
            "overlay" => Driver::Overlay,
            "overlay2" => Driver::Overlay2,
            "fuse-overlayfs" => Driver::FuseOverlayfs,
            "vfs" => Driver::Vfs,
            "btrfs" => Driver::Btrfs,
            "devicemapper" => Driver::Devicemapper,
            "zfs" => Driver::Zfs,
            "windowsfilter" => Driver::Windowsfilter,
            other => Driver::Other(other.into()),
        }
    }
}

/// One engine's store inside the opened root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Store {
    /// How it records.
    pub generation: Generation,
    /// How it stores files by default; a container or image may say otherwise.
    pub driver: Driver,
    /// Where the store's folder lies below the opened root; empty when it is the root itself.
    pub home: HostPath,
    /// Where the store's folder lay on the host that wrote it, absolute and without a trailing slash
    /// (`/var/lib/docker`), as far as the records show.
    pub recorded: Box<[u8]>,
    /// containerd's namespace; empty elsewhere.
    pub namespace: Box<str>,
    /// The files or folders by which it was recognised.
    pub evidence: Vec<HostPath>,
    /// Where that host's `/` lies below the opened root, where the root holds more of the host than the store's folder.
    pub host: Option<HostPath>,
}

impl Store {
    /// Whether it is written too: docker's own layout of 1.10 on, with overlay2 or vfs, at the top of what was opened.
    pub fn is_native(&self) -> bool {
        let is_ours = self.generation == Generation::DockerContent;
        is_ours && matches!(self.driver, Driver::Overlay2 | Driver::Vfs) && self.home.as_bytes().is_empty()
    }

    /// Where an absolute path of the dead host lies in the evidence; `None` where it was outside of the store's folder.
    pub fn rebase(&self, recorded: &[u8]) -> Option<HostPath> {
        let rest = recorded.strip_prefix(&*self.recorded)?;
        (rest.is_empty() || rest.starts_with(b"/")).then(|| self.home.join(HostPath::new(rest).as_bytes()))
    }

    /// The same, for a path outside of the store's folder too where the opened root holds more of the dead host: its whole
    /// disk, or a folder above the store's.
    pub fn evidence_of(&self, recorded: &[u8]) -> Option<HostPath> {
        let on_host = || {
            let host = self.host.as_ref().filter(|_| recorded.starts_with(b"/"))?;
            Some(host.join(HostPath::new(recorded).as_bytes()))
        };
        let above = || {
            let above = self.recorded.strip_suffix(self.home.as_bytes())?.strip_suffix(b"/")?;
            let rest = recorded.strip_prefix(above)?;
            (!self.home.as_bytes().is_empty() && rest.starts_with(b"/")).then(|| HostPath::new(rest))
        };
        self.rebase(recorded).or_else(on_host).or_else(above)
    }

    /// The driver, as its engine calls it: docker's second `overlay` is podman's first.
    pub fn driver_name(&self) -> &str {
        match (self.generation, &self.driver) {
            (Generation::ContainersStorage, Driver::Overlay2) => "overlay",
            (_, driver) => driver.name(),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.generation.name(), crate::path::shown(self.driver_name().as_bytes()))?;
        if !self.namespace.is_empty() {
            write!(f, " namespace {}", crate::path::shown(self.namespace.as_bytes()))?;
        }
        if !self.home.as_bytes().is_empty() { write!(f, " in '{}'", self.home) } else { Ok(()) }
    }
}

/// How ids on disk map to ids inside: user namespaces store owners shifted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdMap {
    /// Ranges for users; none at all means that nothing is shifted.
    pub uids: Vec<IdRange>,
    /// Ranges for groups.
    pub gids: Vec<IdRange>,
}

/// `size` ids from `inside` lie on disk from `outside`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdRange {
    /// First id inside.
    pub inside: u64,
    /// First id on disk.
    pub outside: u64,
    /// How many.
    pub size: u64,
}

impl IdMap {
    /// The user inside for one on disk; as it is where no range holds it.
    pub fn uid_inside(&self, outside: u64) -> u64 {
        inside(&self.uids, outside)
    }

    /// The group inside for one on disk; as it is where no range holds it.
    pub fn gid_inside(&self, outside: u64) -> u64 {
        inside(&self.gids, outside)
    }
}

impl IdMap {
    /// The map that gives ids as the old host knew them, whether they lie shifted on disk or not: layers of one stack may
    /// differ in that. Where a range overlaps its own place inside, what lies on disk is taken as it is.
    pub fn outward(&self) -> IdMap {
        IdMap { uids: outward(&self.uids), gids: outward(&self.gids) }
    }
}

fn outward(ranges: &[IdRange]) -> Vec<IdRange> {
    let overlaps = |a: &IdRange, b: &IdRange| {
        a.inside < b.outside.saturating_add(b.size) && b.outside < a.inside.saturating_add(a.size)
    };
    if ranges.iter().any(|a| ranges.iter().any(|b| overlaps(a, b))) {
        return Vec::new();
    }
    ranges.iter().map(|it| IdRange { inside: it.outside, outside: it.inside, size: it.size }).collect()
}

fn inside(ranges: &[IdRange], outside: u64) -> u64 {
    ranges
        .iter()
        .find(|range| outside.checked_sub(range.outside).is_some_and(|n| n < range.size))
        .map_or(outside, |range| range.inside.saturating_add(outside - range.outside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(home: &str, recorded: &str, path: &str, place: Option<&str>) {
        check_on(None, home, recorded, path, place);
    }

    fn check_on(host: Option<&str>, home: &str, recorded: &str, path: &str, place: Option<&str>) {
        let store = Store {
            generation: Generation::ContainersStorage,
            driver: Driver::Vfs,
            home: HostPath::new(home),
            recorded: recorded.as_bytes().into(),
            namespace: "".into(),
            evidence: Vec::new(),
            host: host.map(HostPath::from),
        };
        assert_eq!(store.evidence_of(path.as_bytes()), place.map(HostPath::new), "{path}");
    }

    #[test]
    fn outward_ids_are_the_hosts_wherever_they_lie() {
        let range = |inside, outside| IdRange { inside, outside, size: 65536 };
        let map = |range: IdRange| IdMap { uids: vec![range], gids: vec![range] }.outward();
        let shifted = map(range(0, 100_000));
        for (disk, host) in [(0, 100_000), (5, 100_005), (100_005, 100_005), (200_000, 200_000)] {
            assert_eq!((shifted.uid_inside(disk), shifted.gid_inside(disk)), (host, host), "{disk}");
        }
        assert_eq!(map(range(0, 1000)), IdMap::default());
    }

    #[test]
    fn a_path_beside_the_store_lies_in_the_evidence_where_the_root_holds_more() {
        let home = "/var/lib/docker";
        check("var/lib/docker", home, "/var/lib/docker/volumes", Some("var/lib/docker/volumes"));
        check("var/lib/docker", home, "/srv/data", Some("srv/data"));
        check("storage", "/var/lib/containers/storage", "/var/lib/containers/log", Some("log"));
        check("storage", "/var/lib/containers/storage", "/srv/data", None);
        check("", home, "/srv/data", None);
        check("moved", home, "/srv/data", None);
        check("ker", home, "/var/lib/docx", None);
        check_on(Some("disk"), "disk/data/docker", home, "/srv/data", Some("disk/srv/data"));
        check_on(Some(""), "data/docker", home, "/var/lib/docker/x", Some("data/docker/x"));
        check_on(Some(""), "data/docker", home, "named", None);
    }
}
