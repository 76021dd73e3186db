//! Links: names under which one container knows another. Docker lists them as further names of the other one.
//!
//! From 1.10 on they stand in `HostConfig.Links` as `name:alias` (daemon/links.go, v1.10.0); before, in linkgraph.db.

use hostfs::Root;
use model::{Container, Id, Store};
use serde::Deserialize;

use crate::docker::folders;
use crate::json::{self, Loose, Notes};

/// Whether a list tells names that links give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Links {
    /// It does: another file of each container is read.
    Followed,
    /// It does not, or they stand elsewhere.
    Left,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    links: Loose<Vec<String>>,
    network_mode: Loose<String>,
}

/// The links in a container's hostconfig.json, as recorded.
///
/// Nearly no container has any, and lists ask this of all of them: so the text is searched before it is parsed.
pub(crate) fn of(root: &Root, store: &Store, id: &Id, notes: &mut Notes) -> Vec<String> {
    let path = folders::of(store, id).join("hostconfig.json");
    let Some(raw) = json::read_if_there(root, &path, notes) else { return Vec::new() };
    if !has_links(&raw) {
        return Vec::new();
    }
    let settings: HostConfig = json::parse(&raw, notes.at(&path)).unwrap_or_default();
    if on_own_network(&settings.network_mode.take("NetworkMode", notes)) {
        return Vec::new();
    }
    settings.links.take("Links", notes)
}

/// Whether a container of that mode is on a network that somebody made. Links there are aliases of that network alone:
/// docker neither names the linked container by them nor shows them in `HostConfig` (daemon/daemon_unix.go
/// registerLinks and api/types/container NetworkMode.IsUserDefined, v1.10.0 to v28.5.2).
pub(crate) fn on_own_network(mode: &str) -> bool {
    !matches!(mode, "" | "default" | "bridge" | "host" | "none") && !mode.starts_with("container:")
}

/// Whether the text of a hostconfig.json can hold a link: the key is there, with neither null nor an empty list.
fn has_links(raw: &[u8]) -> bool {
    const KEY: &[u8] = b"\"Links\"";
    let mut rest = raw;
    while let Some(quote) = rest.iter().position(|&b| b == b'"') {
        rest = &rest[quote..];
        if let Some(after) = rest.strip_prefix(KEY) {
            let value: Vec<u8> = after.iter().copied().filter(|b| !b.is_ascii_whitespace()).take(3).collect();
            return !(value.starts_with(b":nu") || value.starts_with(b":[]"));
        }
        rest = &rest[1..];
    }
    false
}

/// Gives linked containers their further names: `web/db` for what `web` knows as `db`.
pub(crate) fn name(list: &mut [Container], links: &[(usize, Vec<String>)]) {
    for (at, links) in links {
        let Some(user) = list[*at].names.first().cloned() else { continue };
        for link in links {
            let (target, alias) = link.split_once(':').unwrap_or((link, link));
            let target = target.trim_start_matches('/');
            // With a path the alias is its last component (`/web:/linked/w`, as inspect shows it).
            let alias = alias.rsplit('/').next().unwrap_or(alias);
            let is_target =
                |c: &&mut Container| c.names.first().is_some_and(|name| name == target) || c.id.as_str() == target;
            if let Some(linked) = list.iter_mut().find(is_target) {
                linked.names.push(format!("{user}/{alias}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_containers_on_the_default_bridge_only() {
        for (mode, own) in
            [("", false), ("default", false), ("bridge", false), ("container:web", false), ("mynet", true)]
        {
            assert_eq!(on_own_network(mode), own, "{mode}");
        }
    }

    #[test]
    fn only_a_list_with_links_is_parsed() {
        for (raw, has) in [
            (r#"{"Links":null}"#, false),
            (r#"{"Links": [ ]}"#, false),
            (r#"{"Binds":["a"],"Links":["web:w"]}"#, true),
            (r#"{"Links" : ["web:w"]}"#, true),
            ("{}", false),
            ("", false),
            ("\"", false),
        ] {
            assert_eq!(has_links(raw.as_bytes()), has, "{raw}");
        }
    }
}
