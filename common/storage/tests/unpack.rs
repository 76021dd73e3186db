//! Layers unpacked into a folder: the tree is the one that `tar -x` makes, and the archive comes out again.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use model::{Entry, EntryPath, Kind, Metadata, Timestamp};
use storage::unpack::{LayerForm, Meaning, Options, Place, UnpackError, Unpacked, unpack};
use tarball::{Sha256, Writer, split};

/// Making owners, devices and marks is what this is about: without root these tests prove nothing.
fn need_root() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.lines().any(|line| line.starts_with("Uid:\t0\t")), "these tests have to run as root");
}

struct Layer {
    dir: tempfile::TempDir,
    outcome: Result<Unpacked, UnpackError>,
}

impl Layer {
    fn files(&self) -> PathBuf {
        self.dir.path().join("diff")
    }

    fn done(&self) -> &Unpacked {
        self.outcome.as_ref().unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    fn assembled(&self) -> Vec<u8> {
        let raw = File::open(self.dir.path().join("tar-split.json.gz")).unwrap();
        let mut out = Vec::new();
        let files = self.files();
        // As dockerd opens them: by path, links followed.
        let open = |name: &[u8]| File::open(files.join(std::ffi::OsStr::from_bytes(name)));
        split::assemble(&mut split::Reader::new(split::gunzip(raw)), open, &mut out).unwrap();
        out
    }

    fn names(&self) -> Vec<String> {
        let raw = File::open(self.dir.path().join("tar-split.json.gz")).unwrap();
        let mut reader = split::Reader::new(split::gunzip(raw));
        let mut names = Vec::new();
        while let Some(entry) = reader.next().unwrap() {
            if let split::Entry::File { name, .. } = entry {
                names.push(String::from_utf8_lossy(&name).into_owned());
            }
        }
        names
    }
}

fn unpacked(raw: &[u8], options: &Options, base: &[(&str, &str)]) -> Layer {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("diff")).unwrap();
    for (path, content) in base {
        let path = dir.path().join("diff").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, content).unwrap(),
        }
    }
    let split =
        File::options().read(true).write(true).create_new(true).open(dir.path().join("tar-split.json.gz")).unwrap();
    let place = Place { files: File::open(dir.path().join("diff")).unwrap().into(), split };
    let outcome = unpack(raw, place, options, &mut |_| Ok(()));
    Layer { dir, outcome }
}

fn options(form: LayerForm, meaning: Meaning) -> Options {
    Options::new(form, meaning)
}

/// Unpacks, and checks that the archive comes out again and that the digest is that of its bytes.
fn check_exact(raw: &[u8], options: &Options) -> Layer {
    let layer = unpacked(raw, options, &[]);
    assert_eq!(layer.done().diff_id, Sha256::of(raw));
    assert_eq!(layer.done().read, raw.len() as u64);
    assert!(layer.assembled() == raw, "the archive does not come out again");
    let mut names: Vec<String> =
        layer.names().iter().map(|name| EntryPath::parse(name.as_bytes()).unwrap().to_string()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "dockerd refuses a tar-split that names a file twice");
    layer
}

