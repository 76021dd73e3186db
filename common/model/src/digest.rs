//! Names of things by content, and names that merely look so.

use std::fmt;
use std::str::FromStr;

/// A SHA-256 digest: 32 bytes, written `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// Why a text is no [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a sha256 digest: 64 hex digits are expected")]
pub struct NoDigest;

impl Digest {
    /// The 64 hex digits without `sha256:`.
    pub fn hex(&self) -> String {
        let mut out = String::with_capacity(64);
        for byte in self.0 {
            out.push(char::from_digit(u32::from(byte >> 4), 16).expect("a nibble is a hex digit"));
            out.push(char::from_digit(u32::from(byte & 15), 16).expect("a nibble is a hex digit"));
        }
        out
    }

    /// The first twelve hex digits, as docker's tables show ids.
    pub fn short(&self) -> String {
        self.hex()[..12].to_string()
    }
}

impl FromStr for Digest {
    type Err = NoDigest;

    /// Takes 64 lower-case hex digits with or without `sha256:`.
    fn from_str(text: &str) -> Result<Digest, NoDigest> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        if hex.len() != 64 {
            return Err(NoDigest);
        }
        let nibble = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(NoDigest),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The id of a container, image, network or layer, as the engine wrote it but without `sha256:`.
///
/// Mostly 64 hex digits, but images of 2013 have 16, and other stores use free text: no more is promised than that it
/// is safe as one component of a path (not empty, no slash, no zero byte, not `.` or `..`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Id(Box<str>);

impl Id {
    /// Takes an id with or without `sha256:`; `None` where it could lead a path elsewhere.
    pub fn new(text: &str) -> Option<Id> {
        let bare = text.strip_prefix("sha256:").unwrap_or(text);
        let safe = !bare.is_empty() && bare != "." && bare != ".." && !bare.contains(['/', '\0']);
        safe.then(|| Id(bare.into()))
    }

    /// The id without `sha256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve characters, as docker's tables show ids.
    pub fn short(&self) -> &str {
        self.0.char_indices().nth(12).map_or(&self.0, |(end, _)| &self.0[..end])
    }

    /// Whether this is 64 lower-case hex digits.
    pub fn is_full(&self) -> bool {
        Digest::from_str(&self.0).is_ok()
    }
}

impl From<Digest> for Id {
    fn from(digest: Digest) -> Id {
        Id(digest.hex().into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&crate::path::shown(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_back() {
        let text = "sha256:1a7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f";
        let digest: Digest = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.short(), "1a7872d5a2c8");
        for bad in
            ["", "sha256:", "sha256:1A7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f", &text[..70]]
        {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_never_lead_a_path_elsewhere() {
        for bad in ["", "sha256:", "..", ".", "a/b", "a\0"] {
            assert_eq!(Id::new(bad), None, "{bad:?}");
        }
        assert_eq!(Id::new("27cf784147099545").unwrap().short(), "27cf78414709");
        assert_eq!(Id::new("ab").unwrap().short(), "ab");
    }
}
