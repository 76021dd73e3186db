//! Everything that can be told of a tree, a line for each name.

// Each test takes what it needs.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;

use hostfs::{Dir, FileKind};

/// A tree with all kinds of files.
pub const TREE: &str = "mkdir -p t/d/e && cd t && echo x > f && ln f d/hard && ln -s d link && ln -s ../../.. up \
    && ln -s $(printf 'long%.0s' $(seq 100)) far && mkfifo fifo && python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\" \
    && truncate -s 1M sparse && printf y | dd of=sparse bs=1 seek=500000 conv=notrunc status=none && : > empty && truncate -s 4M hole \
    && chmod 4751 f && chmod 1777 d && seq 999999 > d/e/big && printf short > short \
    && mknod null c 1 3 && mknod disk b 8 1 && mknod wide c 300 70000 && chown -h 1234:4321 f link && chown 100000:2000000 short \
    && setfattr -n trusted.x -v z f && setfattr -n user.y -v w d && setfattr -n user.long -v $(seq -s. 100) short && setfacl -m u:77:r,g:88:rw short \
    && setcap cap_net_raw=ep short && mkdir many && cd many && touch $(seq -f 'name-%g-of-a-directory-that-takes-blocks' 1500) && cd .. \
    && touch \"$(printf 'odd\\001\\377')\" && touch -h -d '1960-01-02 03:04:05' f link d";

/// Runs a script; its failure is the test's.
pub fn sh(script: &str, dir: &Path) -> String {
    let out = Command::new("bash").args(["-ec", script]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Lines in the order of the walk; `lost+found` at the top is left out.
pub fn listing(dir: &Dir) -> Vec<String> {
    let (mut inodes, mut out) = (Vec::new(), Vec::new());
    walk(dir, "", &mut inodes, &mut out);
    out
}

fn walk(dir: &Dir, path: &str, inodes: &mut Vec<(u64, u64)>, out: &mut Vec<String>) {
    for entry in dir.entries().unwrap() {
        let name = format!("{path}/{}", model::path::shown(&entry.name));
        if name == "/lost+found" {
            continue;
        }
        let stat = dir.stat(&entry.name).unwrap();
        let twin = inodes.iter().position(|inode| *inode == stat.inode);
        inodes.push(stat.inode);
        let size = if stat.kind == FileKind::Directory { 0 } else { stat.size };
        let mut line = format!(
            "{name} {:?} {:o} {} {} {size} {} {} {twin:?}",
            stat.kind, stat.mode, stat.uid, stat.gid, stat.mtime.seconds, stat.links
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
            walk(&dir.open_dir(&entry.name).unwrap(), &name, inodes, out);
        }
    }
}

fn content(file: &hostfs::File) -> String {
    use std::hash::{DefaultHasher, Hasher};
    let bytes = file.read_all(u64::MAX - 1).unwrap();
    let data: u64 = file.extents().unwrap().iter().map(|extent| extent.size).sum();
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    format!(" {:x} holes {}", hasher.finish(), data < bytes.len() as u64)
}
