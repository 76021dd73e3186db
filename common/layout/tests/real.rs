//! Roots that real engines wrote: as much is found as the engine itself said.
//!
//! `testdata/hosts/real.tar.zst` holds them as tars, and as tars they are read. The numbers were compared with the engines' own answers when the roots were made.

use std::fs;
use std::path::{Path, PathBuf};

use hostfs::Root;
use tempfile::TempDir;

/// How far back the stream refers: it was made with `zstd --long=31`.
const WINDOW: u32 = 31;

/// All roots, each still a tar.
fn unpack() -> TempDir {
    let packed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts/real.tar.zst");
    let folder = TempDir::new().unwrap();
    let mut stream = zstd::Decoder::new(fs::File::open(packed).unwrap()).unwrap();
    stream.window_log_max(WINDOW).unwrap();
    tar::Archive::new(stream).unpack(folder.path()).unwrap();
    folder
}

/// For each store: its name, and how many containers, images, volumes and networks it has.
fn check(hosts: &Path, name: &str, stores: &[&str], findings: usize) {
    let root = Root::open(&hosts.join(name).join("root.tar")).unwrap();
    let (found, mut all) = layout::detect(&root);
    let mut lines = Vec::new();
    for (index, store) in found.iter().enumerate() {
        let (containers, one) = layout::containers(&root, &found, index);
        let (images, two) = layout::images(&root, &found, index);
        let (volumes, three) = layout::volumes(&root, &found, index);
        let (networks, four) = layout::networks(&root, &found, index);
        lines.push(format!(
            "{}/{}: {} {} {} {}",
            store.generation.name(),
            store.driver.name(),
            containers.len(),
            images.len(),
            volumes.len(),
            networks.len()
        ));
        all.extend(one.into_iter().chain(two).chain(three).chain(four));
    }
    assert_eq!(lines, stores, "{name}");
    assert_eq!(all.len(), findings, "{name}: {all:#?}");
}

#[test]
fn each_root_holds_what_its_engine_said() {
    let folder = unpack();
    let hosts = folder.path();
    check(hosts, "docker-0.6.4-aufs-emulated", &["docker-first/aufs: 15 32 6 0"], 0);
    check(hosts, "docker-1.2.0-vfs", &["docker-graph/vfs: 25 37 7 0"], 0);
    // none and host of 1.9 are in no file.
    check(hosts, "docker-1.9.1-overlay", &["docker-graph/overlay: 29 42 9 2"], 0);
    // The finding is about the container that docker 1.10 could not migrate.
    check(
        hosts,
        "docker-1.10.3-overlay-migrated-from-1.9.1",
        &["docker-content/overlay: 29 42 9 2", "docker-graph/overlay: 0 42 0 0"],
        1,
    );
    check(hosts, "docker-20.10.24-overlay2", &["docker-content/overlay2: 31 43 11 4"], 0);
    check(hosts, "docker-28.5.2-overlay2", &["docker-content/overlay2: 31 43 11 4"], 0);
}
