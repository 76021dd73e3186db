//! The promises of reading, judged by strace: every call that opens or changes something is looked at.

use std::path::Path;
use std::process::{Command, Stdio};

use hostfs::{Dir, Root};
use model::HostPath;

/// Says to the child where the root is.
const ROOT: &str = "PROMISES_TEST_ROOT";

/// A root with every way out and every kind of file that must not be opened.
const HOSTILE: &str = "mkdir -p root/d/e outside && echo secret > outside/secret && echo x > root/d/f && ln root/d/f root/hard \
    && ln -s ../outside root/out && ln -s /etc/passwd root/passwd && ln -s ../../../../../../etc root/d/up && ln -s /d root/inside \
    && ln -s loop root/loop && mkfifo root/fifo && truncate -s 20G root/sparse && ln -s /proc/self/root root/magic";

/// Reads all that can be read, in every way that there is.
#[test]
#[ignore = "started by reading_opens_nothing_outside_and_changes_nothing"]
fn child_that_reads_everything() {
    let Ok(path) = std::env::var(ROOT) else { return };
    let root = Root::open(Path::new(&path)).unwrap();
    for path in [
        "out/secret",
        "out",
        "passwd",
        "d/up/passwd",
        "d/f",
        "fifo",
        "../outside/secret",
        "magic/etc/passwd",
        "loop",
        "inside/f",
        "sparse",
        "/etc/passwd",
    ] {
        let path = HostPath::from(path);
        let read = root.read(&path, 1 << 20);
        assert_eq!(read.is_ok(), path.as_bytes() == b"d/f", "{path}");
        let _ = (
            root.stat(&path),
            root.read_link(&path),
            root.open_dir(&path).is_ok(),
            root.open_dir_inside(&path).is_ok(),
        );
        assert!(
            !root
                .open_dir_inside(&path)
                .is_ok_and(|dir| dir.open_file(b"secret").is_ok() || dir.open_file(b"passwd").is_ok()),
            "{path}"
        );
    }
    walk(&root.open_dir(&HostPath::default()).unwrap());
}

fn walk(dir: &Dir) {
    for entry in dir.entries().unwrap() {
        let _ = (dir.stat(&entry.name), dir.xattrs(&entry.name), dir.read_link(&entry.name));
        let _ = dir
            .open_file(&entry.name)
            .map(|file| (file.xattrs().is_ok(), file.extents().is_ok(), file.read_all(1 << 20).is_ok()));
        if let Ok(below) = dir.open_dir(&entry.name) {
            walk(&below);
        }
    }
}

/// What keeps a call inside: a way that the kernel keeps below the root, or one name that is not followed.
fn is_kept_inside(call: &str) -> bool {
    call.contains("RESOLVE_BENEATH")
        || call.contains("RESOLVE_IN_ROOT")
        || call.contains("O_NOFOLLOW") && !quoted(call).contains('/')
}

/// The path that a call was given.
fn quoted(call: &str) -> &str {
    call.split('"').nth(1).unwrap_or("")
}

#[test]
fn reading_opens_nothing_outside_and_changes_nothing() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("CI").is_none(), "this test needs strace, and CI is set");
        eprintln!("no verdict: strace is not here");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    assert!(Command::new("sh").args(["-ec", HOSTILE]).current_dir(place.path()).status().unwrap().success());
    let (root, log) = (place.path().join("root"), place.path().join("log"));
    let own = std::env::current_exe().unwrap();
    let child = Command::new("strace")
        .args([
            "-f",
            "-s",
            "4096",
            "-e",
            "trace=%file,open_tree,ftruncate,fchmod,fchown,fsetxattr,fremovexattr,mknodat",
            "-o",
        ])
        .arg(&log)
        .arg(&own)
        .args(["--exact", "child_that_reads_everything", "--ignored"])
        .env(ROOT, &root)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let text = std::fs::read_to_string(&log).unwrap();
    let calls: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(' ')).map(|(_, call)| call.trim_start()).collect();
    // Before the root is opened, the program itself is loaded.
    let begin = calls.iter().position(|call| Path::new(quoted(call)) == root).unwrap();
    let calls = &calls[begin..];
    let is_named = |call: &str, names: &[&str]| names.iter().any(|name| call.starts_with(&format!("{name}(")));
    let mut opened = 0;
    for call in calls.iter().filter(|call| is_named(call, &["open", "openat", "openat2", "creat"])) {
        let path = quoted(call);
        assert!(
            !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| call.contains(flag))
                || path.starts_with("/dev/"),
            "{call}"
        );
        // What the program asks of its own process, and the root itself, are named in full.
        let own = path.starts_with("/proc/self/") || path.starts_with("/sys/fs/cgroup");
        let is_root = Path::new(path) == root && call.contains("O_PATH");
        assert!(own || is_root || is_kept_inside(call), "{call}");
        opened += usize::from(!own);
    }
    assert!(opened > 50, "hardly anything was opened: {opened}");
    let changing = [
        "unlink",
        "unlinkat",
        "rename",
        "renameat",
        "renameat2",
        "mkdir",
        "mkdirat",
        "rmdir",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "truncate",
        "ftruncate",
        "chmod",
        "fchmod",
        "fchmodat",
        "chown",
        "fchown",
        "lchown",
        "fchownat",
        "utimensat",
        "setxattr",
        "lsetxattr",
        "fsetxattr",
        "removexattr",
        "fremovexattr",
        "mknod",
        "mknodat",
        "mount",
        "umount2",
    ];
    let changed: Vec<&&str> = calls.iter().filter(|call| is_named(call, &changing)).collect();
    assert!(changed.is_empty(), "{changed:?}");
}
