//! Which way it goes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Result, bail};

use crate::args::Args;

/// One of two ways.
pub enum Way {
    /// Out of a container.
    Out {
        /// The container's name.
        container: String,
        /// The path in it, as typed.
        path: Vec<u8>,
    },
    /// Into one.
    Into {
        /// The container's name.
        container: String,
        /// The path in it, as typed.
        path: Vec<u8>,
    },
}

impl Way {
    /// Tells it from what was typed, in docker's words where it is none.
    pub fn of(args: &Args) -> Result<Way> {
        let way = match (split(&args.source), split(&args.destination)) {
            (Some(_), Some(_)) => bail!("copying between containers is not supported"),
            (None, None) => bail!("must specify at least one container source"),
            (Some((container, path)), None) => Way::Out { container, path },
            (None, Some((container, path))) => Way::Into { container, path },
        };
        let (Way::Out { path, .. } | Way::Into { path, .. }) = &way;
        if path.is_empty() {
            bail!("the path in the container is empty");
        }
        Ok(way)
    }
}

/// `CONTAINER:PATH`; what begins with `/` or `.` is a path here (docker/cli v20.10 cli/command/container/cp.go splitCpArg).
fn split(text: &OsStr) -> Option<(String, Vec<u8>)> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().position(|&b| b == b':')?;
    if bytes.starts_with(b"/") || bytes.starts_with(b".") || colon == 0 {
        return None;
    }
    Some((String::from_utf8_lossy(&bytes[..colon]).into_owned(), bytes[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_here_are_told_from_those_in_containers() {
        let said = |text: &str| split(OsStr::new(text)).map(|(name, path)| (name, String::from_utf8(path).unwrap()));
        assert_eq!(said("web:/x"), Some(("web".into(), "/x".into())));
        assert_eq!(said("web:"), Some(("web".into(), String::new())));
        for here in ["/a:b", "./a:b", "-", "x", ":x", ".:x"] {
            assert_eq!(said(here), None, "{here}");
        }
    }
}
