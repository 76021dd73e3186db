//! Layers made by hand: a folder, its tar by tar(1), and the tar-split of that in plain code, so that nothing of ours
//! but the writer is under test.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use layout::docker_content::write::{StagedLayer, Writer};
use model::{Digest, Driver};
use ring::digest::{SHA256, digest};

pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

pub fn sh(script: &str, dir: &Path) -> Vec<u8> {
    let out = Command::new("sh").args(["-ec", script]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// A layer tar from what a script makes in an empty folder; `.wh.` files are whiteouts.
pub fn tar(script: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    sh(script, dir.path());
    sh("tar --format=ustar --numeric-owner --sort=name -cf - *", dir.path())
}

/// Puts a layer tar into the writer, and gives its chain id.
pub fn put(writer: &mut Writer, parent: Option<&Digest>, tar: &[u8]) -> Digest {
    let staged = writer.stage_layer(parent).unwrap();
    let size = unpack(writer, &staged, tar);
    std::fs::write(writer.path(&staged.tar_split()), gzip(&split(tar))).unwrap();
    writer.commit_layer(staged, sha256(tar), size).unwrap()
}

fn unpack(writer: &Writer, staged: &StagedLayer, tar: &[u8]) -> u64 {
    let diff = writer.path(&staged.diff());
    let mut child =
        Command::new("tar").arg("-xpf").arg("-").arg("-C").arg(&diff).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(tar).unwrap();
    assert!(child.wait().unwrap().success());
    let overlay = *writer.driver() == Driver::Overlay2;
    for mark in walk(&diff).into_iter().filter(|path| name(path).starts_with(b".wh.")) {
        let hidden = mark.with_file_name(std::ffi::OsStr::from_bytes(&name(&mark)[4..]));
        std::fs::remove_file(&mark).unwrap();
        let script = if overlay { "mknod \"$0\" c 0 0" } else { "rm -rf \"$0\"" };
        assert!(Command::new("sh").args(["-ec", script]).arg(&hidden).status().unwrap().success());
    }
    entries(tar).map(|(_, content)| content.len() as u64).sum()
}

fn name(path: &Path) -> Vec<u8> {
    path.file_name().unwrap().as_bytes().to_vec()
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            out.extend(walk(&entry.path()));
        }
        out.push(entry.path());
    }
    out
}

/// Header and content of the entries of a ustar archive with short names.
fn entries(tar: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let header = tar.get(at..at + 512).filter(|block| block.iter().any(|&b| b != 0))?;
        let size = usize::from_str_radix(std::str::from_utf8(&header[124..135]).unwrap(), 8).unwrap();
        let content = &tar[at + 512..at + 512 + size];
        at += 512 + size.div_ceil(512) * 512;
        Some((header, content))
    })
}

/// The tar-split of an archive: headers, names with checksums, padding (docs of the form: layouts/tar-split).
pub fn split(tar: &[u8]) -> String {
    let mut out = String::new();
    let mut position = 0;
    let mut line = |text: String| {
        out.push_str(&format!("{{{text},\"position\":{position}}}\n"));
        position += 1;
    };
    let mut padding: Vec<u8> = Vec::new();
    let mut end = 0;
    for (header, content) in entries(tar) {
        padding.extend_from_slice(header);
        line(format!("\"type\":2,\"payload\":\"{}\"", base64(&padding)));
        let name = std::str::from_utf8(header[..100].split(|&b| b == 0).next().unwrap()).unwrap();
        match content {
            b"" => line(format!("\"type\":1,\"name\":\"{name}\",\"payload\":null")),
            _ => line(format!(
                "\"type\":1,\"name\":\"{name}\",\"size\":{},\"payload\":\"{}\"",
                content.len(),
                base64(&crc64(content))
            )),
        }
        let padded = content.len().div_ceil(512) * 512;
        padding = vec![0; padded - content.len()];
        end += 512 + padded;
    }
    padding.extend_from_slice(&tar[end..]);
    line(format!("\"type\":2,\"payload\":\"{}\"", base64(&padding)));
    out
}

fn crc64(bytes: &[u8]) -> [u8; 8] {
    let mut crc = !0u64;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xd800_0000_0000_0000 } else { crc >> 1 };
        }
    }
    (!crc).to_be_bytes()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            out.push(if i <= chunk.len() { char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]) } else { '=' });
        }
    }
    out
}

pub fn gzip(text: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x"), text).unwrap();
    sh("gzip -n -c x", dir.path())
}
