//! Layers and trees in words, written to a folder in every dialect and read back as one line.
//!
//! A layer is a list of statements: `+d path`, `+f path content`, `+l path target`, `+h path target` (another name of a
//! file), `-path` (gone from lower layers), `!path` (hides what lower layers have in it). Layers are top first.

// Each test takes what it needs.
#![allow(dead_code)]

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hostfs::Root;
use model::{Driver, Kind, LayerRef, Rootfs, Source};

/// A way to write layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Aufs,
    Overlay2,
    Overlay2User,
    Overlay2Marks,
    FuseNames,
    FuseDevices,
    Snapshot,
    Graph,
}

pub const FORMS: [Form; 8] = [
    Form::Aufs,
    Form::Overlay2,
    Form::Overlay2User,
    Form::Overlay2Marks,
    Form::FuseNames,
    Form::FuseDevices,
    Form::Snapshot,
    Form::Graph,
];

/// Whether devices and `trusted.*` attributes can be made. Where they must be, it fails instead of skipping.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "this test makes devices and trusted attributes: run it as root");
    root
}

/// Writes layers, top first, and says how a store would name them.
pub fn write(home: &Path, form: Form, layers: &[&str]) -> Rootfs {
    let (driver, folder) = match form {
        Form::Aufs => (Driver::Aufs, "aufs/diff"),
        Form::FuseNames | Form::FuseDevices => (Driver::FuseOverlayfs, "fuse-overlayfs"),
        Form::Graph => (Driver::Graph, "graph"),
        Form::Overlay2 | Form::Overlay2User | Form::Overlay2Marks => (Driver::Overlay2, "overlay2"),
        Form::Snapshot => (Driver::OverlayfsSnapshot, "snapshots"),
    };
    let refs: Vec<LayerRef> = (0..layers.len())
        .map(|at| LayerRef {
            driver: driver.clone(),
            id: format!("layer{at}").into(),
            folder: folder.into(),
            diff_id: None,
            chain_id: None,
            tar_split: None,
            blob: None,
            size: None,
        })
        .collect();
    for (at, (layer, words)) in refs.iter().zip(layers).enumerate() {
        let own = home.join(folder).join(&*layer.id);
        let below: Vec<&str> = refs[at + 1..].iter().map(|layer| &*layer.id).collect();
        let top = match form {
            Form::Aufs => {
                fs::create_dir_all(home.join("aufs/layers")).unwrap();
                fs::write(home.join("aufs/layers").join(&*layer.id), below.join("\n")).unwrap();
                own
            }
            Form::Graph => own.join("layer"),
            Form::Snapshot => own.join("fs"),
            _ => {
                fs::create_dir_all(home.join(folder).join("l")).unwrap();
                fs::create_dir_all(&own).unwrap();
                let link = format!("L{}", layer.id);
                std::os::unix::fs::symlink(format!("../{}/diff", layer.id), home.join(folder).join("l").join(&link))
                    .unwrap();
                fs::write(own.join("link"), link).unwrap();
                if !below.is_empty() {
                    let lower: Vec<String> = below.iter().map(|id| format!("l/L{id}")).collect();
                    fs::write(own.join("lower"), lower.join(":")).unwrap();
                }
                own.join("diff")
            }
        };
        fs::create_dir_all(&top).unwrap();
        for statement in words.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            apply(&top, form, statement);
        }
    }
    Rootfs { layers: refs, own: 0, ids: Default::default(), user_xattrs: form == Form::Overlay2User }
}

fn apply(top: &Path, form: Form, statement: &str) {
    let (verb, rest) = statement.split_at(1);
    match verb {
        "+" => {
            let words: Vec<&str> = rest.split(' ').collect();
            let path = top.join(words[1]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match words[0] {
                "d" => fs::create_dir_all(&path).unwrap(),
                "f" => fs::write(&path, words.get(2).unwrap_or(&"")).unwrap(),
                "l" => std::os::unix::fs::symlink(words[2], &path).unwrap(),
                "h" => fs::hard_link(top.join(words[2]), &path).unwrap(),
                other => panic!("no such statement: {other}"),
            }
        }
        "-" => remove(top, form, rest.trim()),
        "!" => hide(top, form, rest.trim()),
        other => panic!("no such statement: {other}"),
    }
}

fn remove(top: &Path, form: Form, path: &str) {
    let path = top.join(path);
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    match form {
        Form::Aufs | Form::Graph | Form::FuseNames => {
            fs::write(folder.join(format!(".wh.{}", path.file_name().unwrap().to_str().unwrap())), "").unwrap();
        }
        Form::Overlay2Marks => {
            fs::write(&path, "").unwrap();
            set(&path, "trusted.overlay.whiteout", b"y");
            set(folder, "trusted.overlay.opaque", b"x");
        }
        _ => {
            let name = CString::new(path.as_os_str().as_bytes()).unwrap();
            let kind = rustix::fs::FileType::CharacterDevice;
            rustix::fs::mknodat(rustix::fs::CWD, name, kind, 0o600.into(), 0).unwrap();
        }
    }
}

fn hide(top: &Path, form: Form, path: &str) {
    let path = top.join(path);
    fs::create_dir_all(&path).unwrap();
    match form {
        Form::Aufs | Form::Graph | Form::FuseNames => fs::write(path.join(".wh..wh..opq"), "").unwrap(),
        Form::Overlay2User => set(&path, "user.overlay.opaque", b"y"),
        Form::FuseDevices => set(&path, "user.fuseoverlayfs.opaque", b"y"),
        _ => set(&path, "trusted.overlay.opaque", b"y"),
    }
}

pub fn set(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty()).unwrap();
}

/// The merged tree as words: `etc/ etc/a=content bin->target b==a`.
pub fn read(home: &Path, rootfs: &Rootfs) -> String {
    let mut source = storage::open(&Root::open(home).unwrap(), rootfs).unwrap();
    let line = words(&mut source);
    let findings = source.take_findings();
    assert!(findings.is_empty(), "{findings:?}");
    line
}

pub fn words(source: &mut dyn Source) -> String {
    let mut out = Vec::new();
    while let Some(entry) = source.next_entry().unwrap() {
        let path = entry.path.to_string();
        out.push(match entry.kind {
            Kind::Directory if entry.path.is_root() => continue,
            Kind::Directory => format!("{path}/"),
            Kind::File { size } => {
                let mut text = String::new();
                if size > 0 {
                    std::io::Read::read_to_string(&mut source.content().unwrap(), &mut text).unwrap();
                }
                format!("{path}={text}")
            }
            Kind::Symlink { target } => format!("{path}->{}", String::from_utf8_lossy(&target)),
            Kind::HardLink { target } => format!("{path}=={target}"),
            other => format!("{path}:{other:?}"),
        });
    }
    out.join(" ")
}

/// What the kernel shows at `mnt`, as a stack of that one plain folder.
pub fn at_mnt() -> Rootfs {
    let layer = LayerRef {
        driver: Driver::Vfs,
        id: "mnt".into(),
        folder: "".into(),
        diff_id: None,
        chain_id: None,
        tar_split: None,
        blob: None,
        size: None,
    };
    Rootfs { layers: vec![layer], ..Default::default() }
}
