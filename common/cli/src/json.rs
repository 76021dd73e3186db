//! JSON for programs and, indented, for people: valid JSON, safe on a terminal.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};

/// One line of JSON, without the line's end.
///
/// Characters that may change what a terminal shows (C0, DEL, C1, line and bidi controls) stand as `\uXXXX`.
pub fn line<T: Serialize + ?Sized>(value: &T) -> String {
    written(value, CompactFormatter)
}

/// JSON indented by four spaces, as docker's `inspect` prints it, without a line's end after it.
pub fn pretty<T: Serialize + ?Sized>(value: &T) -> String {
    written(value, PrettyFormatter::with_indent(b"    "))
}

/// An array of objects as docker's `inspect` prints it: `[]` when empty, each object indented by four spaces.
pub fn array(values: &[Value]) -> String {
    if values.is_empty() { "[]".into() } else { pretty(values) }
}

fn written<T: Serialize + ?Sized>(value: &T, formatter: impl Formatter) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Safe(formatter));
    value.serialize(&mut serializer).expect("a Vec takes all, and keys are strings");
    String::from_utf8(out).expect("serde_json writes UTF-8")
}

/// A formatter that escapes what is not safe on a terminal and leaves all else to the one inside.
struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly all text is plain ASCII, of which nothing that is printed is unsafe.
        if fragment.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|&(_, c)| model::path::is_unsafe(c)) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            write!(writer, "\\u{:04x}", c as u32)?;
            from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_changes_a_terminal_is_escaped_and_nothing_else() {
        assert_eq!(
            line(&json!({"a<b>&": "\u{1b}\u{7f}\u{9b}\u{202e}ä\n"})),
            r#"{"a<b>&":"\u001b\u007f\u009b\u202eä\n"}"#
        );
    }

    #[test]
    fn arrays_look_as_docker_prints_them() {
        assert_eq!(array(&[]), "[]");
        assert_eq!(
            array(&[json!({"a": [], "b": {"c": [1]}})]),
            "[\n    {\n        \"a\": [],\n        \"b\": {\n            \"c\": [\n                1\n            ]\n        }\n    }\n]"
        );
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_is_safe(text in "\\PC*|[\\x00-\\u{9f}\\u{2000}-\\u{2070}\\u{feff}]*") {
            let written = line(&text);
            prop_assert!(!written.chars().any(model::path::is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
