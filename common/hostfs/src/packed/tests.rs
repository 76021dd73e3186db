use std::io::Read;
use std::process::Command;

use model::HostPath;

use super::*;
use crate::{Dir, Root};

/// A tree with all kinds of files; as an ordinary user without devices and foreign owners.
const TREE: &str = "mkdir -p t/d/e && cd t && echo x > f && ln f d/hard && ln -s d link && ln -s /d/e d/abs && ln -s ../../.. up && mkfifo fifo \
    && truncate -s 1M sparse && printf y | dd of=sparse bs=1 seek=500000 conv=notrunc status=none && : > empty && truncate -s 4M hole \
    && touch -h -d '1960-01-02 03:04:05.5' f link d && chmod 4751 f && chmod 1777 d && seq 99999 > d/e/big \
    && { [ $(id -u) != 0 ] || { mknod null c 1 3; mknod disk b 8 1; chown -h 1234:4321 f link; setfattr -n trusted.x -v z f; setfattr -n user.y -v w d; }; }";

fn sh(script: &str, dir: &Path) {
    let out = Command::new("bash").args(["-ec", script]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Everything that can be told of a tree, a line for each name.
fn listing(dir: &Dir, path: &str, inodes: &mut Vec<(u64, u64)>, out: &mut Vec<String>) {
    for entry in dir.entries().unwrap() {
        let name = format!("{path}/{}", model::path::shown(&entry.name));
        let stat = dir.stat(&entry.name).unwrap();
        let twin = inodes.iter().position(|inode| *inode == stat.inode).filter(|_| stat.kind != FileKind::Directory);
        inodes.push(stat.inode);
        let size = if stat.kind == FileKind::Directory { 0 } else { stat.size };
        let links = if stat.kind == FileKind::Directory { 0 } else { stat.links };
        let mut line = format!(
            "{name} {:?} {:o} {} {} {size} {} {links} {twin:?}",
            stat.kind, stat.mode, stat.uid, stat.gid, stat.mtime
        );
        for (key, value) in dir.xattrs(&entry.name).unwrap() {
            line += &format!(" {}={}", model::path::shown(&key), model::path::shown(&value));
        }
        match stat.kind {
            FileKind::Symlink => line += &format!(" -> {}", model::path::shown(&dir.read_link(&entry.name).unwrap())),
            FileKind::File => line += &content(&dir.open_file(&entry.name).unwrap()),
            _ => assert!(dir.open_file(&entry.name).is_err()),
        }
        out.push(line);
        if entry.is_dir == Some(true) {
            listing(&dir.open_dir(&entry.name).unwrap(), &name, inodes, out);
        }
    }
}

fn content(file: &crate::File) -> String {
    let bytes = file.read_all(u64::MAX - 1).unwrap();
    let extents = file.extents().unwrap();
    let data: u64 = extents.iter().map(|extent| extent.size).sum();
    let mut tail = [0; 7];
    let at = (bytes.len() as u64).saturating_sub(5);
    let count = file.read_at(&mut tail, at).unwrap();
    assert_eq!(&tail[..count], &bytes[at as usize..]);
    format!(" {:?} holes {}", ring_free_hash(&bytes), data < bytes.len() as u64)
}

/// Enough to tell contents apart.
fn ring_free_hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn all(root: &Root) -> Vec<String> {
    let mut out = Vec::new();
    listing(&root.open_dir(&HostPath::default()).unwrap(), "", &mut Vec::new(), &mut out);
    out
}

#[test]
fn a_tar_shows_what_the_directory_does() {
    let dir = tempfile::tempdir().unwrap();
    sh(TREE, dir.path());
    let wanted = all(&Root::open(&dir.path().join("t")).unwrap());
    assert!(wanted.len() > 12);
    let tar = "tar -C t --xattrs --xattrs-include=* --sparse --format=posix";
    for (name, script) in [
        ("plain.tar", format!("{tar} -cf plain.tar .")),
        ("slash.tar", format!("{tar} -cf slash.tar -P --transform 's,^\\.,/,S' .")),
        ("a.gz", format!("{tar} -c . | gzip > a.gz")),
        ("a.bz2", format!("{tar} -c . | bzip2 > a.bz2")),
        ("a.xz", format!("{tar} -c . | xz -0 > a.xz")),
        ("a.zst", format!("{tar} -c . | zstd -q > a.zst")),
    ] {
        sh(&script, dir.path());
        let root = Root::open(&dir.path().join(name)).unwrap();
        assert_eq!((root.findings(), all(&root)), (&[][..], wanted.clone()), "{name}");
    }
}

#[test]
fn ways_are_those_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    sh(&format!("{TREE} && tar -cf ../t.tar ."), dir.path());
    let roots = [dir.path().join("t"), dir.path().join("t.tar")].map(|path| Root::open(&path).unwrap());
    for path in [
        "",
        ".",
        "f",
        "d",
        "d/",
        "d//e/./big",
        "link",
        "link/e",
        "d/abs",
        "d/abs/big",
        "up",
        "up/f",
        "../f",
        "d/../f",
        "f/x",
        "no",
        "no/x",
        "fifo",
        "d/../../f",
    ] {
        let path = HostPath::from(path);
        let said = roots.each_ref().map(|root| {
            let kind =
                root.stat(&path).map(|stat| stat.kind).map_err(|error| error.to_string() + &error.problem.to_string());
            let dir =
                root.open_dir(&path).map(|dir| dir.entries().unwrap().len()).map_err(|error| error.problem.to_string());
            let inside = root
                .open_dir_inside(&path)
                .map(|dir| dir.entries().unwrap().len())
                .map_err(|error| error.problem.to_string());
            let file = root.read(&path, 1 << 20).map_err(|error| error.problem.to_string());
            let link = root.read_link(&path).map_err(|error| error.problem.to_string());
            format!("{kind:?} {dir:?} {inside:?} {:?} {link:?}", file.map(|bytes| bytes.len()))
        });
        assert_eq!(said[0], said[1], "{path}");
    }
}

#[test]
fn damage_costs_what_it_hits_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    sh(
        "mkdir t && cd t && echo 1 > a && echo 2 > b && ln -s a s && tar -cf ../whole.tar a b && head -c 1500 ../whole.tar > ../cut.tar \
        && gzip < ../whole.tar | head -c 60 > ../cut.gz && tar -cf ../out.tar -P --transform='s,^b$,../b,' a b \
        && tar -cf ../over.tar --transform='s,^b$,s/b,' a s b && echo text > ../text && : > ../nothing && mkfifo ../fifo",
        dir.path(),
    );
    let open = |name: &str| Root::open(&dir.path().join(name));
    for (name, names, finding) in
        [("cut.tar", 1, "archive-damaged"), ("out.tar", 1, "entry-refused"), ("over.tar", 2, "entry-refused")]
    {
        let root = open(name).unwrap();
        assert_eq!(root.open_dir(&HostPath::default()).unwrap().entries().unwrap().len(), names, "{name}");
        assert_eq!(root.findings().iter().map(|finding| finding.code).collect::<Vec<_>>(), [finding], "{name}");
    }
    for name in ["text", "nothing", "cut.gz"] {
        let error = open(name).err().unwrap();
        assert!(matches!(error.problem, Problem::NotTar(_)), "{name}: {error:?}");
    }
    assert!(matches!(Root::open(Path::new("/dev/null")).err().unwrap().problem, Problem::NotTar(_)));
}

#[test]
fn a_stream_is_taken_as_a_file_is() {
    let dir = tempfile::tempdir().unwrap();
    sh(&format!("{TREE} && tar -cSf ../t.tar ."), dir.path());
    let file = File::open(dir.path().join("t.tar")).unwrap();
    let stream = Packed::of_stream(Box::new(file)).unwrap();
    let whole = Packed::open(&dir.path().join("t.tar")).unwrap();
    let mut seen = 0;
    for node in 0..whole.nodes.len() {
        assert_eq!(whole.stat(node), stream.stat(node));
        let mut bytes = [Vec::new(), Vec::new()];
        for (packed, bytes) in [&whole, &stream].into_iter().zip(&mut bytes) {
            Reading { packed, node, at: 0 }.read_to_end(bytes).unwrap();
        }
        assert!(bytes[0] == bytes[1]);
        seen += bytes[0].len();
    }
    assert!(seen > 5 << 20);
}

struct Reading<'a> {
    packed: &'a Packed,
    node: usize,
    at: u64,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.packed.read_at(self.node, buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
