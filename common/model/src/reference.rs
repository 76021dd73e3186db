//! Names of images as people type them: docker's reference grammar, with docker's own words for what is wrong.
//!
//! The rules are those of distribution/reference v0.5 (`normalize.go`, `regexp.go`, `reference.go`): `busybox` means
//! `docker.io/library/busybox`, a first component with a dot, a colon or a capital, or `localhost`, is a host.

use std::fmt;

/// What docker puts before names without a host.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag of names that have neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

/// A well-formed name of an image: a repository with perhaps a tag, a digest, or both.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Reference {
    domain: Box<str>,
    path: Box<str>,
    tag: Option<Box<str>>,
    digest: Option<Box<str>>,
}

/// Why a text is no [`Reference`], in docker's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It does not match the grammar at all.
    #[error("invalid reference format")]
    Format,
    /// The repository's path holds capitals.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// It would be taken for an id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// The repository is longer than a registry takes.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The digest names an algorithm that docker does not know.
    #[error("unsupported digest algorithm")]
    DigestAlgorithm,
    /// The digest has the wrong number of digits for its algorithm.
    #[error("invalid checksum digest length")]
    DigestLength,
    /// The digest's digits are not lower-case hex.
    #[error("invalid checksum digest format")]
    DigestFormat,
}

impl Reference {
    /// Reads a name as a person types it, or as `repositories.json` holds it.
    pub fn parse(text: &str) -> Result<Reference, ReferenceError> {
        if is_id(text) {
            return Err(ReferenceError::LooksLikeId(text.into()));
        }
        let (domain, rest) = split_domain(text);
        let rest = match (domain, rest.contains('/')) {
            (DEFAULT_DOMAIN, false) => format!("library/{rest}"),
            _ => rest.to_string(),
        };
        let remote = rest.split(':').next().unwrap_or("");
        if remote.to_lowercase() != remote {
            return Err(ReferenceError::Uppercase(remote.into()));
        }
        parse_parts(domain, &rest)
    }

    /// The repository as docker shows it: `busybox`, `team/app`, `host:5000/app`.
    pub fn repository(&self) -> String {
        match (&*self.domain, self.path.strip_prefix("library/")) {
            (DEFAULT_DOMAIN, Some(short)) if !short.contains('/') => short.into(),
            (DEFAULT_DOMAIN, _) => self.path.to_string(),
            (domain, _) => format!("{domain}/{}", self.path),
        }
    }

    /// The repository in full: `docker.io/library/busybox`.
    pub fn full_repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The host: `docker.io` where none was named.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository below its host: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, where one was named.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest with its algorithm (`sha256:…`), where one was named.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The whole name as docker shows it: `busybox:1`, `busybox@sha256:…`.
    pub fn familiar(&self) -> String {
        self.with_suffixes(self.repository())
    }

    /// The whole name in full: `docker.io/library/busybox:1`.
    pub fn full(&self) -> String {
        self.with_suffixes(self.full_repository())
    }

    fn with_suffixes(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest);
        }
        name
    }

    /// This name with the tag `latest` where it has neither tag nor digest.
    pub fn or_latest(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.into());
        }
        self
    }

    /// This name without its tag where it has a digest too: the digest alone says which image is meant.
    pub fn by_digest(mut self) -> Reference {
        if self.digest.is_some() {
            self.tag = None;
        }
        self
    }

    /// The repository alone.
    pub fn without_tag(mut self) -> Reference {
        self.tag = None;
        self.digest = None;
        self
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

/// Whether docker takes the text for a whole id: 64 lower-case hex digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn split_domain(text: &str) -> (&str, &str) {
    let looks_like_host =
        |first: &str| first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first;
    match text.split_once('/') {
        // The registry's name of 2013.
        Some(("index.docker.io", rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest)) if looks_like_host(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    }
}

fn parse_parts(domain: &str, rest: &str) -> Result<Reference, ReferenceError> {
    let (name, digest) = match rest.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (rest, None),
    };
    let (path, tag) = match name.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (name, None),
    };
    let whole = is_domain(domain)
        && path.split('/').all(is_path_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest_shaped);
    if !whole {
        return Err(ReferenceError::Format);
    }
    if domain.len() + 1 + path.len() > 255 {
        return Err(ReferenceError::TooLong);
    }
    digest.map_or(Ok(()), check_digest)?;
    Ok(Reference { domain: domain.into(), path: path.into(), tag: tag.map(Into::into), digest: digest.map(Into::into) })
}

