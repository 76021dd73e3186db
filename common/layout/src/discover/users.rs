//! Users of a host, and their home directories.

use hostfs::Root;
use model::HostPath;

use super::links;
use super::settings::text_at;

/// More are no users of a host.
const MOST: usize = 1024;

/// A user, as far as settings speak of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct User {
    /// Empty where nothing but the home tells of him.
    pub name: String,
    /// Likewise.
    pub uid: String,
    /// On the host, below its `/`.
    pub home: HostPath,
}

/// Those of the host's own list, those that have a folder in `/home` or `/var/home`, and root.
pub(super) fn users(root: &Root, host: &HostPath) -> Vec<User> {
    let listed = text_at(root, host, "etc/passwd").unwrap_or_default();
    let is_there = |user: &User| links::real(root, host, &user.home).is_some();
    let mut all: Vec<User> = listed.lines().filter_map(listed_user).take(MOST).filter(is_there).collect();
    let homes = ["home", "var/home"].into_iter().flat_map(|folder| {
        let folder = HostPath::from(folder);
        let entries = root.entries(&host.join(folder.as_bytes())).unwrap_or_default();
        let mut homes: Vec<HostPath> = entries.iter().take(MOST).map(|entry| folder.join(&entry.name)).collect();
        homes.sort();
        homes
    });
    for home in homes.chain([HostPath::from("root")]) {
        if !all.iter().any(|user| user.home == home) {
            let name = String::from_utf8_lossy(home.name()).into_owned();
            all.push(User { name, uid: String::new(), home });
        }
    }
    all
}

/// A line of `/etc/passwd` (passwd(5)): of a user who has a home of his own.
fn listed_user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let (name, uid, home) = (fields.next()?, fields.nth(1)?, fields.nth(2)?);
    let is_own = home.len() > 1 && home.starts_with('/');
    is_own.then(|| User {
        name: name.to_string(),
        uid: uid.to_string(),
        home: HostPath::from(home.trim_end_matches('/')),
    })
}
