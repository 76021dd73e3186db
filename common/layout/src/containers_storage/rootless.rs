//! How ids of an ordinary user's storage lie on disk, where the records do not say: podman takes the user himself as root,
//! and for all others the ranges that `/etc/subuid` and `/etc/subgid` give him (podman v4.3.1 pkg/rootless, subuid(5)).

use hostfs::Root;
use model::{HostPath, IdMap, IdRange, Store};

use super::records;
use crate::json::{self, Notes};

/// The map of the user who owns the storage; with a finding where the old host's files do not tell it.
pub(crate) fn ids(root: &Root, store: &Store, notes: &mut Notes) -> IdMap {
    let Ok(stat) = root.stat(&records::driver_folder(store)) else { return IdMap::default() };
    let name = user_name(root.host(), stat.uid);
    let read = |file: &str, notes: &mut Notes| {
        json::read_if_there(root.host(), &HostPath::new(file), notes).map(|raw| ranges(&raw, stat.uid, name.as_deref()))
    };
    let uids = read("etc/subuid", notes).unwrap_or_default();
    let gids = read("etc/subgid", notes).unwrap_or_default();
    if uids.is_empty() || gids.is_empty() {
        let why = "the old host's /etc/subuid and /etc/subgid do not say which ids its user had (--host-root says where its / is); \
                   owners are shown as they lie on disk, his own as 0";
        notes.add("ids-unknown", why);
    }
    IdMap { uids: map(stat.uid, &uids), gids: map(stat.gid, &gids) }
}

fn user_name(host: &Root, uid: u64) -> Option<String> {
    const LIMIT: u64 = 4 << 20;
    let raw = host.read(&HostPath::new("etc/passwd"), LIMIT).ok()?;
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
}
