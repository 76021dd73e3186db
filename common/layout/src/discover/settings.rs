//! The folders that engines' settings name.

use hostfs::{FileKind, Root};
use model::HostPath;
use serde_json::Value;

use super::flags::{self, Named};
use super::links;
use super::users::User;

/// Settings are small; more is none.
const LARGEST: u64 = 256 << 10;
/// A folder of units holds hundreds; more is none.
const MOST_UNITS: usize = 4096;
/// Bytes of all files that may hold a command line: a host has some hundred units of a kilobyte each.
const MOST_TEXT: usize = 4 << 20;

/// Files that hold a daemon's command line, or variables for it.
const COMMAND_LINES: [&str; 10] = [
    "etc/default/docker",
    "etc/sysconfig/docker",
    "etc/sysconfig/docker-storage",
    "etc/sysconfig/docker-latest",
    "etc/conf.d/docker",
    "etc/rc.conf",
    "etc/init/docker.conf",
    "etc/init.d/docker",
    "etc/default/containerd",
    "opt/bootlocal.sh",
];

/// Folders of systemd's units (systemd.unit(5)).
const UNITS: [&str; 5] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "lib/systemd/system",
    "usr/lib/systemd/system",
    "run/systemd/system",
];

/// The folders that engines' settings name, as absolute paths of that host.
pub(super) fn settings(root: &Root, host: &HostPath, users: &[User]) -> Vec<String> {
    let lines = command_lines(root, host, users);
    let mut found = Vec::new();
    let homes = users.iter().map(|user| user.home.join(".config/docker/daemon.json").to_string());
    let usual = [
        "etc/docker/daemon.json",
        "var/snap/docker/current/config/daemon.json",
        "ProgramData/docker/config/daemon.json",
    ];
    for file in usual.map(str::to_string).into_iter().chain(homes).chain(lines.settings) {
        found.extend(text_at(root, host, &file).iter().flat_map(|text| data_roots(text)));
    }
    for file in ["etc/containerd/config.toml"].map(str::to_string).into_iter().chain(lines.containerd) {
        found.extend(
            toml_at(root, host, &file).iter().filter_map(|file| file.get("root")?.as_str().map(str::to_string)),
        );
    }
    found.extend(storage_conf(root, host, users));
    found.extend(lines.homes);
    found.retain(|path| path.starts_with('/'));
    found
}

/// docker's `data-root`, before 17.05 `graph` (moby v20.10.24 daemon/config/config.go).
fn data_roots(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}');
    let Ok(json) = serde_json::from_str::<Value>(text) else {
        return ["\"data-root\"", "\"graph\""].iter().filter_map(|key| value_after(text, key)).collect();
    };
    ["data-root", "graph"].iter().filter_map(|key| json[*key].as_str()).map(str::to_string).collect()
}

/// The string that follows a key where the text as a whole is no JSON.
fn value_after(text: &str, key: &str) -> Option<String> {
    let rest = text.split_once(key)?.1.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(value, _)| value.to_string())
}

/// containers/storage's `graphroot`, `rootless_storage_path` and `additionalimagestores` (containers/storage v1.59.1
/// storage.conf, types/options.go).
fn storage_conf(root: &Root, host: &HostPath, users: &[User]) -> Vec<String> {
    let mut found = Vec::new();
    for file in ["etc/containers/storage.conf", "usr/share/containers/storage.conf"] {
        let Some(conf) = toml_at(root, host, file) else { continue };
        found.extend(stores_of(&conf));
        let rootless = storage_key(&conf, "rootless_storage_path");
        found.extend(users.iter().filter_map(|user| expanded(rootless?, user)));
    }
    for user in users {
        let file = user.home.join(".config/containers/storage.conf").to_string();
        let Some(conf) = toml_at(root, host, &file) else { continue };
        found.extend(stores_of(&conf).into_iter().filter_map(|path| expanded(&path, user)));
    }
    found
}

fn stores_of(conf: &toml::Table) -> Vec<String> {
    let options = conf.get("storage").and_then(|storage| storage.get("options"));
    let more = options.and_then(|options| options.get("additionalimagestores")?.as_array());
    let more = more.into_iter().flatten().filter_map(|path| path.as_str());
    storage_key(conf, "graphroot").into_iter().chain(more).map(str::to_string).collect()
}

