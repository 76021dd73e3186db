//! Holds the workspace to the table in docs/architecture.md: which crate may use which. And none names one that it does not use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crate and what it may use of ours. Programs may use everything in `common/`, and no other program.
const MAY_USE: &[(&str, &[&str])] = &[
    ("archive", &["model", "tarball"]),
    ("cli", &["model"]),
    ("disk", &["hostfs", "model"]),
    ("host", &["hostfs", "layout", "model", "storage"]),
    ("hostfs", &["model", "tarball"]),
    ("launch", &["model", "userns"]),
    ("layout", &["hostfs", "model"]),
    ("lifecycle", &["host", "hostfs", "launch", "layout", "logfile", "model", "storage", "userns", "wire"]),
    ("logfile", &["hostfs", "layout", "model", "tarball"]),
    ("model", &[]),
    ("storage", &["disk", "hostfs", "model", "tarball"]),
    ("tarball", &["model"]),
    ("testkit", &["model"]),
    ("userns", &[]),
    ("wire", &["model"]),
];

#[test]
fn no_crate_knows_what_it_must_not() {
    let uses: BTreeMap<String, Package> =
        packages().into_iter().map(|package| (package.name.clone(), package)).collect();
    let mut wrong = Vec::new();
    let common: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    for (name, package) in &uses {
        let allowed: &[&str] = if package.folder.ends_with(Path::new("bins").join(name)) {
            &common
        } else {
            match MAY_USE.iter().find(|(known, _)| known == name) {
                Some((_, allowed)) => allowed,
                None => {
                    wrong.push(format!("{name} is not in the table"));
                    continue;
                }
            }
        };
        for used in package.uses.iter().filter(|used| uses.contains_key(*used) && !allowed.contains(&used.as_str())) {
            wrong.push(format!("{name} must not use {used}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_crate_names_another_in_vain() {
    let in_vain = packages().into_iter().flat_map(|package| {
        let (sources, tests) =
            (words(&package.folder, &["src"]), words(&package.folder, &["src", "tests", "examples", "build.rs"]));
        let missing = |names: Vec<String>, words: BTreeSet<String>| {
            names.into_iter().filter(move |name| !words.contains(&name.replace('-', "_"))).collect::<Vec<_>>()
        };
        let names = [missing(package.uses, sources), missing(package.tests_use, tests)].concat();
        names.into_iter().map(move |name| format!("{}: {name}", package.name))
    });
    assert_eq!(in_vain.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn every_program_is_in_the_fronts_list_and_in_the_readme() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(ours.join(path)).expect("it is ours");
    let (front, readme) = (read("bins/dockless/src/programs.rs"), read("README.md"));
    let is_told = |name: &String| front.contains(&format!("(\"{name}\", ")) && readme.contains(&format!("`{name}`"));
    let programs = packages().into_iter().flat_map(|package| package.programs);
    let untold: Vec<String> = programs.filter(|name| name != "dockless" && !is_told(name)).collect();
    assert_eq!(untold, Vec::<String>::new());
}

#[test]
fn the_workspace_names_no_crate_that_nobody_uses() {
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml")).expect("it is ours");
    let (_, after) = manifest.split_once("[workspace.dependencies]").expect("the workspace has dependencies");
    let lines = after.lines().skip(1).take_while(|line| !line.starts_with('['));
    let named: BTreeSet<String> =
        lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_string()).collect();
    let used = packages().into_iter().flat_map(|package| [package.uses, package.tests_use].concat()).collect();
    assert_eq!(named.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The words of a crate's sources.
fn words(folder: &Path, places: &[&str]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut left: Vec<PathBuf> = places.iter().map(|place| folder.join(place)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).expect("it is ours").map(|entry| entry.expect("it is read").path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
            words.extend(text.split(|letter| !is_part(letter)).map(str::to_string));
        }
    }
    words
}

/// A crate of ours, as its manifest describes it.
struct Package {
    name: String,
    folder: PathBuf,
    programs: Vec<String>,
    uses: Vec<String>,
    tests_use: Vec<String>,
}

fn packages() -> Vec<Package> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo is what runs this test");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).expect("cargo prints JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let package = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("each has a list");
        let of = |kind: Option<&str>| {
            dependencies.iter().filter(|d| d["kind"].as_str() == kind).map(|d| text(&d["name"])).collect()
        };
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().expect("a manifest lies in a folder").to_path_buf();
        let targets = package["targets"].as_array().expect("each has a list");
        let is_program = |target: &&serde_json::Value| target["kind"][0] == "bin";
        let programs = targets.iter().filter(is_program).map(|target| text(&target["name"])).collect();
        Package { name: text(&package["name"]), folder, programs, uses: of(None), tests_use: of(Some("dev")) }
    };
    metadata["packages"].as_array().expect("cargo lists packages").iter().map(package).collect()
}
