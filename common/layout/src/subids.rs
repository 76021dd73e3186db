//! How ids of an ordinary user's storage lie on disk, where the records do not say: podman and rootless docker take the user
//! himself as root, and for all others the ranges that `/etc/subuid` and `/etc/subgid` give him (podman v4.3.1 pkg/rootless;
//! moby v20.10.24 docs/rootless, contrib/dockerd-rootless.sh by rootlesskit; subuid(5)).

use hostfs::{Root, Stat};
use model::{HostPath, IdMap, IdRange, Store};

use crate::json::{self, Notes};

/// The map of the user who owns a store, by what is known of its folder; with a finding where the old host's files do not tell
/// it.
pub(crate) fn ids(root: &Root, store: &Store, owner: &Stat, notes: &mut Notes) -> IdMap {
    let (uids, gids) = given(root, store, owner.uid, notes);
    if uids.is_empty() || gids.is_empty() {
        let why = "the old host's /etc/subuid and /etc/subgid do not say which ids its user had (--host-root says where its / is); \
                   owners are shown as they lie on disk, his own as 0";
        notes.add("ids-unknown", why);
    }
    IdMap { uids: map(owner.uid, &uids), gids: map(owner.gid, &gids) }
}

/// The same, where the old host's files tell it; else none.
pub(crate) fn known(root: &Root, store: &Store, owner: &Stat) -> Option<IdMap> {
    let (uids, gids) = given(root, store, owner.uid, &mut Notes::new("", &store.home));
    let is_known = !uids.is_empty() && !gids.is_empty();
    is_known.then(|| IdMap { uids: map(owner.uid, &uids), gids: map(owner.gid, &gids) })
}

/// The ranges that the old host gave a user.
fn given(root: &Root, store: &Store, uid: u64, notes: &mut Notes) -> (Vec<(u64, u64)>, Vec<(u64, u64)>) {
    let host = store.host.clone().filter(|_| std::ptr::eq(root.host(), root)).unwrap_or_default();
    let place = |file: &str| host.join(file);
    let name = user_name(root.host(), &place("etc/passwd"), uid);
    let mut read = |file: &str| {
        let raw = json::read_if_there(root.host(), &place(file), notes);
        raw.map(|raw| ranges(&raw, uid, name.as_deref())).unwrap_or_default()
    };
    (read("etc/subuid"), read("etc/subgid"))
}

fn user_name(host: &Root, passwd: &HostPath, uid: u64) -> Option<String> {
    const LIMIT: u64 = 4 << 20;
    let raw = host.read(passwd, LIMIT).ok()?;
    let text = String::from_utf8_lossy(&raw).into_owned();
    let mut users = text.lines().map(|line| line.split(':'));
    users.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_string())
    })
}

/// First id and size of each range: lines of `user:first:size`, the user by name or number.
fn ranges(raw: &[u8], uid: u64, name: Option<&str>) -> Vec<(u64, u64)> {
    let text = String::from_utf8_lossy(raw);
    let own = |line: &str| {
        let mut fields = line.trim().split(':');
        let user = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (name == Some(user) || user.parse() == Ok(uid)).then_some(range)
    };
    text.lines().filter_map(own).collect()
}

/// The user is 0 inside; his ranges follow from 1 on, in order.
fn map(own: u64, ranges: &[(u64, u64)]) -> Vec<IdRange> {
    let mut map = vec![IdRange { inside: 0, outside: own, size: 1 }];
    let mut inside = 1u64;
    for &(outside, size) in ranges {
        map.push(IdRange { inside, outside, size });
        inside = inside.saturating_add(size);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_root_inside_and_his_ranges_follow() {
        let lines = b"root:1:1\nann:100000:65536\n1000:200000:10\n# ann:1:1\nann:x:1\n";
        let own = ranges(lines, 1000, Some("ann"));
        assert_eq!(own, [(100_000, 65_536), (200_000, 10)]);
        let ids = IdMap { uids: map(1000, &own), gids: Vec::new() };
        let inside = |outside| ids.uid_inside(outside);
        assert_eq!([1000, 100_000, 165_535, 200_000, 7].map(inside), [0, 1, 65_536, 65_537, 7]);
        assert_eq!(ranges(lines, 1001, None), []);
    }

    #[test]
    fn a_disk_tells_its_users_ids() {
        let disk = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(disk.path().join("sda1/etc")).unwrap();
        let put = |file: &str, text: &str| std::fs::write(disk.path().join("sda1/etc").join(file), text).unwrap();
        put("passwd", "ann:x:4321:4321::/home/ann:/bin/sh\n");
        put("subuid", "ann:500000:65536\n");
        let root = Root::open(disk.path()).unwrap();
        let store = Store { host: Some(HostPath::from("sda1")), ..crate::document::nowhere() };
        let owner = Stat { uid: 4321, gid: 4321, ..root.stat(&HostPath::from("sda1")).unwrap() };
        assert_eq!(known(&root, &store, &owner), None);
        put("subgid", "4321:600000:65536\n");
        let ids = known(&root, &store, &owner).unwrap();
        assert_eq!([4321, 500_032].map(|uid| ids.uid_inside(uid)), [0, 33]);
        assert_eq!([4321, 600_043].map(|gid| ids.gid_inside(gid)), [0, 44]);
        assert_eq!(known(&root, &Store { host: None, ..store }, &owner), None);
    }
}
