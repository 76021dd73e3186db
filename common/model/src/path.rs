//! Two kinds of path, both bytes: one inside a tree of files, one below the root of the host under study.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A path inside a tree: relative, no `..`, no empty or `.` component. Bytes, since tar and ext4 do not care for UTF-8.
///
/// The tree's own top is [`EntryPath::root`], which has no component. Paths are ordered by component, so that a
/// directory's contents follow it directly: `a`, `a/b`, `a-b`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct EntryPath(Box<[u8]>);

/// Why bytes are no [`EntryPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It begins with `/`.
    #[error("the path is absolute")]
    Absolute,
    /// A component is `..`.
    #[error("the path holds '..'")]
    Parent,
    /// It holds a zero byte, which no file name can.
    #[error("the path holds a zero byte")]
    Zero,
}

impl EntryPath {
    /// The top of the tree itself.
    pub fn root() -> EntryPath {
        EntryPath::default()
    }

    /// Takes a path as tar writes it: `./` in front, doubled and trailing slashes are dropped.
    pub fn parse(raw: &[u8]) -> Result<EntryPath, PathError> {
        if raw.first() == Some(&b'/') {
            return Err(PathError::Absolute);
        }
        if raw.contains(&0) {
            return Err(PathError::Zero);
        }
        let mut clean = Vec::with_capacity(raw.len());
        for part in raw.split(|&b| b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(PathError::Parent),
                _ => {
                    if !clean.is_empty() {
                        clean.push(b'/');
                    }
                    clean.extend_from_slice(part);
                }
            }
        }
        Ok(EntryPath(clean.into()))
    }

    /// Whether this is the top of the tree.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, with no leading or trailing slash; empty for the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or(b"")
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<EntryPath> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(EntryPath(self.0[..cut].into()))
    }

    /// The path of `name` in this directory. `name` is one component: not empty, no slash, not `.` or `..`.
    pub fn join(&self, name: &[u8]) -> EntryPath {
        EntryPath::in_folder(&self.0, name)
    }

    /// As [`EntryPath::join`], where the folder is the bytes of such a path.
    pub fn in_folder(folder: &[u8], name: &[u8]) -> EntryPath {
        debug_assert!(!name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..");
        let mut joined = Vec::with_capacity(folder.len() + 1 + name.len());
        joined.extend_from_slice(folder);
        if !joined.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(name);
        EntryPath(joined.into())
    }

    /// The components, top first; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty())
    }

    /// Whether `other` is this path or lies below it.
    pub fn holds(&self, other: &EntryPath) -> bool {
        self.is_root() || other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

impl Ord for EntryPath {
    fn cmp(&self, other: &EntryPath) -> Ordering {
        // A slash sorts before every other byte, which is the order by component.
        let key = |byte: &u8| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 };
        let same = same_blocks(&self.0, &other.0);
        self.0[same..].iter().map(key).cmp(other.0[same..].iter().map(key))
    }
}

/// How many bytes two paths begin with alike, in whole blocks: neighbours in a tree a thousand folders deep share nearly all.
fn same_blocks(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 256;
    BLOCK * a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK)).take_while(|(a, b)| a == b).count()
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &EntryPath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { f.write_str(&shown(&self.0)) }
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "EntryPath({self})")
    }
}

/// A path on the host under study, relative to the opened root: where a record or a layer lies in the evidence.
///
/// Bytes, never absolute. It is *not* checked against `..`: only `hostfs` opens it, and nothing leads it out.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct HostPath(Box<[u8]>);

impl HostPath {
    /// Takes a path below the root; leading slashes are dropped.
    pub fn new(path: impl AsRef<[u8]>) -> HostPath {
        let bytes = path.as_ref();
        let start = bytes.iter().position(|&b| b != b'/').unwrap_or(bytes.len());
        HostPath(bytes[start..].into())
    }