/// `component(.component)*`, or an IPv6 address in brackets, with perhaps a port.
fn is_domain(text: &str) -> bool {
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(inner) = text.strip_prefix('[') {
        let Some((address, port)) = inner.split_once(']') else { return false };
        let address_ok = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return address_ok && (port.is_empty() || port.strip_prefix(':').is_some_and(digits));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let component = |part: &str| {
        let inside = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inside && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    host.split('.').all(component) && port.is_none_or(digits)
}

/// Lower-case letters and digits, separated by one dot, one or two underscores, or dashes.
fn is_path_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|&b| word(b)) || !bytes.last().is_some_and(|&b| word(b)) {
        return false;
    }
    bytes
        .split(|&b| word(b))
        .all(|between| matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|&b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// `algorithm:hex` with at least 32 digits, as the grammar has it; whether they fit the algorithm is asked after.
fn is_digest_shaped(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let part = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(part) && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

fn check_digest(text: &str) -> Result<(), ReferenceError> {
    let (algorithm, hex) = text.split_once(':').unwrap_or((text, ""));
    let digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(ReferenceError::DigestAlgorithm),
    };
    if hex.len() != digits {
        return Err(ReferenceError::DigestLength);
    }
    if hex.bytes().any(|b| b.is_ascii_uppercase()) { Err(ReferenceError::DigestFormat) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHA: &str = "sha256:1a7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f";

    fn check(text: &str, repository: &str, tag: Option<&str>, full: &str) {
        let reference = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (reference.repository().as_str(), reference.tag(), reference.full().as_str()),
            (repository, tag, full),
            "{text}"
        );
        assert_eq!(Reference::parse(&reference.familiar()), Ok(reference), "{text}");
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        check("busybox", "busybox", None, "docker.io/library/busybox");
        check("busybox:1", "busybox", Some("1"), "docker.io/library/busybox:1");
        check("library/busybox", "busybox", None, "docker.io/library/busybox");
        check("library/a/b", "library/a/b", None, "docker.io/library/a/b");
        check("docker.io/busybox", "busybox", None, "docker.io/library/busybox");
        check("index.docker.io/team/app", "team/app", None, "docker.io/team/app");
        check("localhost/app", "localhost/app", None, "localhost/app");
        check("localhost:5000/app:x", "localhost:5000/app", Some("x"), "localhost:5000/app:x");
        check(
            "registry.example.com:5000/team/app:stable",
            "registry.example.com:5000/team/app",
            Some("stable"),
            "registry.example.com:5000/team/app:stable",
        );
        check("[::1]:5000/a", "[::1]:5000/a", None, "[::1]:5000/a");
        check("Host/a", "Host/a", None, "Host/a");
        check("a__b/c---d.e_f", "a__b/c---d.e_f", None, "docker.io/a__b/c---d.e_f");
        check(&format!("bb@{SHA}"), "bb", None, &format!("docker.io/library/bb@{SHA}"));
        check(&format!("bb:1@{SHA}"), "bb", Some("1"), &format!("docker.io/library/bb:1@{SHA}"));
    }

    #[test]
    fn refusals_are_dockers() {
        for (text, message) in [
            ("", "invalid reference format"),
            ("BAD", "invalid reference format: repository name (library/BAD) must be lowercase"),
            ("team/BAD:x", "invalid reference format: repository name (team/BAD) must be lowercase"),
            (
                &SHA[7..],
                "invalid repository name (1a7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f), cannot specify 64-byte hexadecimal strings",
            ),
            ("a:", "invalid reference format"),
            ("a:b:c", "invalid reference format"),
            ("-a", "invalid reference format"),
            ("a-", "invalid reference format"),
            ("a..b", "invalid reference format"),
            ("a___b", "invalid reference format"),
            ("a//b", "invalid reference format"),
            ("a:.x", "invalid reference format"),
            ("a/../b", "invalid reference format"),
            ("a b", "invalid reference format"),
            ("a@sha256:12", "invalid reference format"),
            ("a@sha256:00000000000000000000000000000000", "invalid checksum digest length"),
            ("a@md5:00000000000000000000000000000000", "unsupported digest algorithm"),
            (&"a".repeat(256), "repository name must not be more than 255 characters"),
        ] {
            assert_eq!(Reference::parse(text).map_err(|error| error.to_string()), Err(message.to_string()), "{text}");
        }
        assert!(Reference::parse(&format!("a:{}", "t".repeat(128))).is_ok());
        assert!(Reference::parse(&format!("a:{}", "t".repeat(129))).is_err());
    }

    #[test]
    fn latest_is_for_names_without_tag_and_digest() {
        let latest = |text: &str| Reference::parse(text).unwrap().or_latest().familiar();
        assert_eq!(latest("a"), "a:latest");
        assert_eq!(latest("a:1"), "a:1");
        assert_eq!(latest(&format!("a@{SHA}")), format!("a@{SHA}"));
        assert_eq!(Reference::parse(&format!("a:1@{SHA}")).unwrap().by_digest().familiar(), format!("a@{SHA}"));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(text in "[a-zA-Z0-9._:/@-]{0,24}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(Reference::parse(&reference.familiar()), Ok(reference.clone()));
                prop_assert_eq!(Reference::parse(&reference.full()), Ok(reference));
            }
        }
    }
}
