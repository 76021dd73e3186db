//! The records of the image store: bytes to data.
//!
//! moby v20.10.24: image/image.go and image/fs.go (configs), reference/store.go (tags), layer/filestore.go (layers and
//! mounts).

use std::collections::{BTreeMap, BTreeSet};

use model::{Digest, Id, Timestamp};
use serde::Deserialize;

use crate::json::{self, Loose, Notes, Pairs};

/// What lists need of an image's config.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct ImageRecord {
    pub created: Loose<String>,
    pub history: Loose<Vec<HistoryRecord>>,
    pub rootfs: Loose<RootfsRecord>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct RootfsRecord {
    pub diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
pub(crate) struct HistoryRecord {
    pub created: Option<String>,
    pub created_by: Option<String>,
    pub comment: Option<String>,
    pub empty_layer: Option<bool>,
}

impl ImageRecord {
    /// The config of an image; an empty one with a finding where the bytes are none.
    pub fn parse(raw: &[u8], notes: &mut Notes) -> ImageRecord {
        json::parse(raw, notes).unwrap_or_default()
    }

    /// The digests of its layers' tars, bottom first.
    pub fn diff_ids(rootfs: Loose<RootfsRecord>, notes: &mut Notes) -> Vec<Digest> {
        let texts = rootfs.take("rootfs", notes).diff_ids.unwrap_or_default();
        let mut out = Vec::with_capacity(texts.len());
        for text in texts {
            match text.parse() {
                Ok(digest) => out.push(digest),
                // What lies above stands on this one: none of it can be found.
                Err(_) => {
                    notes.add(
                        "value-odd",
                        format!("rootfs.diff_ids holds '{text}', which is no digest; the layers end there"),
                    );
                    break;
                }
            }
        }
        out
    }

    /// The time in a config; `None` for Go's zero.
    pub fn time(text: Option<String>, notes: &mut Notes) -> Option<Timestamp> {
        let text = text?;
        match Timestamp::parse_rfc3339(&text) {
            Some(time) => (!time.is_zero()).then_some(time),
            None => {
                notes.add("value-odd", format!("created holds '{text}', which is no time; it is left out"));
                None
            }
        }
    }
}

/// The chain ids of layers, bottom first (layer/layer.go CreateChainID): each covers all below it.
pub(crate) fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut out: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        out.push(out.last().map_or(*diff_id, |below| sha256(format!("{below} {diff_id}").as_bytes())));
    }
    out
}

/// The digest of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    Digest(out)
}

/// The names of images.
#[derive(Default, Debug)]
pub(crate) struct Names {
    by_id: BTreeMap<Id, (BTreeSet<String>, BTreeSet<String>)>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Repositories {
    repositories: Loose<Pairs<Loose<Pairs<Loose<String>>>>>,
}

impl Names {
    /// Names from `repositories.json`: by repository, then by full reference.
    pub fn parse(raw: &[u8], notes: &mut Notes) -> Names {
        let mut names = Names::default();
        let table: Repositories = json::parse(raw, notes).unwrap_or_default();
        for (repository, references) in table.repositories.take("Repositories", notes).0 {
            for (reference, id) in references.take(&repository, notes).0 {
                match Id::new(&id.take(&reference, notes)) {
                    Some(id) => names.add(id, reference),
                    None => notes.add("value-odd", format!("'{reference}' names no image")),
                }
            }
        }
        names
    }

    /// Gives an image another name.
    pub fn add(&mut self, id: Id, reference: String) {
        let (tags, digests) = self.by_id.entry(id).or_default();
        if reference.contains('@') {
            digests.insert(reference)
        } else {
            tags.insert(reference)
        };
    }

    /// The names with tags, and those with digests, of an image; sorted.
    pub fn of(&self, id: &Id) -> (Vec<String>, Vec<String>) {
        let (tags, digests) = self.by_id.get(id).cloned().unwrap_or_default();
        (tags.into_iter().collect(), digests.into_iter().collect())
    }

    /// What is wrong with the names of images that are not there.
    pub fn dangling(&self, is_there: impl Fn(&Id) -> bool) -> Vec<String> {
        let missing = self.by_id.iter().filter(|(id, _)| !is_there(id));
        let told = missing.map(|(id, (tags, digests))| {
            let all: Vec<&str> = tags.iter().chain(digests).map(String::as_str).collect();
            format!("{} names image {}, which is not in the store", all.join(", "), id.short())
        });
        told.collect()
    }
}

/// A `mount-id` or `init-id`: what docker itself accepts (layer/filestore.go stringIDRegexp).
pub(crate) fn mount_id(raw: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(raw).ok()?.trim();
    let hex = text.strip_suffix("-init").unwrap_or(text);
    Id::new(hex).filter(Id::is_full).map(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::HostPath;

    #[test]
    fn chain_ids_cover_what_lies_below() {
        // An image of three layers that dockerd 20.10.24 made.
        let digests = |texts: &[&str]| texts.iter().map(|it| it.parse().unwrap()).collect::<Vec<Digest>>();
        let one = "1a7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f";
        let chain = chain_ids(&digests(&[one, one]));
        assert_eq!(chain[0].hex(), one);
        assert_eq!(chain[1], sha256(format!("sha256:{one} sha256:{one}").as_bytes()));
    }

    #[test]
    fn one_bad_name_does_not_cost_the_others() {
        let id = "a".repeat(64);
        let raw = format!(r#"{{"Repositories":{{"x":{{"x:1":"sha256:{id}","x:2":7,"x@sha256:0":"{id}"}},"y":[]}}}}"#);
        let mut notes = Notes::new("tags", &HostPath::from("repositories.json"));
        let names = Names::parse(raw.as_bytes(), &mut notes);
        assert_eq!(names.of(&Id::new(&id).unwrap()), (vec!["x:1".to_string()], vec!["x@sha256:0".to_string()]));
        assert_eq!(notes.list.len(), 3, "{:?}", notes.list);
    }

    #[test]
    fn a_mount_id_never_leads_a_path_elsewhere() {
        let id = "ab".repeat(32);
        for good in [id.clone(), format!("{id}-init\n")] {
            assert_eq!(mount_id(good.as_bytes()).as_deref(), Some(good.trim()));
        }
        for bad in ["", "../../etc", "abc", "-init"] {
            assert_eq!(mount_id(bad.as_bytes()), None, "{bad}");
        }
    }
}
