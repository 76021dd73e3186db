//! The records of `graph/`: bytes to data.
//!
//! moby v0.6.4 image.go, v1.2.0 image/image.go, v1.9.1 graph/graph.go; the key lists by version: layouts/docker-graph.md.

use model::{Id, Timestamp};
use serde::Deserialize;

use crate::docker_content::records::{ImageRecord, Names};
use crate::json::{self, Loose, Notes, Pairs};

/// An image's `json`, as far as lists need it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Record {
    id: Loose<String>,
    parent: Loose<String>,
    /// 1.9 writes this instead of `parent` for what it pulled by digest.
    parent_id: Loose<String>,
    created: Loose<String>,
    comment: Loose<String>,
    container_config: Loose<Container>,
    #[serde(rename = "Size")]
    size: Loose<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Container {
    cmd: Loose<Command>,
}

/// A command: a list, or one string (runconfig/config.go Command, v1.7.0).
#[derive(Deserialize)]
#[serde(untagged)]
enum Command {
    List(Vec<String>),
    One(String),
}

/// An image of before 1.10.
#[derive(Clone, Debug, Default)]
pub(crate) struct V1 {
    pub parent: Option<Id>,
    pub created: Option<Timestamp>,
    pub comment: String,
    /// The command of the container that it was committed from.
    pub created_by: String,
    /// Bytes of its own layer; `None` where not recorded.
    pub size: Option<u64>,
    pub raw: Vec<u8>,
}

impl V1 {
    /// An image from its `json`, the file `parent` and the file `layersize`, where these are there.
    pub fn parse(raw: Vec<u8>, folder: &Id, parent: Option<&str>, size: Option<&str>, notes: &mut Notes) -> V1 {
        let record: Record = json::parse(&raw, notes).unwrap_or_default();
        let id = record.id.take("id", notes);
        if !id.is_empty() && id != folder.as_str() {
            notes.add(
                "id-differs",
                format!("the record says id '{id}', its folder is '{folder}'; docker would not take it"),
            );
        }
        let own = record.size.get("Size", notes);
        V1 {
            parent: parent_of(parent, &record.parent.take("parent", notes), &record.parent_id.take("parent_id", notes)),
            created: ImageRecord::time(record.created.get("created", notes), notes),
            comment: record.comment.take("comment", notes),
            created_by: command(record.container_config, notes),
            size: size.and_then(|text| text.trim().parse().ok()).or(own.and_then(|n| u64::try_from(n).ok())),
            raw,
        }
    }
}

/// The file counts before `parent`, that before `parent_id` (migrate/v1/migratev1.go getParent, v1.10.0).
fn parent_of(file: Option<&str>, parent: &str, parent_id: &str) -> Option<Id> {
    [file.unwrap_or_default().trim(), parent, parent_id].into_iter().find(|text| !text.is_empty()).and_then(Id::new)
}

fn command(config: Loose<Container>, notes: &mut Notes) -> String {
    let config = config.get("container_config", notes).unwrap_or_default();
    match config.cmd.get("container_config.Cmd", notes) {
        Some(Command::List(words)) => words.join(" "),
        Some(Command::One(word)) => word,
        None => String::new(),
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Repositories {
    repositories: Loose<Pairs<Loose<Pairs<Loose<String>>>>>,
}

/// Names from `repositories`: by repository, then by tag; since 1.6 a digest may stand for a tag (graph/tags.go, v1.6.0).
pub(crate) fn names(raw: &[u8], notes: &mut Notes) -> Names {
    let mut names = Names::default();
    let table: Repositories = json::parse(raw, notes).unwrap_or_default();
    for (repository, tags) in table.repositories.take("Repositories", notes).0 {
        for (tag, id) in tags.take(&repository, notes).0 {
            let Some(id) = Id::new(&id.take(&tag, notes)) else {
                notes.add("value-odd", format!("'{repository}:{tag}' names no image"));
                continue;
            };
            let between = if tag.starts_with("sha256:") { '@' } else { ':' };
            names.add(id, format!("{repository}{between}{tag}"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::HostPath;

    fn parse(json: &str, folder: &str, parent: Option<&str>, size: Option<&str>) -> (V1, usize) {
        let mut notes = Notes::new("", &HostPath::default());
        let image = V1::parse(json.as_bytes().to_vec(), &Id::new(folder).unwrap(), parent, size, &mut notes);
        (image, notes.list.len())
    }

    #[test]
    fn images_of_2013_have_sixteen_digits_and_no_parent() {
        // The base image of docker 0.6.4's time, made by a script.
        let json = r#"{"comment":"Imported from http://get.docker.io/images/base","container_config":{"Tty":false,"Cmd":null,"Memory":0},"id":"27cf784147099545","created":"2013-03-23T22:24:18.818426-07:00"}"#;
        let (image, findings) = parse(json, "27cf784147099545", None, Some("94863360"));
        assert_eq!((image.parent, image.size, findings), (None, Some(94_863_360), 0));
        assert_eq!(image.created.map(Timestamp::rfc3339).as_deref(), Some("2013-03-24T05:24:18.818426Z"));
    }

    #[test]
    fn the_parent_file_counts_first() {
        let json = r#"{"id":"b","parent":"a","parent_id":"sha256:c","Size":7,"container_config":{"Cmd":["/bin/sh","-c","x"]}}"#;
        let (image, _) = parse(json, "b", Some("d\n"), Some("-1"));
        assert_eq!(image.parent, Id::new("d"));
        assert_eq!((image.size, image.created_by.as_str()), (Some(7), "/bin/sh -c x"));
        assert_eq!(parse(json, "b", None, None).0.parent, Id::new("a"));
        assert_eq!(parse(r#"{"parent_id":"sha256:c"}"#, "b", Some(""), None).0.parent, Id::new("c"));
    }

    #[test]
    fn a_digest_among_the_tags_is_a_digest() {
        let mut notes = Notes::new("", &HostPath::default());
        let names = names(br#"{"Repositories":{"x":{"1":"aa","sha256:bb":"aa"}}}"#, &mut notes);
        assert_eq!(names.of(&Id::new("aa").unwrap()), (vec!["x:1".into()], vec!["x@sha256:bb".into()]));
    }
}
