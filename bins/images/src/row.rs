//! Rows: one a name (docker/cli v28, cli/command/formatter/image.go), exact fields of our own beside docker's.

use cli::format::{Column, Row};
use cli::human;
use model::{Generation, Image, Store, Timestamp};
use serde_json::Value;

/// What stands above the columns.
pub const HEADERS: &[Column] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("Store", "STORE"),
    ("Created", "CREATED"),
    ("SizeBytes", "SIZE"),
    ("ParentID", "PARENT ID"),
    ("Record", "RECORD"),
];

/// A name as three columns show it; docker's `<none>` where there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The digest.
    pub digest: String,
}

const NONE: &str = "<none>";

/// The names of an image, a row each; with digests, every tag of a repository with every digest of it.
pub fn names(image: &Image, with_digests: bool) -> Vec<Name> {
    let name = |repository: &str, tag: &str, digest: &str| Name {
        repository: repository.into(),
        tag: tag.into(),
        digest: digest.into(),
    };
    let digests: Vec<(&str, &str)> = image.digests.iter().filter_map(|name| name.split_once('@')).collect();
    let mut names = Vec::new();
    for tagged in &image.tags {
        let (repository, tag) = tagged.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((tagged, NONE));
        let own: Vec<&str> =
            digests.iter().filter(|(name, _)| *name == repository).map(|(_, digest)| *digest).collect();
        match with_digests && !own.is_empty() {
            true => names.extend(own.iter().map(|digest| name(repository, tag, digest))),
            false => names.push(name(repository, tag, NONE)),
        }
    }
    for (repository, digest) in digests {
        if !names.iter().any(|name| name.repository == repository)
            || with_digests && !names.iter().any(|name| name.digest == digest)
        {
            names.push(name(repository, NONE, if with_digests { digest } else { NONE }));
        }
    }
    if names.is_empty() {
        names.push(name(NONE, NONE, NONE));
    }
    names
}

/// The row of one name of an image.
pub fn row(image: &Image, name: &Name, store: &Store, trunc: bool) -> Row {
    let size = |digits: fn(u64) -> String| image.size.map_or_else(|| "N/A".into(), digits);
    Row::new([
        ("ID", if trunc { image.id.short().to_string() } else { full(image, store) }.into()),
        ("Repository", name.repository.as_str().into()),
        ("Tag", name.tag.as_str().into()),
        ("Digest", name.digest.as_str().into()),
        ("CreatedSince", human::ago(image.created, human::now()).into()),
        ("CreatedAt", image.created.map_or_else(|| "N/A".into(), Timestamp::docker).into()),
        ("Size", size(human::size).into()),
        ("VirtualSize", size(human::size_four).into()),
        ("Containers", "N/A".into()),
        ("SharedSize", "N/A".into()),
        ("UniqueSize", "N/A".into()),
        ("Store", store.to_string().into()),
        ("Created", image.created.map(Timestamp::rfc3339).into()),
        ("SizeBytes", image.size.into()),
        ("ParentID", image.parent.as_ref().map(ToString::to_string).into()),
        ("Record", image.record.to_string().into()),
    ])
}

/// The id as that engine shows it whole: content-addressed ones with their algorithm.
fn full(image: &Image, store: &Store) -> String {
    match store.generation {
        Generation::DockerFirst | Generation::DockerGraph => image.id.to_string(),
        _ if image.id.is_full() => format!("sha256:{}", image.id),
        _ => image.id.to_string(),
    }
}

/// The labels in an image's config, which is `config` today and was `Config` and `container_config` at times.
pub fn labels(image: &Image) -> Vec<(String, String)> {
    let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
    let labels = [&config["config"]["Labels"], &config["Config"]["Labels"]].into_iter().find_map(Value::as_object);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    labels.map(|labels| labels.iter().map(|(name, value)| (name.clone(), text(value))).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{HostPath, Id};

    fn check(tags: &[&str], digests: &[&str], with_digests: bool, rows: &[&str]) {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let image = Image {
            id: Id::new("a").unwrap(),
            store: 0,
            tags: texts(tags),
            digests: texts(digests),
            parent: None,
            created: None,
            size: None,
            config: Box::default(),
            record: HostPath::default(),
            manifest: None,
            layers: Vec::new(),
        };
        let shown: Vec<String> =
            names(&image, with_digests).iter().map(|n| format!("{} {} {}", n.repository, n.tag, n.digest)).collect();
        assert_eq!(shown, rows);
    }

    #[test]
    fn an_image_has_a_row_for_each_name() {
        check(&[], &[], true, &["<none> <none> <none>"]);
        check(&["a:1", "h:5000/b:2"], &[], false, &["a 1 <none>", "h:5000/b 2 <none>"]);
        check(&["a:1", "a:2"], &["a@sha256:x"], true, &["a 1 sha256:x", "a 2 sha256:x"]);
        check(&["a:1"], &["a@sha256:x"], false, &["a 1 <none>"]);
        check(&[], &["a@sha256:x"], false, &["a <none> <none>"]);
        check(&["a:1"], &["b@sha256:x"], true, &["a 1 <none>", "b <none> sha256:x"]);
    }
}
