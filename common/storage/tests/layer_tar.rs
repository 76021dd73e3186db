//! A layer's tar in each of its ways.

mod words;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use hostfs::Root;
use model::Rootfs;
use storage::{Exactness, LayerTar, Written};
use tarball::Sha256;
use words::{FORMS, Form, is_root, write};

fn made(home: &Path, rootfs: &Rootfs) -> (Vec<u8>, Written) {
    let root = Root::open(home).unwrap();
    let plan = LayerTar::plan(&root, rootfs).unwrap();
    let size = plan.size();
    let mut out = Vec::new();
    let written = plan.write(&mut out).unwrap();
    assert_eq!((written.size, written.digest), (out.len() as u64, Sha256::of(&out)));
    assert_eq!(size, written.size);
    (out, written)
}

/// Names and contents of an archive in words.
fn listed(tar: &[u8]) -> String {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        match entry.link_name().unwrap() {
            Some(target) => format!("{path}=={}", target.display()),
            None if text.is_empty() => path,
            None => format!("{path}={text}"),
        }
    });
    entries.filter(|words| words != "./").collect::<Vec<_>>().join(" ")
}

#[test]
fn every_dialect_is_written_in_the_tars_own() {
    let layers = ["+f a 1; +h b a; -gone; !d; +f d/new 1", "+f d/old 1; +f gone 1"];
    for form in FORMS {
        let needs_root = !matches!(form, Form::Aufs | Form::FuseNames | Form::Graph);
        if needs_root && !is_root() {
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        let rootfs = write(home.path(), form, &layers);
        let (tar, written) = made(home.path(), &rootfs);
        assert_eq!(written.exactness, Exactness::Rebuilt);
        assert_eq!(listed(&tar), "a=1 b==a d/ d/.wh..wh..opq d/new=1 .wh.gone", "{form:?}");
        assert_eq!(made(home.path(), &rootfs).0, tar, "the same bytes each time");
    }
}

#[test]
fn a_tar_split_gives_the_very_bytes_or_says_what_is_wrong() {
    let home = tempfile::tempdir().unwrap();
    let mut rootfs = write(home.path(), Form::Aufs, &["+f a one; +f d/b two"]);
    let files = home.path().join("aufs/diff/layer0");
    let archive = archive(&files);
    fs::write(home.path().join("split.gz"), split(&archive, &[("a", "one"), ("./d/b", "two")])).unwrap();
    rootfs.layers[0].tar_split = Some("split.gz".into());
    rootfs.layers[0].diff_id = Some(Sha256::of(&archive));
    let digits = Sha256::of(&archive).short();

    let (tar, written) = made(home.path(), &rootfs);
    assert_eq!((tar, written.exactness, written.findings), (archive.clone(), Exactness::Reassembled, vec![]));

    // Another content of the same size: found only while writing, so the archive keeps its size and the digest tells.
    fs::write(files.join("a"), "ONE").unwrap();
    let (tar, written) = made(home.path(), &rootfs);
    assert_eq!((tar.len(), written.exactness), (archive.len(), Exactness::Reassembled));
    let said: Vec<String> = written.findings.iter().map(ToString::to_string).collect();
    assert_eq!(said[0], "'aufs/diff/layer0/a': its content is not what it was: the checksum differs");
    assert!(said[1].starts_with(&format!("layer {digits}: ")), "{said:?}");

    fs::remove_file(files.join("a")).unwrap();
    let (tar, written) = made(home.path(), &rootfs);
    assert_eq!((listed(&tar).as_str(), written.exactness), ("d/ d/b=two", Exactness::Rebuilt));
    assert_eq!(written.findings.len(), 1);
    let said = written.findings[0].to_string();
    assert!(said.starts_with(&format!("layer {digits}: ")) && said.contains("'a' is gone"), "{said}");
}

/// A tar of a folder, by another writer than ours.
/// Counts the handles that this process has open while it is written to.
#[derive(Default)]
struct Handles {
    most: usize,
    bytes: Vec<u8>,
}

impl Write for Handles {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.most = self.most.max(fs::read_dir("/proc/self/fd")?.count());
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Many folders in one another, and back to the top after each.
#[test]
fn folders_in_one_another_do_not_stay_open() {
    let home = tempfile::tempdir().unwrap();
    let deep = format!("{}x", "d/".repeat(600));
    // Enough of them that bytes are written while the folders are open.
    let contents = [&[("a", "one"), (&*deep, "two"), ("b", "six")], &[(&*deep, "two"); 600][..]].concat();
    let words = format!("+f a one; +f {deep} two; +f b six");
    let mut rootfs = write(home.path(), Form::Aufs, &[&words]);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in &contents {
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    fs::write(home.path().join("split.gz"), split(&archive, &contents)).unwrap();
    rootfs.layers[0].tar_split = Some("split.gz".into());

    let root = Root::open(home.path()).unwrap();
    let mut out = Handles::default();
    LayerTar::plan(&root, &rootfs).unwrap().write(&mut out).unwrap();
    assert!(out.bytes == archive && out.most < 200, "{} handles", out.most);
}

fn archive(files: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_path_with_name(files.join("a"), "a").unwrap();
    builder.append_path_with_name(files.join("d/b"), "./d/b").unwrap();
    builder.into_inner().unwrap()
}

/// The tar-split of an archive whose files are smaller than a block.
fn split(archive: &[u8], contents: &[(&str, &str)]) -> Vec<u8> {
    let mut split = tarball::split::Writer::new(Vec::new());
    let mut at = 0;
    for (name, content) in contents {
        let start = at + archive[at..].windows(3).position(|part| part == content.as_bytes()).unwrap();
        split.segment(&archive[at..start]).unwrap();
        let mut crc = tarball::crc::Crc64::default();
        crc.update(content.as_bytes());
        split.file(name.as_bytes(), 3, crc.sum()).unwrap();
        at = start + 3;
    }
    split.segment(&archive[at..]).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&split.finish()).unwrap();
    gzip.finish().unwrap()
}
