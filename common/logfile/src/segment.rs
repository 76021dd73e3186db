//! The files that a log was rotated into.

use std::cmp::Ordering;

use hostfs::Root;
use model::HostPath;

/// One file of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub path: HostPath,
    pub compressed: bool,
}

/// What stands behind the name of the newest file.
#[derive(PartialEq, Eq, Debug)]
enum Suffix {
    /// Docker counts: `.1` is newer than `.2` (moby daemon/logger/loggerutils/logfile.go, v20.10.24).
    Number(u64),
    /// Kubernetes dates: `.20240102-030405` (kubelet pkg/kubelet/logs/container_log_manager.go, v1.30).
    Date(Vec<u8>),
}

/// The files of a log, oldest first; `path` itself is the last one.
pub(crate) fn all(root: &Root, path: &HostPath) -> Vec<Segment> {
    let folder = path.parent();
    let entries = root.open_dir(&folder).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    let mut old: Vec<(Suffix, Segment)> =
        entries.iter().filter_map(|entry| rotated(&folder, path.name(), &entry.name)).collect();
    old.sort_by(|a, b| older_first(&a.0, &b.0).then(a.1.compressed.cmp(&b.1.compressed)));
    // A file and its compressed twin are both there when compressing was interrupted: the file is whole.
    old.dedup_by(|later, first| later.0 == first.0);
    let newest = Segment { path: path.clone(), compressed: false };
    old.into_iter().map(|(_, segment)| segment).chain(std::iter::once(newest)).collect()
}

fn rotated(folder: &HostPath, newest: &[u8], name: &[u8]) -> Option<(Suffix, Segment)> {
    let rest = name.strip_prefix(newest)?.strip_prefix(b".")?;
    let (suffix, compressed) = match rest.strip_suffix(b".gz") {
        Some(suffix) => (suffix, true),
        None => (rest, false),
    };
    let is_number = !suffix.is_empty() && suffix.iter().all(u8::is_ascii_digit);
    let is_date = suffix.len() == 15
        && suffix[8] == b'-'
        && suffix.iter().enumerate().all(|(at, b)| at == 8 || b.is_ascii_digit());
    let suffix = match std::str::from_utf8(suffix).ok()?.parse() {
        Ok(number) if is_number => Suffix::Number(number),
        _ if is_date => Suffix::Date(suffix.to_vec()),
        _ => return None,
    };
    Some((suffix, Segment { path: folder.join(name), compressed }))
}

fn older_first(a: &Suffix, b: &Suffix) -> Ordering {
    match (a, b) {
        (Suffix::Number(a), Suffix::Number(b)) => b.cmp(a),
        (Suffix::Date(a), Suffix::Date(b)) => a.cmp(b),
        (Suffix::Date(_), Suffix::Number(_)) => Ordering::Less,
        (Suffix::Number(_), Suffix::Date(_)) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[&str], newest: &str, order: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let found = all(&Root::open(dir.path()).unwrap(), &HostPath::new(newest));
        let names: Vec<String> = found.iter().map(|segment| segment.path.to_string()).collect();
        assert_eq!(names, order);
    }

    #[test]
    fn the_oldest_comes_first() {
        check(
            &["a-json.log", "a-json.log.1", "a-json.log.10", "a-json.log.2"],
            "a-json.log",
            &["a-json.log.10", "a-json.log.2", "a-json.log.1", "a-json.log"],
        );
        check(
            &["c.log", "c.log.1", "c.log.2.gz", "c.log.3.gz.tmp", "c.log.x"],
            "c.log",
            &["c.log.2.gz", "c.log.1", "c.log"],
        );
        check(&["c.log", "c.log.1", "c.log.1.gz"], "c.log", &["c.log.1", "c.log"]);
        check(
            &["0.log", "0.log.20240102-030405.gz", "0.log.20240101-030405.gz"],
            "0.log",
            &["0.log.20240101-030405.gz", "0.log.20240102-030405.gz", "0.log"],
        );
    }
}
