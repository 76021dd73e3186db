//! Which podman wrote a storage, as far as its records tell.
//!
//! No record names podman's version. Each container's spec names the version of the runtime spec that podman was built with
//! (libpod/container_internal.go, `spec.Version`; vendor/github.com/opencontainers/runtime-spec/specs-go/version.go of
//! each release), which tells the ages apart whose answers differ.

/// The version of the runtime spec that a podman was built with.
pub(crate) type SpecVersion = (u32, u32, u32);

/// Podmans that answer alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Age {
    /// 4.9 and before.
    Before5,
    /// 5.0 to 5.4.
    From5_0,
    /// 5.5 and later.
    From5_5,
}

impl Age {
    /// The age by the newest runtime spec of all containers.
    pub fn of(version: SpecVersion) -> Age {
        match version {
            (1, 2, 0) => Age::From5_0,
            newer if newer > (1, 2, 0) => Age::From5_5,
            _ => Age::Before5,
        }
    }
}

/// The version of the runtime spec that a container's config names, as it lies in the database.
pub(crate) fn spec_version(config: &[u8]) -> Option<SpecVersion> {
    const KEY: &[u8] = b"\"ociVersion\":\"";
    let at = config.windows(KEY.len()).position(|part| part == KEY)? + KEY.len();
    let word = config[at..].split(|&byte| byte == b'"').next()?;
    parse(std::str::from_utf8(word).ok()?)
}

/// `1.0.2-dev` and `1.1.0+dev` count as what they were on the way to.
fn parse(word: &str) -> Option<SpecVersion> {
    let digits = word.split(['-', '+']).next()?;
    let mut numbers = digits.split('.').map(|part| part.parse().ok());
    let version = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(version)
}

/// The releases that were built with a version of the runtime spec, in words.
pub(crate) fn releases(version: SpecVersion) -> &'static str {
    match version {
        older if older < (1, 0, 2) => "1.9 or before",
        (1, 0, 2) => "2.0 to 4.4",
        (1, 1, _) => "4.5 to 4.9",
        (1, 2, 0) => "5.0 to 5.4",
        _ => "5.5 or later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, version: Option<SpecVersion>, said: &str) {
        let config = format!(r#"{{"id":"ab","spec":{{"ociVersion":"{word}","process":{{}}}}}}"#);
        assert_eq!(spec_version(config.as_bytes()), version, "{word}");
        assert_eq!(version.map(releases).unwrap_or_default(), said, "{word}");
    }

    #[test]
    fn every_podman_is_told_by_the_spec_it_was_built_with() {
        check("1.0.1-dev", Some((1, 0, 1)), "1.9 or before");
        check("1.0.2-dev", Some((1, 0, 2)), "2.0 to 4.4");
        check("1.1.0-rc.1", Some((1, 1, 0)), "4.5 to 4.9");
        check("1.1.0+dev", Some((1, 1, 0)), "4.5 to 4.9");
        check("1.2.0", Some((1, 2, 0)), "5.0 to 5.4");
        check("1.2.1", Some((1, 2, 1)), "5.5 or later");
        check("1.3.0", Some((1, 3, 0)), "5.5 or later");
        for odd in ["", "1.2", "1.2.x", "1.2.0.1", "99999999999.0.0"] {
            check(odd, None, "");
        }
        assert_eq!(spec_version(br#"{"ociVersion":"1.2.0"#), Some((1, 2, 0)));
        assert_eq!(spec_version(b"{}"), None);
    }
}
