//! Archives made to harm (scripts/make-testdata/hostile-tars): each is refused with the entry named, and nothing outside
//! the folder is touched.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use storage::unpack::{LayerForm, Meaning, Options, Place, unpack};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hostile/tars")
}

/// Everything around the folder, to see that nothing changes there.
fn around(dir: &Path) -> String {
    let entries = walkdir::WalkDir::new(dir).sort_by_file_name();
    let kept = entries.into_iter().filter_entry(|entry| entry.file_name() != "diff" && entry.file_name() != "split");
    kept.map(|entry| {
        let entry = entry.unwrap();
        format!("{} {:?}\n", entry.path().display(), fs::read(entry.path()).ok())
    })
    .collect()
}

fn check(file: &str, message: &str, form: LayerForm, meaning: Meaning) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("outer/diff")).unwrap();
    fs::write(dir.path().join("outer/secret"), "secret").unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    let before = around(dir.path());
    let split = File::options().read(true).write(true).create_new(true).open(dir.path().join("split")).unwrap();
    let place = Place { files: File::open(dir.path().join("outer/diff")).unwrap().into(), split };
    let input = File::open(corpus().join(file)).unwrap();
    let error = unpack(input, place, &Options::new(form, meaning), &mut |_| Ok(())).expect_err(file);
    let mut told = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        told.push_str(&format!(": {source}"));
    }
    assert!(told.contains(message), "{file}: {told}");
    assert!(!told.contains(|c: char| c.is_control()), "{file}: a control character is shown");
    assert_eq!(around(dir.path()), before, "{file} reached out of its folder");
}

#[test]
fn every_archive_of_the_corpus_is_refused_and_touches_nothing_outside() {
    let list = fs::read_to_string(corpus().join("refused.txt")).unwrap();
    let cases: Vec<(&str, &str)> = list.lines().map(|line| line.split_once('\t').unwrap()).collect();
    assert!(cases.len() > 50);
    for (file, message) in cases {
        // Only a layer has whiteouts.
        for meaning in
            if file.starts_with("whiteout") { &[Meaning::Layer][..] } else { &[Meaning::Layer, Meaning::Rootfs] }
        {
            for form in [LayerForm::Overlay2, LayerForm::Vfs] {
                check(file, message, form, *meaning);
            }
        }
    }
}
