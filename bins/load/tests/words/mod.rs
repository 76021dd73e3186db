//! Programs, tars made by hand, and what lies in a root.

#![allow(dead_code)] // Each test file takes its part.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program of that name, built from this workspace.
pub fn program(name: &str) -> PathBuf {
    testkit::programs::built().join(name)
}

pub fn run(root: &Path, name: &str, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program(name))
        .args(args)
        .env("DOCKLESS_ROOT", root)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that refuses its input closes it early.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

/// What a program prints; it must succeed.
pub fn done(root: &Path, name: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let output = run(root, name, args, input);
    assert_eq!(output.status.code(), Some(0), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The layers' tars of an archive, by name.
pub fn layers(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let members = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (name, content)
    });
    members.filter(|(name, _)| name.ends_with("layer.tar")).collect()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// One member as raw bytes: fields are put into a ustar header as they are given.
pub struct Raw {
    pub name: &'static [u8],
    pub flag: u8,
    pub content: Vec<u8>,
    pub link: &'static [u8],
    pub mtime: [u8; 12],
    pub uid: [u8; 8],
}

impl Raw {
    pub fn new(name: &'static [u8], flag: u8, content: &[u8]) -> Raw {
        Raw { name, flag, content: content.to_vec(), link: b"", mtime: *b"14000000000\0", uid: *b"0000000\0" }
    }

    pub fn link(name: &'static [u8], target: &'static [u8]) -> Raw {
        Raw { link: target, ..Raw::new(name, b'1', b"") }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, self.name);
        put(100, b"0000644\0");
        put(108, &self.uid);
        put(116, &self.uid);
        put(124, format!("{:011o}\0", self.content.len()).as_bytes());
        put(136, &self.mtime);
        put(148, b"        ");
        put(156, &[self.flag]);
        put(157, self.link);
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let padding = vec![0; self.content.len().next_multiple_of(512) - self.content.len()];
        [&block[..], &self.content, &padding].concat()
    }
}

pub fn tar_of(members: &[Raw]) -> Vec<u8> {
    members.iter().flat_map(Raw::bytes).chain([0; 1024]).collect()
}

pub fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|n: &usize| n.to_string().len() + rest.len() == *n).unwrap();
        format!("{length}{rest}")
    };
    records.iter().map(record).collect::<String>().into_bytes()
}

pub fn testdata(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/archives").join(name)).unwrap()
}

/// All names below a root but the writer's own, and their sizes.
pub fn listing(root: &Path) -> String {
    let output = Command::new("find").arg(root).args(["-mindepth", "1", "-printf", "%P %y %s\n"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("dockless.lock") && !line.starts_with("tmp")).collect();
    lines.sort_unstable();
    lines.join("\n")
}