fn sh(dir: &Path, script: &str) -> String {
    let done =
        Command::new("sh").args(["-ec", script]).current_dir(dir).env("LC_ALL", "C").output().expect("sh starts");
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// One line a file, with all that should have been kept.
fn listing(dir: &Path) -> String {
    let names = r"find . -type d -printf '%P d %m %U %G %T@\n' -o -printf '%P %y %m %U %G %s %T@ %n %l\n' | sort";
    let xattrs = "find . -exec getfattr -hdm- --absolute-names {} + | sort";
    sh(dir, &format!("{names}; {xattrs}; find . -type f -size -100000000c -exec sha256sum {{}} + | sort"))
}

const TREE: &str = r#"
umask 022; mkdir -p t/dir/sub t/sticky t/empty; echo text > t/dir/file; : > t/zero; ln -s ../dir t/dir/link; ln t/dir/file t/hard; mkfifo t/fifo
mknod t/null c 1 3; mknod t/disk b 8 300; chmod 1777 t/sticky; chmod 750 t; chown 7:8 t
mkdir t/setgid; chgrp 50 t/setgid; chmod 2775 t/setgid; echo s > t/setgid/inner; chown 5:6 t/setgid/inner; mkdir t/setgid/plain; chmod 755 t/setgid/plain; chmod g-s t/setgid/plain; chgrp 0 t/setgid/plain
cp /bin/true t/suid; chown 1000:1000 t/suid; chmod 4755 t/suid; setcap cap_net_raw+ep t/dir/file 2>/dev/null || true
setfattr -n user.note -v value t/dir/file; setfattr -n trusted.note -v 0sAAEC t/dir; setfattr -h -n trusted.onlink -v x t/dir/link
setfacl -m u:1234:r t/zero; mkdir t/acl; setfacl -d -m u:77:rwx t/acl; echo a > t/acl/plain; setfacl -b t/acl/plain; chmod 644 t/acl/plain
mkdir -p t/$(printf 'n%.0s' $(seq 90))/$(printf 'm%.0s' $(seq 90)); echo long > t/$(printf 'n%.0s' $(seq 90))/$(printf 'm%.0s' $(seq 90))/$(printf 'k%.0s' $(seq 120))
printf x > "$(printf 't/bad\377name')"; printf y > "$(printf 't/new\nline')"; echo hugeid > t/hugeid; chown 4000000000:4294967294 t/hugeid
truncate -s 300000 t/hole; printf a | dd of=t/hole bs=1 seek=100000 conv=notrunc 2>/dev/null; printf b | dd of=t/hole bs=1 seek=200000 conv=notrunc 2>/dev/null
head -c 3000000 /dev/urandom > t/big; truncate -s 9G t/huge; mkdir t/ro; echo r > t/ro/file; chmod 555 t/ro; chmod 0 t/empty
touch -d '1969-12-31 23:59:58.5 UTC' t/zero; touch -d '2400-01-01 UTC' t/hard; touch -d '2001-02-03 04:05:06.789012345 UTC' t/dir t/acl; touch -h -d '2010-01-01 UTC' t/dir/link; touch -d '2020-01-01 UTC' t
"#;

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    sh(dir.path(), TREE);
    dir
}

#[test]
fn a_tree_is_what_tar_makes_of_it_and_the_archive_comes_out_again() {
    need_root();
    let dir = tree();
    let rest = "--exclude=./huge --exclude=./hole";
    for (make, is_same) in [
        ("tar -C t --xattrs --xattrs-include='*' --acls -S -H pax -cf a.tar .", true),
        ("tar -C t --xattrs --xattrs-include='*' -S -H pax --sparse-version=0.0 -cf a.tar .", true),
        ("tar -C t --xattrs --xattrs-include='*' -S -H pax --sparse-version=0.1 -cf a.tar .", true),
        ("tar -C t -S -H gnu -cf a.tar .", false),
        ("tar -C t -S -H oldgnu -cf a.tar .", false),
        (
            &format!(
                "tar -C t -H ustar {rest} --exclude=./hugeid --exclude=./nnn* --exclude=./hard --exclude=./dir/file --exclude=./zero -cf a.tar ."
            ),
            false,
        ),
        (
            &format!(
                "tar -C t -H v7 {rest} --exclude=./hugeid --exclude=./nnn* --exclude=./hard --exclude=./dir/file --exclude=./zero --exclude=./disk --exclude=./null --exclude=./fifo -cf a.tar ."
            ),
            false,
        ),
        (
            "tar -C t -H pax -S --xattrs --xattrs-include='*' -cf a.tar . && printf 'garbage after the end' >> a.tar",
            true,
        ),
        // bsdtar 3.6 writes -1.5 seconds as -2.5.
        ("rm t/zero; bsdtar -C t --format pax -cf a.tar .", true),
    ] {
        sh(dir.path(), make);
        let raw = fs::read(dir.path().join("a.tar")).unwrap();
        let layer = check_exact(&raw, &options(LayerForm::Overlay2, Meaning::Rootfs));
        assert_eq!(layer.done().lost, (vec![], 0), "{make}");
        if is_same {
            assert_eq!(listing(&layer.files()), listing(&dir.path().join("t")), "{make}");
        } else {
            sh(dir.path(), "rm -rf x; mkdir x; tar -C x -xpf a.tar");
            assert_eq!(listing(&layer.files()), listing(&dir.path().join("x")), "{make}");
        }
        let blocks = |name: &str| fs::symlink_metadata(layer.files().join(name)).map(|stat| stat.blocks()).unwrap_or(0);
        assert!(blocks("huge") < 100 && blocks("hole") < 100, "holes are kept on disk");
        check_exact(&raw, &options(LayerForm::Vfs, Meaning::Rootfs));
    }
}

