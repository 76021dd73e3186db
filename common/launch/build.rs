//! Builds the small init of `--init`: one file without a library, so that it runs in every root.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let source = "src/init/program.rs";
    println!("cargo::rerun-if-changed={source}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join("docker-init");
    let status = Command::new(env::var_os("RUSTC").expect("cargo says which"))
        .args(["--edition", "2021", "--crate-type", "bin", "--crate-name", "docker_init"])
        .args(["--target", &env::var("TARGET").expect("cargo says for what")])
        .args(["-C", "panic=abort", "-C", "opt-level=s", "-C", "relocation-model=static", "-C", "strip=symbols"])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib", "-C", "link-arg=-static"])
        .args([
            "-C",
            "link-arg=-Wl,--build-id=none",
            "-C",
            "link-arg=-Wl,-z,norelro",
            "-C",
            "link-arg=-Wl,--gc-sections",
        ])
        .arg("-o")
        .arg(&out)
        .arg(source)
        .status()
        .expect("rustc can be started");
    assert!(status.success(), "the init cannot be built");
}
