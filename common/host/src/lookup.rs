//! What a name means: docker's rules for containers and images.

use model::{Container, Finding, Image, Network};
use serde_json::Value;

/// Why a name means nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No container has this name or id.
    #[error("No such container: {0}")]
    NoContainer(String),
    /// Its record cannot be read, so nothing can be said of it.
    #[error("cannot read container {name}: {detail}")]
    Damaged {
        /// As asked for.
        name: String,
        /// The finding that stands in the way.
        detail: String,
    },
    /// No image has this name or id.
    #[error("No such image: {0}")]
    NoImage(String),
    /// No volume has this name.
    #[error("get {0}: no such volume")]
    NoVolume(String),
    /// No network has this name or id.
    #[error("network {0} not found")]
    NoNetwork(String),
    /// No plugin has this name or id.
    #[error("plugin \"{0}\" not found")]
    NoPlugin(String),
    /// Several ids begin like this.
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
}

/// Whether `name` can be an id or the beginning of one at all.
pub fn may_be_id(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Docker's order for containers: the full id, the full name, then the beginning of one id
/// (moby v20.10.24 daemon/container.go GetContainer).
pub fn container(all: Vec<Container>, name: &str, findings: &[Finding]) -> Result<Container, LookupError> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let at = all
        .iter()
        .position(|container| container.id.as_str() == name)
        .or_else(|| all.iter().position(|container| container.names.iter().any(|own| own == bare)))
        .map_or_else(|| by_prefix(all.iter().map(|container| container.id.as_str()), name), Ok);
    match at {
        Ok(at) => Ok(all.into_iter().nth(at).expect("the position is one of the list")),
        Err(Miss::Many) => Err(LookupError::Ambiguous(name.to_string())),
        Err(Miss::None) => Err(match damaged(name, findings) {
            Some(detail) => LookupError::Damaged { name: name.to_string(), detail },
            None => LookupError::NoContainer(name.to_string()),
        }),
    }
}

/// The containers of that name: in several stores there may be several.
pub fn namesakes(all: &[Container], name: &str) -> Vec<Container> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let is_id = all.iter().any(|container| container.id.as_str() == name);
    let named = all.iter().filter(|container| !is_id && container.names.iter().any(|own| own == bare));
    named.cloned().collect()
}

/// Docker's order for images: a full id, a name with tag or digest (`latest` where there is none), then the beginning of
/// one id (moby v20.10.24 daemon/images/image.go GetImage). Returns the position in `all`.
pub fn image(all: &[Image], reference: &str) -> Result<usize, LookupError> {
    let bare = reference.strip_prefix("sha256:").unwrap_or(reference);
    let familiar = familiar(reference);
    let tagged = if has_tag(&familiar) { familiar.clone() } else { format!("{familiar}:latest") };
    let found = all
        .iter()
        .position(|image| image.id.as_str() == bare)
        .or_else(|| all.iter().position(|image| image.tags.iter().any(|tag| names_equal(tag, &tagged))))
        .or_else(|| all.iter().position(|image| image.digests.iter().any(|digest| names_equal(digest, &familiar))));
    if let Some(at) = found {
        return Ok(at);
    }
    by_prefix(all.iter().map(|image| image.id.as_str()), bare).map_err(|miss| match miss {
        Miss::Many => LookupError::Ambiguous(reference.to_string()),
        Miss::None if has_tag(reference) || reference.contains('@') => LookupError::NoImage(reference.to_string()),
        Miss::None => LookupError::NoImage(format!("{reference}:latest")),
    })
}

/// Docker's order for networks: the full id, the name, then the beginning of one id
/// (moby v20.10.24 daemon/network.go FindNetwork). Returns the position in `all`.
pub fn network(all: &[Network], name: &str) -> Result<usize, LookupError> {
    all.iter()
        .position(|network| network.id.as_str() == name)
        .or_else(|| all.iter().position(|network| network.name == name))
        .map_or_else(|| by_prefix(all.iter().map(|network| network.id.as_str()), name), Ok)
        .map_err(|miss| match miss {
            Miss::Many => LookupError::Ambiguous(name.to_string()),
            Miss::None => LookupError::NoNetwork(name.to_string()),
        })
}