/// An archive in words: `d PATH`, `f PATH CONTENT`, `l PATH TARGET` (symbolic), `h PATH TARGET` (hard), `c PATH`.
fn archive(words: &[&str]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for word in words {
        let mut parts = word.splitn(3, ' ');
        let (kind, path, rest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or(""));
        let kind = match kind {
            "d" => Kind::Directory,
            "f" => Kind::File { size: rest.len() as u64 },
            "l" => Kind::Symlink { target: rest.as_bytes().into() },
            "h" => Kind::HardLink { target: EntryPath::parse(rest.as_bytes()).unwrap() },
            "c" => Kind::CharDevice { major: 0, minor: 0 },
            _ => panic!("{word}"),
        };
        let meta = Metadata { mode: 0o755, mtime: Timestamp::new(1_000_000_000, 5), ..Metadata::default() };
        let entry = Entry { path: EntryPath::parse(path.as_bytes()).unwrap(), kind, meta };
        writer.put(&entry, &mut rest.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

/// The folder's contents in one line: `a/ a/b=content c->target d:gone e/:opaque`.
fn words(files: &Path) -> String {
    let mut told = Vec::new();
    for entry in walkdir::WalkDir::new(files).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(files).unwrap().display().to_string();
        let kind = entry.file_type();
        told.push(if kind.is_dir() {
            let mut value = [0; 4];
            let opaque = rustix::fs::lgetxattr(entry.path(), "trusted.overlay.opaque", &mut value[..]).is_ok();
            format!("{name}/{}", if opaque { ":opaque" } else { "" })
        } else if kind.is_symlink() {
            format!("{name}->{}", fs::read_link(entry.path()).unwrap().display())
        } else if kind.is_char_device() {
            format!("{name}:gone")
        } else {
            format!("{name}={}", fs::read_to_string(entry.path()).unwrap())
        });
    }
    told.join(" ")
}

fn check(entries: &[&str], form: LayerForm, base: &[(&str, &str)], expected: &str) {
    let raw = archive(entries);
    let layer = unpacked(&raw, &options(form, Meaning::Layer), base);
    assert_eq!(layer.done().diff_id, Sha256::of(&raw));
    assert_eq!(words(&layer.files()), expected, "{entries:?}");
    assert!(layer.assembled() == raw, "{entries:?} does not come out again");
    let mut names = layer.names();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "{entries:?} is named twice");
}

#[test]
fn deletions_become_overlay2s_marks() {
    need_root();
    let check = |entries: &[&str], expected: &str| check(entries, LayerForm::Overlay2, &[], expected);
    check(&["d a", "f a/.wh.x "], "a/ a/x:gone");
    check(&["f a/b/.wh.x "], "a/ a/b/ a/b/x:gone");
    check(&["d a", "f a/.wh..wh..opq ", "f a/n new"], "a/:opaque a/n=new");
    check(&["f .wh.a ", "d a", "f a/x new"], "a/:opaque a/x=new");
    check(&["d a", "f a/x new", "f .wh.a "], "a/:opaque a/x=new");
    check(&["f .wh.a ", "f a new"], "a=new");
    check(&["f a new", "f .wh.a "], "a=new");
    check(&["f .wh.a ", "f .wh.a "], "a:gone");
    check(&["f .wh.a content"], "a:gone");
    check(&["f a/.wh. x"], "a/ a/.wh.=x");
    check(
        &[
            "f .wh..wh.aufs ",
            "d .wh..wh.orph",
            "d .wh..wh.plnk",
            "f .wh..wh.plnk/1.2 shared",
            "h a .wh..wh.plnk/1.2",
            "h b .wh..wh.plnk/1.2",
        ],
        "a=shared b=shared",
    );
    check(&["d a", "d a", "f a/.wh..wh..opq ", "f a/.wh..wh..opq "], "a/:opaque");
}

#[test]
fn deletions_delete_in_a_whole_tree() {
    need_root();
    let base = [("a/x", "1"), ("a/y", "2"), ("b", "3"), ("l", "-> a"), ("d/e/f", "4")];
    let check = |entries: &[&str], expected: &str| check(entries, LayerForm::Vfs, &base, expected);
    check(&["f .wh.b "], "a/ a/x=1 a/y=2 d/ d/e/ d/e/f=4 l->a");
    check(&["f a/.wh.x ", "f .wh.d ", "f .wh.none "], "a/ a/y=2 b=3 l->a");
    check(&["d a", "f a/z new", "f a/.wh..wh..opq "], "a/ a/z=new b=3 d/ d/e/ d/e/f=4 l->a");
    check(&["f .wh..wh..opq ", "f n new"], "n=new");
    check(&["f d/e/g new", "f .wh.d "], "a/ a/x=1 a/y=2 b=3 d/ d/e/ d/e/g=new l->a");
    check(&["f b new", "f .wh.b "], "a/ a/x=1 a/y=2 b=new d/ d/e/ d/e/f=4 l->a");
    check(&["f a file", "d b", "f b/c new"], "a=file b/ b/c=new d/ d/e/ d/e/f=4 l->a");
    check(&["f b one", "f b two", "h c b"], "a/ a/x=1 a/y=2 b=two c=two d/ d/e/ d/e/f=4 l->a");
    check(&["f l/x through"], "a/ a/x=through a/y=2 b=3 d/ d/e/ d/e/f=4 l->a");
}

#[test]
fn what_a_later_entry_replaces_comes_out_again() {
    need_root();
    let check = |entries: &[&str], expected: &str| check(entries, LayerForm::Overlay2, &[], expected);
    check(&["f a one", "f a two"], "a=two");
    check(&["f a one", "f a two", "f a three", "f b other"], "a=three b=other");
    check(&["f a one", "h b a", "f a two"], "a=two b=one");
    check(&["f a one", "l a target"], "a->target");
    check(&["l a target", "f a one"], "a=one");
    check(&["f a one", "d a", "f a/b two"], "a/ a/b=two");
    check(&["d a", "f a/b one", "f a/c/d deep", "f a two"], "a=two");
    check(&["d a", "f a/b one", "f a two", "d a", "f a/b three", "f a/b four"], "a/ a/b=four");
    check(&["d a", "f a/b one", "d a", "f a/c two"], "a/ a/b=one a/c=two");
    check(&["f a one", "f ./a two", "f a/ three"], "a=three");
    check(&["h b a", "f a late"], "a=late b=late");
    check(&["h c b", "h b a", "f a late", "f c own"], "a=late b=late c=own");
    check(&["f a one", "h a a"], "a=one");
}

#[test]
fn in_a_tree_of_files_every_name_is_a_name() {
    need_root();
    let raw = archive(&["d d", "f d/.wh.x content", "f .wh..wh..opq ", "f .wh..wh.plnk/1 y"]);
    let layer = check_exact(&raw, &options(LayerForm::Overlay2, Meaning::Rootfs));
    assert_eq!(words(&layer.files()), ".wh..wh..opq= .wh..wh.plnk/ .wh..wh.plnk/1=y d/ d/.wh.x=content");
    let device = archive(&["d d", "c d/null"]);
    let outcome = unpacked(&device, &options(LayerForm::Overlay2, Meaning::Rootfs), &[]).outcome;
    let message = "entry 'd/null': a character device 0:0 means 'deleted' to overlay2, so it cannot be kept";
    assert_eq!(outcome.unwrap_err().to_string(), message);
    check_exact(&device, &options(LayerForm::Vfs, Meaning::Rootfs));
}

#[test]
fn a_cut_archive_is_taken_only_when_that_is_allowed() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    sh(
        dir.path(),
        "head -c 100000 /dev/urandom > a; head -c 3000 /dev/urandom > b; truncate -s 1M c; echo x >> c; tar -S -H pax -cf a.tar a b c",
    );
    let raw = fs::read(dir.path().join("a.tar")).unwrap();
    let mut options = options(LayerForm::Overlay2, Meaning::Rootfs);
    for cut in [1, 511, 513, 2000, 100_864, 101_888, 102_000, 103_000, 105_000, raw.len() - 10_240] {
        options.allow_truncated = false;
        let error = unpacked(&raw[..cut], &options, &[]).outcome.unwrap_err();
        assert!(
            error.is_truncated() && error.to_string().starts_with("archive ends without end-of-archive blocks"),
            "{cut}: {error}"
        );
        options.allow_truncated = true;
        let layer = check_exact(&raw[..cut], &options);
        assert!(layer.done().truncated.as_ref().is_some_and(|told| told.starts_with("archive ends without")), "{cut}");
    }
    assert!(matches!(unpacked(&[], &options, &[]).outcome, Err(UnpackError::Tar(tarball::TarError::Empty))));
    assert_eq!(check_exact(&[0; 10_240], &options).done().truncated, None);
}