fn storage_key<'a>(conf: &'a toml::Table, key: &str) -> Option<&'a str> {
    conf.get("storage")?.get(key)?.as_str()
}

/// A path with a user's variables put in; `None` where one of them is not known.
fn expanded(path: &str, user: &User) -> Option<String> {
    let home = format!("/{}", user.home);
    let mut path = path.to_string();
    for (variable, value) in [("HOME", &home), ("USER", &user.name), ("UID", &user.uid)] {
        for spelling in [format!("${{{variable}}}"), format!("${variable}")] {
            if path.contains(&spelling) && value.is_empty() {
                return None;
            }
            path = path.replace(&spelling, value);
        }
    }
    Some(path)
}

/// What the command lines of all daemons name.
fn command_lines(root: &Root, host: &HostPath, users: &[User]) -> Named {
    let own = users.iter().map(|user| user.home.join(".config/systemd/user"));
    let folders: Vec<HostPath> = UNITS.iter().map(|folder| HostPath::from(*folder)).chain(own).collect();
    let files = COMMAND_LINES.iter().map(|file| file.to_string());
    let mut all = Named::default();
    let mut left = MOST_TEXT;
    for file in files.chain(folders.iter().flat_map(|folder| units(root, host, folder))) {
        let text = text_at(root, host, &file).unwrap_or_default();
        let Some(rest) = left.checked_sub(text.len()) else { break };
        left = rest;
        if !is_of_an_engine(&text) {
            continue;
        }
        let more = flags::named(&text);
        all.homes.extend(more.homes);
        all.settings.extend(more.settings);
        all.containerd.extend(more.containerd);
    }
    all
}

fn is_of_an_engine(text: &str) -> bool {
    ["docker", "DOCKER", "containerd", "k3s", "rke2"].iter().any(|name| text.contains(name))
}

/// The services of a folder of units, and what adds to them.
fn units(root: &Root, host: &HostPath, folder: &HostPath) -> Vec<String> {
    let names = |folder: &HostPath| {
        let entries = root.entries(&host.join(folder.as_bytes())).unwrap_or_default();
        let mut names: Vec<_> = entries.into_iter().take(MOST_UNITS).map(|entry| folder.join(&entry.name)).collect();
        names.sort();
        names
    };
    let is = |path: &HostPath, end: &[u8]| path.as_bytes().ends_with(end);
    let (services, others): (Vec<_>, Vec<_>) = names(folder).into_iter().partition(|path| is(path, b".service"));
    let added = others.iter().filter(|path| is(path, b".service.d")).flat_map(names);
    services.into_iter().chain(added).map(|path| path.to_string()).collect()
}

/// A file of the host as text; links are followed as that host would have.
pub(super) fn text_at(root: &Root, host: &HostPath, path: &str) -> Option<String> {
    let path = links::real(root, host, &HostPath::from(path))?;
    let is_file = root.stat(&path).is_ok_and(|stat| stat.kind == FileKind::File);
    is_file.then(|| root.read(&path, LARGEST).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())).flatten()
}

fn toml_at(root: &Root, host: &HostPath, path: &str) -> Option<toml::Table> {
    text_at(root, host, path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_no_json_still_name_a_place() {
        for text in [
            r#"{"data-root": "/srv/d"}"#,
            "\u{feff}{\"data-root\": \"/srv/d\"}",
            "{\n  \"log-driver\": \"local\", // mine\n  \"data-root\" : \"/srv/d\",\n}",
            r#"{"graph":"/srv/d",}"#,
        ] {
            assert_eq!(data_roots(text), ["/srv/d"], "{text}");
        }
        assert_eq!(data_roots("{\"data-root\": 5"), Vec::<String>::new());
    }

    #[test]
    fn a_users_variables_are_put_in_where_they_are_known() {
        let ann = User { name: "ann".into(), uid: "".into(), home: HostPath::from("srv/ann") };
        assert_eq!(expanded("${HOME}/c", &ann).as_deref(), Some("/srv/ann/c"));
        assert_eq!(expanded("/x/$USER", &ann).as_deref(), Some("/x/ann"));
        assert_eq!(expanded("/x/$UID", &ann), None);
    }
}
