//! JSON in Go's spelling, since an image's id is the digest of what Go's `encoding/json` writes.
//!
//! Source: Go 1.19 `encoding/json` (encode.go `encodeState.string`, indent.go `compact`): no spaces, `<`, `>`, `&` as
//! `\u003c`, `\u003e`, `\u0026`, the separators U+2028 and U+2029 escaped, other control characters as `\u00XX` but for
//! `\n`, `\r`, `\t` (and, in Go 1.22, `\b` and `\f`, which docker up to 24 writes as `\u0008` and `\u000c`).

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};
use std::io::{self, Write};

/// Writes `value` without spaces, with Go's escapes. Keys stay in the order that `value` has.
pub fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Go);
    value.serialize(&mut serializer).expect("maps with text keys serialize into memory");
    out
}

/// Takes the spaces out of JSON text and escapes what Go escapes; numbers and other escapes stay as they were written.
/// Go does the same with a `json.RawMessage`. The text must be JSON.
pub fn compact(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let (mut inside, mut escaped) = (false, false);
    for c in raw.chars() {
        if !inside {
            match c {
                ' ' | '\t' | '\n' | '\r' => continue,
                '"' => inside = true,
                _ => {}
            }
            out.push(c);
            continue;
        }
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
        inside = c != '"' || escaped;
        escaped = c == '\\' && !escaped;
    }
    out
}

/// A JSON object whose keys are written sorted and whose values are JSON texts already: Go's `map[string]*RawMessage`.
#[derive(Default)]
pub struct Object(std::collections::BTreeMap<String, String>);

impl Object {
    /// Takes an object's members with their values as they are written.
    pub fn parse(raw: &str) -> serde_json::Result<Object> {
        let members: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(raw)?;
        Ok(Object(members.into_iter().map(|(key, value)| (key, compact(value.get()))).collect()))
    }

    /// Sets a member.
    pub fn set(&mut self, key: &str, value: &impl Serialize) {
        let text = String::from_utf8(to_vec(value)).expect("serde_json writes UTF-8");
        self.0.insert(key.to_string(), text);
    }

    /// Takes members out.
    pub fn remove(&mut self, keys: &[&str]) {
        self.0.retain(|key, _| !keys.contains(&key.as_str()));
    }

    /// The object's bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (n, (key, value)) in self.0.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&to_vec(key));
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'}');
        out
    }
}

struct Go;

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let c = rest[at..].chars().next().expect("found there");
            write!(writer, "{}\\u{:04x}", &rest[..at], c as u32)?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\u0008"),
            CharEscape::FormFeed => writer.write_all(b"\\u000c"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        // Written by Go 1.19's json.Marshal.
        let text = "a<b>&\u{2028}\"\\/\n\r\t\u{8}\u{1}ä\u{7f}";
        assert_eq!(
            String::from_utf8(to_vec(&text)).unwrap(),
            "\"a\\u003cb\\u003e\\u0026\\u2028\\\"\\\\/\\n\\r\\t\\u0008\\u0001ä\u{7f}\""
        );
    }

    #[test]
    fn compacting_keeps_what_was_written() {
        for (raw, compacted) in [
            ("{ \"a\" : [ 1.0e3 , \"x y\" ] }\n", r#"{"a":[1.0e3,"x y"]}"#),
            (r#"{"a":"\u00e4 < \" > \\"}"#, r#"{"a":"\u00e4 \u003c \" \u003e \\"}"#),
        ] {
            assert_eq!(compact(raw), compacted);
        }
    }

    #[test]
    fn members_come_out_sorted() {
        let mut object = Object::parse(r#"{"b": 1, "a": null, "Size": 7}"#).unwrap();
        object.remove(&["Size"]);
        object.set("c", &["<"]);
        assert_eq!(object.to_vec(), br#"{"a":null,"b":1,"c":["\u003c"]}"#);
    }
}
