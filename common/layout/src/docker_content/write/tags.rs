//! Names of images: `image/<driver>/repositories.json` (moby v20.10.24 reference/store.go).

use model::{Digest, HostPath, Id, Reference, Timestamp};
use serde_json::{Map, Value};

use super::{EditError, Writer};
use crate::docker_content::read::{image_store, metadata_of};
use crate::json::RECORD_LIMIT;

/// The file as it lies, keys that we do not know included.
pub(super) struct Names {
    whole: Map<String, Value>,
}

/// The key that holds the table.
const TABLE: &str = "Repositories";

impl Names {
    /// All names, with the id of the image that each means, sorted as docker sorts them: by the full name.
    pub fn all(&self) -> Vec<(Reference, Digest)> {
        let tables = self.whole.get(TABLE).and_then(Value::as_object).into_iter().flat_map(Map::values);
        let pairs = tables.filter_map(Value::as_object).flatten();
        let mut out: Vec<(Reference, Digest)> =
            pairs.filter_map(|(name, id)| Some((Reference::parse(name).ok()?, id.as_str()?.parse().ok()?))).collect();
        out.sort_by_key(|(reference, _)| reference.full());
        out
    }

    /// The image that a name means. A name with tag and digest means its digest.
    pub fn get(&self, reference: &Reference) -> Option<Digest> {
        let wanted = reference.clone().or_latest().by_digest();
        self.all().into_iter().find(|(name, _)| *name == wanted).map(|(_, id)| id)
    }

    fn set(&mut self, reference: &Reference, id: &Digest) {
        let table = object(self.whole.entry(TABLE));
        let names = object(table.entry(reference.repository()));
        names.insert(reference.familiar(), Value::String(id.to_string()));
    }

    fn remove(&mut self, reference: &Reference) -> bool {
        let table = object(self.whole.entry(TABLE));
        let mut removed = false;
        for names in table.values_mut().filter_map(Value::as_object_mut) {
            let before = names.len();
            names.retain(|name, _| Reference::parse(name).as_ref() != Ok(reference));
            removed |= names.len() < before;
        }
        table.retain(|_, names| names.as_object().is_none_or(|names| !names.is_empty()));
        removed
    }

    /// The bytes, with sorted keys as Go writes them.
    fn bytes(&self) -> Vec<u8> {
        let mut value = Value::Object(self.whole.clone());
        value.sort_all_objects();
        serde_json::to_vec(&value).expect("a JSON value is written")
    }
}

/// The object under a key; whatever else stands there means nothing to docker either.
fn object(entry: serde_json::map::Entry<'_>) -> &mut Map<String, Value> {
    let value = entry.or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made one if it was none")
}

impl Writer {
    /// The images' names as they are recorded now.
    pub(super) fn names(&self) -> Result<Names, EditError> {
        let path = self.names_path();
        let raw = match self.root().read(&path, RECORD_LIMIT) {
            Ok(raw) => raw,
            Err(error) if error.is_missing() => return Ok(Names { whole: Map::new() }),
            Err(error) => return Err(error.into()),
        };
        match serde_json::from_slice(&raw) {
            Ok(Value::Object(whole)) => Ok(Names { whole }),
            // dockerd does not even start with such a file: it is not ours to write over.
            _ => Err(EditError::Record { path, why: "is no valid JSON; mend it or move it away first".into() }),
        }
    }

    fn names_path(&self) -> HostPath {
        image_store(&self.store).join("repositories.json")
    }

    /// Gives an image a name, `latest` where it has no tag; gives back the image that had this name before, if it was
    /// another one. Where that fails, an image that this writer made and that has no other name is removed again.
    pub fn tag(&mut self, reference: &Reference, id: &Digest) -> Result<Option<Digest>, EditError> {
        let done = self.set_name(reference, id);
        if done.is_err() {
            // What the first error says counts; what cannot be undone now is undone by the next writer.
            let _ = self.undo_image(id);
        }
        done
    }

    fn set_name(&mut self, reference: &Reference, id: &Digest) -> Result<Option<Digest>, EditError> {
        if !self.image_exists(id) {
            return Err(EditError::NoImage(id.to_string()));
        }
        let reference = reference.clone().or_latest().by_digest();
        let mut names = self.names()?;
        let before = names.get(&reference);
        self.note_updated(id)?;
        if before != Some(*id) {
            names.set(&reference, id);
            self.write_names(&names)?;
        }
        Ok(before.filter(|before| before != id))
    }

    /// Takes a name away; says whether it was there.
    pub fn untag(&mut self, reference: &Reference) -> Result<bool, EditError> {
        let mut names = self.names()?;
        let removed = names.remove(&reference.clone().or_latest().by_digest());
        if removed {
            self.write_names(&names)?;
        }
        Ok(removed)
    }

    /// The names of an image, sorted by their full form.
    pub(super) fn names_of(&self, id: &Digest) -> Result<Vec<Reference>, EditError> {
        Ok(self.names()?.all().into_iter().filter(|(_, of)| of == id).map(|(name, _)| name).collect())
    }

    fn write_names(&self, names: &Names) -> Result<(), EditError> {
        self.target.make_dirs(&image_store(&self.store), 0o700)?;
        Ok(self.target.write(&self.names_path(), &names.bytes(), 0o600)?)
    }

    /// When a tag of the image last changed (image/store.go SetLastUpdated, 17.07 and later).
    fn note_updated(&self, id: &Digest) -> Result<(), EditError> {
        let path = metadata_of(&self.store, &Id::from(*id), "lastUpdated");
        self.target.make_dirs(&path.parent(), 0o700)?;
        Ok(self.target.write(&path, now().rfc3339().as_bytes(), 0o600)?)
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}
