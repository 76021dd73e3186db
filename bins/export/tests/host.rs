//! `export --host`: a data root as it lies, on this machine's own file systems.

use std::path::Path;
use std::process::{Command, Output};

const EXPORT: &str = env!("CARGO_BIN_EXE_export");

/// What engines leave that a merged tree would hide or lose: marks of overlay and aufs, attributes, holes, hard links.
const ROOT: &str = "
mkdir -p overlay2/a/diff/gone overlay2/l containers/c aufs/diff/x
mknod overlay2/a/diff/was c 0 0
setfattr -n trusted.overlay.opaque -v y overlay2/a/diff/gone
touch aufs/diff/x/.wh.name aufs/diff/x/.wh..wh..opq
echo '{' > containers/c/config.v2.json; ln containers/c/config.v2.json containers/c/again
ln -s ../../../etc/passwd containers/c/out; mkfifo containers/c/fifo
truncate -s 40M containers/c/sparse; chown 1000:999999 containers/c/sparse
printf x > \"$(printf 'containers/c/\\377\\nname')\"
touch -h -d '1969-12-31T23:59:58.25Z' containers/c/out containers/c/fifo
";

#[test]
fn a_data_root_goes_into_a_tar_and_is_read_from_it_as_from_the_disk() {
    let place = made();
    let (root, tar) = (place.path().join("root"), place.path().join("root.tar"));
    let whole = export(&root, &["--output", tar.to_str().expect("a plain name")]);
    assert_eq!((whole.status.code(), text(&whole.stderr)), (Some(0), String::new()));
    assert!(std::fs::metadata(&tar).expect("it was written").len() < 1 << 20, "holes take no room");
    assert_eq!(export(&tar, &[]).stdout, std::fs::read(&tar).expect("it is read"), "a tar of the tar is the tar");
    for form in ["mtree", "sha256sum"] {
        let (disk, packed) = (export(&root, &["--format", form]), export(&tar, &["--format", form]));
        assert_eq!((packed.status.code(), packed.stdout), (Some(0), disk.stdout), "{form}");
    }
    let again = place.path().join("again");
    sh(place.path(), "mkdir again && tar -C again --xattrs '--xattrs-include=*' -xpf root.tar");
    let seen =
        |root: &Path| sh(root, "find . -printf '%P %y %m %U %G %s %T@ %n %l\\n' | sort; getfattr -h -R -d -m - .");
    assert_eq!(seen(&again), seen(&root));
}

#[test]
fn what_is_on_disk_is_told_the_same_until_something_changes_it() {
    let place = made();
    let root = place.path().join("root");
    let told = || text(&export(&root, &["--format", "jsonl"]).stdout);
    let before = told();
    assert_eq!(told(), before, "reading changes nothing, access times neither");
    assert!(before.contains(r#""path":"overlay2/a/diff/was","type":"chr""#), "{before}");
    sh(&root, "touch -a -d 2001-01-01 containers/c/config.v2.json");
    assert_ne!(told(), before);
}

#[test]
fn what_is_mounted_below_is_not_the_data_roots() {
    let place = made();
    let script = format!(
        "mount -t tmpfs none root/overlay2/a/diff && echo x > root/overlay2/a/diff/other && {EXPORT} --host --root root --format mtree"
    );
    let done = Command::new("unshare").args(["-m", "sh", "-ec", &script]).current_dir(place.path()).output();
    let done = done.expect("unshare starts");
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), String::new()));
    assert_eq!(text(&done.stdout), text(&export(&place.path().join("root"), &["--format", "mtree"]).stdout));
}

fn made() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder is made");
    std::fs::create_dir(place.path().join("root")).expect("it is free");
    sh(&place.path().join("root"), ROOT);
    place
}

fn sh(folder: &Path, script: &str) -> String {
    let done = Command::new("sh").args(["-ec", script]).current_dir(folder).output().expect("sh starts");
    assert!(done.status.success(), "{}", text(&done.stderr));
    text(&done.stdout)
}

fn export(root: &Path, words: &[&str]) -> Output {
    Command::new(EXPORT).args(["--host", "--root"]).arg(root).args(words).output().expect("export starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