    /// The bytes; empty for the root itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// This path with `more` (one or several components) below it.
    pub fn join(&self, more: impl AsRef<[u8]>) -> HostPath {
        let more = more.as_ref();
        if self.0.is_empty() {
            return HostPath::new(more);
        }
        if more.is_empty() {
            return self.clone();
        }
        let mut joined = self.0.to_vec();
        if !joined.ends_with(b"/") {
            joined.push(b'/');
        }
        joined.extend_from_slice(HostPath::new(more).as_bytes());
        HostPath(joined.into())
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or(b"")
    }

    /// The folder that holds this path; the root's folder is the root.
    pub fn parent(&self) -> HostPath {
        let cut = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        HostPath(self.0[..cut].into())
    }
}

impl From<&str> for HostPath {
    fn from(path: &str) -> HostPath {
        HostPath::new(path)
    }
}

impl From<String> for HostPath {
    fn from(path: String) -> HostPath {
        HostPath::new(path)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() { f.write_str(".") } else { f.write_str(&shown(&self.0)) }
    }
}

impl fmt::Debug for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "HostPath({self})")
    }
}

/// Bytes as a person may see them: control characters, bidi controls and bytes that are not UTF-8 as `\xNN` or
/// `\u{N}`, a backslash doubled, so that no name reaches a terminal unescaped and two names never look alike.
pub fn shown(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) if is_plain(raw) => Cow::Borrowed(text),
        Ok(text) if !text.chars().any(|c| c == '\\' || is_unsafe(c)) => Cow::Borrowed(text),
        _ => Cow::Owned(escape(raw)),
    }
}

/// Whether these are letters, digits and signs of ASCII alone, as nearly all paths are: told without decoding.
fn is_plain(raw: &[u8]) -> bool {
    raw.iter().all(|b| matches!(b, b' '..=b'[' | b']'..=b'~'))
}

/// Whether a character may change what a terminal shows: C0, DEL, C1, line and bidi controls.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn escape(raw: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(raw.len() + 8);
    for chunk in raw.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if is_unsafe(c) && c.is_ascii() => write!(out, "\\x{:02x}", c as u32).expect("a String takes all"),
                c if is_unsafe(c) => write!(out, "\\u{{{:x}}}", c as u32).expect("a String takes all"),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a String takes all");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_cleans_what_tar_writes() {
        for (raw, clean) in
            [("./a/b/", "a/b"), ("a//b", "a/b"), (".", ""), ("./", ""), ("a/./b", "a/b"), ("..a/b..", "..a/b..")]
        {
            assert_eq!(EntryPath::parse(raw.as_bytes()).unwrap().as_bytes(), clean.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn parse_refuses_what_leads_out() {
        for (raw, why) in [
            ("/a", PathError::Absolute),
            ("a/../b", PathError::Parent),
            ("..", PathError::Parent),
            ("a\0b", PathError::Zero),
        ] {
            assert_eq!(EntryPath::parse(raw.as_bytes()), Err(why), "{raw}");
        }
    }

    #[test]
    fn a_directory_is_followed_by_its_contents() {
        let mut paths: Vec<EntryPath> = ["a-b", "a", "a/b", "b", "a/b/c", "a.c", ""]
            .iter()
            .map(|p| EntryPath::parse(p.as_bytes()).unwrap())
            .collect();
        paths.sort();
        let shown: Vec<String> = paths.iter().map(|p| p.to_string()).collect();
        assert_eq!(shown, [".", "a", "a/b", "a/b/c", "a-b", "a.c", "b"]);
    }

    #[test]
    fn holds_itself_and_what_lies_below() {
        let path = |raw: &str| EntryPath::parse(raw.as_bytes()).unwrap();
        assert!(path("a").holds(&path("a")) && path("a").holds(&path("a/b")) && path("").holds(&path("x")));
        assert!(!path("a").holds(&path("ab")) && !path("a/b").holds(&path("a")));
    }

    #[test]
    fn shown_names_cannot_fake_a_row() {
        assert_eq!(shown(b"plain \xc3\xa4"), "plain ä");
        assert_eq!(shown(b"\x1b]0;x\x07\n\\"), "\\x1b]0;x\\x07\\n\\\\");
        assert_eq!(shown(b"a\xffb\xe2\x80\xae"), "a\\xffb\\u{202e}");
    }
}
