//! What is left out: what a person named, and what must not travel with a live host.

use model::EntryPath;

/// Folders of which a live host's image gets only the folder itself: what lies there is made by the kernel, by booting
/// or by mounting, or is another engine's store. `boot` holds kernels, which no container uses.
const CONTENTS: [&str; 19] = [
    "boot",
    "dev",
    "lost+found",
    "media",
    "mnt",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/lib/containerd",
    "var/lib/containers/storage",
    "var/lib/docker",
    "var/lib/lxcfs",
    "var/lib/snapd/snaps",
    "var/lib/systemd/coredump",
    "var/lock",
    "var/run",
    "var/spool/postfix/dev",
    "var/tmp",
];

/// Folders of which the files are left out, the folders inside kept: programs want to find them.
const FILES: [&str; 3] = ["var/cache", "var/lib/apt/lists", "var/log"];

/// Files that are left out.
const NAMES: [&str; 8] =
    ["initrd.img", "initrd.img.old", "swap.img", "swapfile", "var/swap", "var/swapfile", "vmlinuz", "vmlinuz.old"];

/// Which names are left out.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    patterns: Vec<Pattern>,
    host: bool,
    /// Data roots of this host, besides the usual one.
    roots: Vec<EntryPath>,
}

impl Rules {
    /// Leaves out names that match one of `patterns`; with `host` also what must not travel, `roots` included.
    pub fn new(patterns: &[String], host: bool, roots: Vec<EntryPath>) -> Rules {
        Rules { patterns: patterns.iter().map(|pattern| Pattern::new(pattern)).collect(), host, roots }
    }

    /// Whether nothing is ever left out.
    pub fn are_none(&self) -> bool {
        self.patterns.is_empty() && !self.host
    }

    /// The folder or pattern by which a name is left out; `None` where it is taken.
    pub fn leave_out(&self, path: &EntryPath, is_dir: bool) -> Option<String> {
        if let Some(pattern) = self.patterns.iter().find(|pattern| pattern.holds(path)) {
            return Some(pattern.text.clone());
        }
        if self.host { self.host(path, is_dir) } else { None }
    }

    fn host(&self, path: &EntryPath, is_dir: bool) -> Option<String> {
        let below = |folder: &[u8]| path.as_bytes().strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"));
        if let Some(folder) = CONTENTS.iter().find(|folder| below(folder.as_bytes())) {
            return Some((*folder).to_string());
        }
        if let Some(root) = self.roots.iter().find(|root| below(root.as_bytes())) {
            return Some(root.to_string());
        }
        if let Some(cache) = personal_cache(path) {
            return Some(cache);
        }
        if is_dir {
            return None;
        }
        let files = FILES.iter().find(|folder| below(folder.as_bytes()));
        files.or_else(|| NAMES.iter().find(|name| name.as_bytes() == path.as_bytes())).map(|name| (*name).to_string())
    }
}

/// `root/.cache` and `home/<user>/.cache`, for what lies below.
fn personal_cache(path: &EntryPath) -> Option<String> {
    let parts: Vec<&[u8]> = path.components().take(4).collect();
    match parts.as_slice() {
        [b"root", b".cache", _, ..] => Some("root/.cache".to_string()),
        [b"home", _, b".cache", _, ..] => Some("home/*/.cache".to_string()),
        _ => None,
    }
}

/// A name with `*`, `?` and `[…]`: from the top where it holds a slash, else any component.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    parts: Vec<Vec<u8>>,
    anywhere: bool,
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        let clean = text.trim_start_matches("./").trim_matches('/');
        let parts: Vec<Vec<u8>> = clean.split('/').map(|part| part.as_bytes().to_vec()).collect();
        let anywhere = parts.len() == 1 && !text.starts_with('/') && !text.starts_with("./");
        Pattern { text: text.to_string(), parts, anywhere }
    }

    /// Whether a path, or a folder above it, matches.
    fn holds(&self, path: &EntryPath) -> bool {
        let parts: Vec<&[u8]> = path.components().collect();
        if self.anywhere {
            return parts.iter().any(|part| matches(&self.parts[0], part));
        }
        parts.len() >= self.parts.len() && self.parts.iter().zip(&parts).all(|(pattern, part)| matches(pattern, part))
    }
}

/// Whether a component matches, as fnmatch(3) has it.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last star stood, and what it takes so far.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let step = one(&pattern[p..], name[n]);
        match (pattern.get(p), step) {
            (Some(b'*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (_, Some(used)) => {
                p += used;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// How many bytes of the pattern match one byte of the name; `None` where they do not.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'\\' => (*pattern.get(1)? == byte).then_some(2),
        b'[' => set(pattern, byte),
        first => (*first == byte).then_some(1),
    }
}

fn set(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = if negated { 2 } else { 1 };
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|&b| b == b']')?;
    let members = &pattern[start..end];
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        match members.get(at + 1..at + 3) {
            Some([b'-', last]) => {
                found |= (members[at]..=*last).contains(&byte);
                at += 3;
            }
            _ => {
                found |= members[at] == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> EntryPath {
        EntryPath::parse(raw.as_bytes()).unwrap()
    }

    fn check(pattern: &str, taken: &[&str], left: &[&str]) {
        let rules = Rules::new(&[pattern.to_string()], false, Vec::new());
        for name in taken {
            assert_eq!(rules.leave_out(&path(name), false), None, "{pattern} takes {name}");
        }
        for name in left {
            assert_eq!(rules.leave_out(&path(name), false).as_deref(), Some(pattern), "{pattern} leaves {name}");
        }
    }

    #[test]
    fn patterns_are_those_of_a_shell() {
        check("*.pyc", &["a.py", "a.pyc.txt"], &["a.pyc", "usr/lib/b.pyc", "x.pyc/below"]);
        check("var/cache/*", &["var/cache", "srv/var/cache/a"], &["var/cache/a", "var/cache/a/b"]);
        check("/srv", &["home/srv"], &["srv", "srv/a"]);
        check("[a-c]?[!x]", &["abx", "dbc", "ab"], &["abc", "czy"]);
        check("a*b*c", &["acb", "abcd"], &["abc", "axxbxxc", "abcbc"]);
    }

    #[test]
    fn a_live_host_keeps_its_empty_folders() {
        let rules = Rules::new(&[], true, vec![path("srv/docker")]);
        for (name, is_dir, by) in [
            ("proc", true, None),
            ("proc/1/maps", false, Some("proc")),
            ("dev/null", false, Some("dev")),
            ("var/log/nginx", true, None),
            ("var/log/nginx/access.log", false, Some("var/log")),
            ("var/lib/docker", true, None),
            ("var/lib/docker/overlay2", true, Some("var/lib/docker")),
            ("srv/docker/overlay2", true, Some("srv/docker")),
            ("swapfile", false, Some("swapfile")),
            ("home/a/.cache", true, None),
            ("home/a/.cache/x", true, Some("home/*/.cache")),
            ("home/proc/a", false, None),
            ("etc/passwd", false, None),
            ("", true, None),
        ] {
            assert_eq!(rules.leave_out(&path(name), is_dir).as_deref(), by, "{name}");
        }
    }
}
