//! All programs, for tests that need several.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of all programs, built for this test: cargo by itself builds only this package's.
pub fn built() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_dockless")).parent().expect("a program lies in a folder");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--workspace", "--bins", "--target-dir"]).arg(folder.join(".."));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo starts").success(), "the programs do not build");
    folder.to_path_buf()
}
