//! Where a copy lands: docker's rules (moby v20.10.24 pkg/archive/copy.go PrepareArchiveCopy).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Result, bail};

/// What is copied.
#[derive(Clone, Copy, Debug)]
pub struct Copied<'a> {
    /// Its own name.
    pub name: &'a [u8],
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Whether only what is in it is copied: its path ends in `/.`.
    pub contents: bool,
}

/// Where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Landing {
    /// The directory, which has to be there.
    pub folder: Vec<u8>,
    /// The name in it; empty for the directory itself.
    pub name: Vec<u8>,
}

/// Decides it: `there` says what is at `path` now, a directory or not.
pub fn land(copied: &Copied, path: &[u8], there: Option<bool>) -> Result<Landing> {
    let named = || {
        let clean = without_end(path);
        let at = clean.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
        let folder = if at == 0 { b".".to_vec() } else { clean[..at].to_vec() };
        Landing { folder, name: clean[at..].to_vec() }
    };
    match (there, copied.is_dir) {
        (Some(true), _) => {
            let name = if copied.contents { Vec::new() } else { copied.name.to_vec() };
            Ok(Landing { folder: path.to_vec(), name })
        }
        (Some(false), true) => bail!("cannot copy directory"),
        (None, false) if asserts_directory(path) => bail!("no such directory"),
        (Some(false), false) | (None, _) => Ok(named()),
    }
}

/// Whether a path says that it is a directory: it ends in `/` or `/.`.
pub fn asserts_directory(path: &[u8]) -> bool {
    path.ends_with(b"/") || path.ends_with(b"/.") || path == b"."
}

/// Whether a path means what is in a directory.
pub fn means_contents(path: &[u8]) -> bool {
    path.ends_with(b"/.") || path == b"."
}

/// The path without `/` and `/.` at its end.
pub fn without_end(path: &[u8]) -> &[u8] {
    let mut path = path;
    loop {
        path = match path {
            [rest @ .., b'/', b'.'] | [rest @ .., b'/'] if !rest.is_empty() => rest,
            _ => return path,
        };
    }
}

/// The last name of a path.
pub fn base(path: &[u8]) -> &[u8] {
    let path = without_end(path);
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// Bytes as a path of this machine.
pub fn path(bytes: &[u8]) -> &std::path::Path {
    std::path::Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_land_where_docker_has_them_land() {
        let said = |is_dir, contents, path: &str, there| {
            let copied = Copied { name: b"src", is_dir, contents };
            match land(&copied, path.as_bytes(), there) {
                Ok(landing) => {
                    format!("{} + {}", String::from_utf8_lossy(&landing.folder), String::from_utf8_lossy(&landing.name))
                }
                Err(error) => error.to_string(),
            }
        };
        for (is_dir, contents, path, there, landing) in [
            (false, false, "/a", Some(true), "/a + src"),
            (false, false, "/a/b", Some(false), "/a/ + b"),
            (false, false, "/a/b", None, "/a/ + b"),
            (false, false, "/a/b/", None, "no such directory"),
            (false, false, "/a/b/", Some(false), "/a/ + b"),
            (true, false, "/a", Some(true), "/a + src"),
            (true, true, "/a", Some(true), "/a + "),
            (true, false, "/a", Some(false), "cannot copy directory"),
            (true, false, "/a/new", None, "/a/ + new"),
            (true, true, "/a/new/", None, "/a/ + new"),
            (true, false, "new", None, ". + new"),
        ] {
            assert_eq!(said(is_dir, contents, path, there), landing, "{path} {there:?}");
        }
    }
}
