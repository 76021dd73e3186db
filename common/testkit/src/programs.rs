//! All programs of the workspace, for tests that need several: cargo by itself builds only those of the package under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of all programs, built anew where their source has changed. It is always the whole workspace: for a part of it,
/// cargo would choose other features of the same crates, and build those twice.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let own = std::env::current_exe().expect("this test has a path");
    // target/debug/deps/NAME
    let folder = own.ancestors().nth(2).expect("it lies in the target folder");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["build", "--quiet", "--offline", "--workspace", "--bins", "--target-dir"]).arg(folder.join(".."));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    // What cargo tells the test about its package, build scripts would take for theirs, and build everything anew.
    for (key, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| key.to_string_lossy().starts_with(own)) {
            command.env_remove(key);
        }
    }
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    assert!(command.status().expect("cargo starts").success(), "the programs are not built");
    folder.to_path_buf()
}
