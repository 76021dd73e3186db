//! Records with bytes changed at random: whatever they say, every question is answered.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hostfs::Root;
use layout::Object;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// The hosts in testdata that lie there as plain files: graph and containers of 0.6.4 and 1.2.0, config.lxc, linkgraph.db,
/// execdriver's state.
const HOSTS: [&str; 2] = ["seed-0.6.4", "seed-1.2.0"];
/// No answer takes longer; most take a hundredth of it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        match kind.is_dir() {
            true => out.extend(files(&entry.path())),
            false if kind.is_file() => out.push(entry.path()),
            false => {}
        }
    }
    out.sort();
    out
}

/// Asks everything that can be asked of a root.
fn ask(path: &Path) {
    let root = Root::open(path).unwrap();
    let (stores, _) = layout::detect(&root);
    for (index, store) in stores.iter().enumerate() {
        for container in layout::containers(&root, &stores, index).0 {
            layout::inspect_container(&root, &stores, &container);
            layout::raw_records(&root, &stores, Object::Container(&container));
            layout::log_place(&root, store, &container);
            let _ = layout::rootfs(&root, store, &container);
        }
        for image in layout::images(&root, &stores, index).0 {
            layout::inspect_image(&root, &stores, &image);
            layout::history(&root, store, &image);
            let _ = layout::image_rootfs(&root, store, &image);
        }
        for volume in layout::volumes(&root, &stores, index).0 {
            layout::inspect_volume(&root, &stores, &volume);
        }
        for network in layout::networks(&root, &stores, index).0 {
            layout::inspect_network(&root, &stores, &network);
        }
        layout::interfaces(&root, store);
        layout::build_cache(&root, &stores, index);
    }
}

/// What is done to a file.
#[derive(Clone, Debug)]
enum Harm {
    Bytes(Vec<(usize, u8)>),
    Cut(usize),
    /// Another file's content.
    Swap(usize),
    /// JSON that is none, or is too deep, or has a number where a text was.
    Text(&'static str),
}

fn harm() -> impl Strategy<Value = Harm> {
    let byte =
        prop_oneof![any::<u8>(), Just(b'"'), Just(b'{'), Just(b'['), Just(b'9'), Just(b'-'), Just(b'\n'), Just(b'=')];
    prop_oneof![
        4 => prop::collection::vec((any::<usize>(), byte), 1..30).prop_map(Harm::Bytes),
        1 => any::<usize>().prop_map(Harm::Cut),
        2 => any::<usize>().prop_map(Harm::Swap),
        1 => prop::sample::select(vec!["", "null", "[]", "{}", "7", "{\"State\":null,\"ID\":[]}", "lxc.network.ipv4 = 999", "\u{0}"])
            .prop_map(Harm::Text),
    ]
}

fn harmed(old: &[u8], harm: &Harm, files: &[PathBuf]) -> Vec<u8> {
    let mut bytes = old.to_vec();
    match harm {
        Harm::Bytes(_) if bytes.is_empty() => {}
        Harm::Bytes(changes) => {
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
        }
        Harm::Cut(at) => bytes.truncate(at % (bytes.len() + 1)),
        Harm::Swap(other) => bytes = fs::read(&files[other % files.len()]).unwrap(),
        Harm::Text(text) => bytes = text.as_bytes().to_vec(),
    }
    bytes
}

#[test]
fn damage_anywhere_in_a_root_is_survived() {
    for host in HOSTS {
        let dir = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts").join(host);
        assert!(Command::new("cp").arg("-a").arg(from).arg(dir.path()).status().unwrap().success());
        let root = dir.path().join(host);
        let all = files(&root);
        let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
        let cases = prop::collection::vec((any::<usize>(), harm()), 1..4);
        let outcome = TestRunner::new(config).run(&cases, |harms| {
            let kept: Vec<(&PathBuf, Vec<u8>)> =
                harms.iter().map(|(at, _)| &all[at % all.len()]).map(|path| (path, fs::read(path).unwrap())).collect();
            for (path, harm) in harms.iter().map(|(at, harm)| (&all[at % all.len()], harm)) {
                let bytes = harmed(&fs::read(path).unwrap(), harm, &all);
                fs::write(path, bytes).unwrap();
            }
            let begin = std::time::Instant::now();
            let asked = std::panic::catch_unwind(|| ask(&root));
            let took = begin.elapsed();
            for (path, bytes) in kept.into_iter().rev() {
                fs::write(path, bytes).unwrap();
            }
            prop_assert!(asked.is_ok(), "it panicked");
            prop_assert!(took < PATIENCE, "it took {took:?}");
            Ok(())
        });
        assert!(outcome.is_ok(), "{host}: {}", outcome.unwrap_err());
    }
}