#[test]
fn size_is_what_docker_counts() {
    need_root();
    let size = |entries: &[&str], form| unpacked(&archive(entries), &options(form, Meaning::Layer), &[]).done().size;
    let entries = ["d a", "f a/b 12345", "h c a/b", "l l abc", "f a/.wh.x ", "f z 1", "f z 22"];
    assert_eq!((size(&entries, LayerForm::Overlay2), size(&entries, LayerForm::Vfs)), (5 + 3 + 2, 5 + 1 + 2));
}

#[test]
fn the_watch_may_stop_it() {
    let mut writer = Writer::new(Vec::new());
    let entry =
        Entry { path: EntryPath::parse(b"a").unwrap(), kind: Kind::File { size: 50 << 20 }, meta: Metadata::default() };
    writer.put(&entry, &mut io::Read::take(io::repeat(0), 50 << 20)).unwrap();
    let raw = writer.finish().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let split = File::options().read(true).write(true).create_new(true).open(dir.path().join("s")).unwrap();
    fs::create_dir(dir.path().join("diff")).unwrap();
    let place = Place { files: File::open(dir.path().join("diff")).unwrap().into(), split };
    let mut calls = 0;
    let outcome = unpack(&raw[..], place, &options(LayerForm::Overlay2, Meaning::Rootfs), &mut |progress| {
        calls += 1;
        if progress.read > 30 << 20 { Err("no space left".into()) } else { Ok(()) }
    });
    assert_eq!(outcome.unwrap_err().to_string(), "no space left");
    assert!(calls >= 3);
}

#[test]
fn a_path_of_a_thousand_folders_is_made_and_a_longer_one_refused() {
    need_root();
    let path = |depth: usize| vec!["d"; depth].join("/");
    let raw = archive(&[
        &format!("f {}/file deep", path(999)),
        &format!("f {}/file deep", path(500)),
        &format!("f {}/other deep", path(999)),
    ]);
    let layer = unpacked(&raw, &options(LayerForm::Overlay2, Meaning::Rootfs), &[]);
    layer.done();
    assert_eq!(fs::read(layer.files().join(path(999)).join("other")).unwrap(), b"deep");
    let over = archive(&[&format!("f {}/file deep", path(999)), "f d file"]);
    let layer = unpacked(&over, &options(LayerForm::Overlay2, Meaning::Rootfs), &[]);
    assert!(layer.assembled() == over && words(&layer.files()) == "d=file");
    let long = archive(&[&format!("f {}/file deep", path(1000))]);
    assert!(
        unpacked(&long, &options(LayerForm::Overlay2, Meaning::Rootfs), &[])
            .outcome
            .unwrap_err()
            .to_string()
            .ends_with("more than 1000 components")
    );
}