/// Docker's order for plugins: the full id, the name (`latest` where it has no tag), then the beginning of one id
/// (moby v20.10.24 plugin/store.go). Returns the position in `all`.
pub fn plugin(all: &[Value], name: &str) -> Result<usize, LookupError> {
    let of = |plugin: &Value, key: &str| plugin.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let familiar = familiar(name);
    let tagged = if has_tag(&familiar) { familiar.clone() } else { format!("{familiar}:latest") };
    let ids: Vec<String> = all.iter().map(|plugin| of(plugin, "Id")).collect();
    ids.iter()
        .position(|id| id == name)
        .or_else(|| all.iter().position(|plugin| names_equal(&of(plugin, "Name"), &tagged)))
        .map_or_else(|| by_prefix(ids.iter().map(String::as_str), name), Ok)
        .map_err(|miss| match miss {
            Miss::Many => LookupError::Ambiguous(name.to_string()),
            Miss::None => LookupError::NoPlugin(name.to_string()),
        })
}

enum Miss {
    None,
    Many,
}

/// The position of the one id that begins with `prefix`; the same id in two stores counts once.
fn by_prefix<'a>(ids: impl Iterator<Item = &'a str>, prefix: &str) -> Result<usize, Miss> {
    let mut hit: Option<(usize, &str)> = None;
    for (at, id) in ids.enumerate().filter(|(_, id)| !prefix.is_empty() && id.starts_with(prefix)) {
        match hit {
            Some((_, first)) if first != id => return Err(Miss::Many),
            Some(_) => {}
            None => hit = Some((at, id)),
        }
    }
    hit.map(|(at, _)| at).ok_or(Miss::None)
}

/// The finding that keeps a container from being read, where the name is the id that it speaks of.
fn damaged(name: &str, findings: &[Finding]) -> Option<String> {
    let id = |text: &str| name.len() >= 4 && (text.contains(name) || name.len() > 12 && text.contains(&name[..12]));
    let about =
        |finding: &&Finding| id(&finding.subject) || finding.path.as_ref().is_some_and(|path| id(&path.to_string()));
    name.is_ascii().then(|| findings.iter().find(about)).flatten().map(|finding| finding.to_string())
}

/// A name as docker shows it: without `docker.io/` and `library/`.
fn familiar(reference: &str) -> String {
    let rest = reference
        .strip_prefix("docker.io/")
        .or_else(|| reference.strip_prefix("index.docker.io/"))
        .unwrap_or(reference);
    rest.strip_prefix("library/").unwrap_or(rest).to_string()
}

/// Whether two names are one, familiar or not. Podman's `localhost/x` is also found as `x`, as podman finds it.
fn names_equal(recorded: &str, asked: &str) -> bool {
    let recorded = familiar(recorded);
    recorded == asked || recorded.strip_prefix("localhost/").is_some_and(|rest| rest == asked)
}

/// Whether a reference has a tag or digest: a colon after its last slash.
fn has_tag(reference: &str) -> bool {
    reference.rsplit('/').next().is_some_and(|last| last.contains([':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{HostPath, Id};

    fn image_of(id: &str, tags: &[&str]) -> Image {
        Image {
            id: Id::new(id).unwrap(),
            store: 0,
            tags: tags.iter().map(|tag| tag.to_string()).collect(),
            digests: vec![],
            parent: None,
            created: None,
            size: None,
            config: Box::default(),
            record: HostPath::default(),
            manifest: None,
            layers: vec![],
        }
    }

    #[test]
    fn images_are_found_as_docker_finds_them() {
        let all = [
            image_of("aa11", &["app:1", "app:latest"]),
            image_of("aa22", &["host:5000/team/app:stable", "aa:latest"]),
            image_of("bb33", &["docker.io/library/busybox:latest", "localhost/own:2"]),
        ];
        for (reference, at) in [
            ("app", 0),
            ("app:1", 0),
            ("docker.io/library/app:1", 0),
            ("sha256:aa11", 0),
            ("aa1", 0),
            ("aa", 1),
            ("host:5000/team/app:stable", 1),
            ("busybox", 2),
            ("own:2", 2),
            ("b", 2),
        ] {
            assert_eq!(image(&all, reference), Ok(at), "{reference}");
        }
        assert_eq!(image(&all, "a"), Err(LookupError::Ambiguous("a".into())));
        assert_eq!(image(&all, "nosuch"), Err(LookupError::NoImage("nosuch:latest".into())));
        assert_eq!(image(&all, "app:3"), Err(LookupError::NoImage("app:3".into())));
        assert_eq!(image(&all, ""), Err(LookupError::NoImage(":latest".into())));
    }
}
