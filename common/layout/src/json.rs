//! JSON records as they lie: read within limits, taken apart without letting one bad value cost the rest.

use std::fmt;

use hostfs::Root;
use model::{Finding, HostPath};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The most bytes that are read of one record. Docker's largest are a few hundred kilobytes.
pub(crate) const RECORD_LIMIT: u64 = 16 << 20;

/// The most values of one record. Each takes about a hundred bytes in memory, so this bounds what a record can cost.
const VALUES_LIMIT: usize = 400_000;

/// What is being read, for findings; and those that came up.
#[derive(Debug)]
pub(crate) struct Notes {
    subject: String,
    path: HostPath,
    /// What came up.
    pub list: Vec<Finding>,
}

impl Notes {
    pub fn new(subject: impl Into<String>, path: &HostPath) -> Notes {
        Notes { subject: subject.into(), path: path.clone(), list: Vec::new() }
    }

    /// The object at hand.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Records something about the object and file at hand.
    pub fn add(&mut self, code: &'static str, detail: impl Into<String>) {
        self.list.push(Finding::new(code, detail).about(self.subject.clone()).at(self.path.clone()));
    }

    /// Goes on with another file of the same object.
    pub fn at(&mut self, path: &HostPath) -> &mut Notes {
        self.path = path.clone();
        self
    }
}

/// Reads a record, `None` with a finding where it cannot be.
pub(crate) fn read(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<Vec<u8>> {
    let raw = read_bytes(root, path, notes)?;
    if raw.iter().all(u8::is_ascii_whitespace) {
        notes.at(path).add("record-empty", "the record is empty");
        return None;
    }
    Some(raw)
}

/// Reads a record that may well be absent: then `None` without a finding.
pub(crate) fn read_if_there(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<Vec<u8>> {
    match root.read(path, RECORD_LIMIT) {
        Err(error) if error.is_missing() => None,
        Ok(raw) if !raw.is_empty() => Some(raw),
        _ => read(root, path, notes),
    }
}

fn read_bytes(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<Vec<u8>> {
    root.read(path, RECORD_LIMIT).map_err(|error| notes.at(path).add(code_of(&error), error.problem.to_string())).ok()
}

/// The word for programs that says why a file could not be read.
pub(crate) fn code_of(error: &hostfs::ReadError) -> &'static str {
    match error.problem {
        hostfs::Problem::Missing => "record-missing",
        hostfs::Problem::Symlink => "record-symlink",
        hostfs::Problem::NotFile(_) | hostfs::Problem::NotDir => "record-not-file",
        hostfs::Problem::TooLarge { .. } => "record-too-large",
        hostfs::Problem::Denied => "record-denied",
        hostfs::Problem::Io(_) | hostfs::Problem::NotTar(_) => "record-unreadable",
    }
}

/// Reads a record and takes it as a JSON document; `None` with a finding where that fails.
pub(crate) fn read_value(root: &Root, path: &HostPath, notes: &mut Notes) -> Option<Value> {
    let raw = read(root, path, notes)?;
    value(&raw, notes.at(path))
}

/// A JSON document from bytes; `None` with a finding where it is none. Of a key that is there twice the last counts.
pub(crate) fn value(raw: &[u8], notes: &mut Notes) -> Option<Value> {
    let parsed = parse::<Unique>(raw, notes)?;
    for key in parsed.twice {
        notes.add("key-twice", format!("the key '{key}' is there twice; the last one counts"));
    }
    Some(parsed.value)
}

/// A type from the bytes of a JSON document, where they are one and it fits.
pub(crate) fn fits<'a, T: Deserialize<'a>>(raw: &'a [u8]) -> serde_json::Result<T> {
    let mut document = serde_json::Deserializer::from_slice(raw);
    let found = T::deserialize(Objects(&mut document))?;
    document.end().map(|()| found)
}

/// A type from the bytes of a JSON document; `None` with a finding where it does not fit.
pub(crate) fn parse<'a, T: Deserialize<'a>>(raw: &'a [u8], notes: &mut Notes) -> Option<T> {
    // Commas are counted without regard to strings: too many is too many only by a little.
    if raw.len() > VALUES_LIMIT && raw.iter().filter(|&&b| b == b',' || b == b'[' || b == b'{').count() > VALUES_LIMIT {
        notes.add("record-too-large", format!("it holds more than {VALUES_LIMIT} values"));
        return None;
    }
    match fits(raw) {
        Ok(it) => Some(it),
        Err(error) if error.is_eof() => {
            notes.add("record-truncated", format!("the record ends too early, after {} bytes", raw.len()));
            None
        }
        Err(error) => {
            notes.add("record-damaged", format!("it is no valid JSON: {error}"));
            None
        }
    }
}

/// What derived readers are given: an array is no record, though serde takes one for the list of a record's fields, and finds
/// an empty one whole.
struct Objects<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A value that may be of another type than docker writes: then the rest of the record is still good.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) enum Loose<T> {
    /// There is no such key.
    #[default]
    Absent,
    /// The key holds `null`.
    Null,
    /// As expected.
    Good(T),
    /// Something else, and why it does not fit.
    Bad(String),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(if raw == "null" {
            Loose::Null
        } else {
            fits(raw.as_bytes())
                .map_or_else(|error: serde_json::Error| Loose::Bad(format!("{} ({error})", excerpt(raw))), Loose::Good)
        })
    }
}

