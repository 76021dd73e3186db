//! Holds the workspace to the table in docs/architecture.md: which crate may use which.

use std::collections::BTreeMap;
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
    let uses = uses();
    let mut wrong = Vec::new();
    let common: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    for (name, (path, dependencies)) in &uses {
        let allowed: &[&str] = if path.contains("/bins/") {
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
        for used in dependencies.iter().filter(|used| uses.contains_key(*used) && !allowed.contains(&used.as_str())) {
            wrong.push(format!("{name} must not use {used}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Package name to its manifest's path and the names it depends on, tests' dependencies left out.
fn uses() -> BTreeMap<String, (String, Vec<String>)> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo is what runs this test");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).expect("cargo prints JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("each has a list");
            let names = dependencies.iter().filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect();
            (text(&package["name"]), (text(&package["manifest_path"]), names))
        })
        .collect()
}