fn excerpt(raw: &str) -> String {
    let short: String = raw.chars().take(24).collect();
    if short.len() < raw.len() { format!("{short}…") } else { short }
}

impl<T: Default> Loose<T> {
    /// The value, else its default; what does not fit is a finding that names the key.
    pub fn take(self, key: &str, notes: &mut Notes) -> T {
        self.get(key, notes).unwrap_or_default()
    }
}

impl<T> Loose<T> {
    /// The value, `None` where absent or null; what does not fit is a finding that names the key.
    pub fn get(self, key: &str, notes: &mut Notes) -> Option<T> {
        match self {
            Loose::Good(value) => Some(value),
            Loose::Absent | Loose::Null => None,
            Loose::Bad(why) => {
                notes.add("value-odd", format!("{key} holds {why}; it is left out"));
                None
            }
        }
    }
}

/// A JSON object as pairs in the record's order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Pairs<T>(pub Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Pairs(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut out = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    out.push(pair);
                }
                Ok(Pairs(out))
            }
            fn visit_unit<E>(self) -> Result<Pairs<T>, E> {
                Ok(Pairs(Vec::new()))
            }
        }
        deserializer.deserialize_any(Objects(std::marker::PhantomData))
    }
}

/// A document, with the keys that some object in it holds twice.
struct Unique {
    value: Value,
    twice: Vec<String>,
}

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut twice = Vec::new();
        let value = serde::de::DeserializeSeed::deserialize(Node { twice: &mut twice }, deserializer)?;
        Ok(Unique { value, twice })
    }
}

/// Builds a [`Value`] and notes keys that come twice. Depth is bounded by serde_json itself, at 128.
struct Node<'a> {
    twice: &'a mut Vec<String>,
}

impl<'de> serde::de::DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }
    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(it) = list.next_element_seed(Node { twice: &mut *self.twice })? {
            out.push(it);
        }
        Ok(Value::Array(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let it = map.next_value_seed(Node { twice: &mut *self.twice })?;
            if out.insert(key.clone(), it).is_some() && self.twice.len() < 16 {
                self.twice.push(key);
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Default, PartialEq, Debug)]
    #[serde(default)]
    struct Inner {
        flag: bool,
    }

    #[derive(serde::Deserialize, Default, PartialEq, Debug)]
    #[serde(default)]
    struct Outer {
        inner: Loose<Inner>,
        list: Vec<u8>,
    }

    #[test]
    fn an_array_is_no_record_however_empty() {
        let path = HostPath::from("x");
        let check = |raw: &str, inner: Option<Inner>, findings: usize| {
            let mut notes = Notes::new("", &path);
            let found: Option<Outer> = parse(raw.as_bytes(), &mut notes);
            let found = found.map(|outer| outer.inner.take("inner", &mut notes));
            assert_eq!((found, notes.list.len()), (inner, findings), "{raw}");
        };
        check(r#"{"inner":{"flag":true},"list":[1]}"#, Some(Inner { flag: true }), 0);
        check(r#"{"inner":null}"#, Some(Inner::default()), 0);
        check(r#"{"inner":[]}"#, Some(Inner::default()), 1);
        check(r#"{"inner":[true]}"#, Some(Inner::default()), 1);
        check("[]", None, 1);
        check("{} {}", None, 1);
        check("null", None, 1);
    }
}
