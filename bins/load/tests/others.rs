//! Archives that other programs make, and other programs on the archives that we make.

mod words;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::engine::is_here;
use words::*;

/// A data root with the image `app:1` of 21 layers, and its archive.
fn app(work: &Path) -> Vec<u8> {
    let root = work.join("app");
    done(&root, "load", &[], &testdata("v1-1.9.1.tar.gz"));
    let archive = done(&root, "save", &["app:1"], b"");
    fs::write(work.join("app.tar"), &archive).unwrap();
    archive
}

fn tool(work: &Path, line: &str) -> String {
    let output = Command::new("bash").args(["-ec", line]).current_dir(work).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The uncompressed layers of `app:1` as its config names them.
fn diff_ids(work: &Path) -> Value {
    let manifest: Value = serde_json::from_str(&tool(work, "tar -xOf app.tar manifest.json")).unwrap();
    let config = tool(work, &format!("tar -xOf app.tar {}", manifest[0]["Config"].as_str().unwrap()));
    serde_json::from_str::<Value>(&config).unwrap()["rootfs"]["diff_ids"].clone()
}

/// The layers of an archive, in an order that their names, which depend on the config, have no part in.
fn sorted(archive: &[u8]) -> Vec<Vec<u8>> {
    let mut layers: Vec<Vec<u8>> = layers(archive).into_values().collect();
    layers.sort_unstable();
    layers
}

/// Loads what a program made into a new root, from a file or folder and from a pipe; its layers are the same bytes.
fn comes_back(work: &Path, archive: &[u8], made: &str) {
    let path = work.join(made);
    let root = work.join("back");
    let mut inputs = vec![(vec!["-i", path.to_str().unwrap()], Vec::new())];
    if path.is_file() {
        inputs.push((Vec::new(), fs::read(&path).unwrap()));
    }
    for (args, input) in inputs {
        let _ = fs::remove_dir_all(&root);
        let said = String::from_utf8(done(&root, "load", &args, &input)).unwrap();
        let name = said.trim().trim_start_matches("Loaded image ID: ").trim_start_matches("Loaded image: ");
        let again = done(&root, "save", &[name], b"");
        assert!(sorted(&again) == sorted(archive), "{made} {args:?}: {said}");
    }
}

#[test]
fn what_skopeo_makes_of_our_archive_loads_again() {
    if !is_here("skopeo") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let archive = app(work.path());
    for (form, made) in [
        ("docker-archive:made.tar:app:1", "made.tar"),
        ("oci-archive:made.oci:app:1", "made.oci"),
        ("oci:folder:app:1", "folder"),
        ("dir:plain", "plain"),
    ] {
        tool(work.path(), &format!("skopeo --insecure-policy copy -q docker-archive:app.tar {form}"));
        comes_back(work.path(), &archive, made);
    }
}

/// Docker 25 and later (moby v25.0.0 image/tarexport/save.go): an OCI layout whose members are sorted, with a
/// manifest.json whose paths lie among the blobs, layers uncompressed.
#[test]
fn an_archive_as_docker_25_orders_it_loads() {
    if !is_here("skopeo") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let archive = app(work.path());
    tool(
        work.path(),
        "skopeo --insecure-policy copy -q --dest-oci-accept-uncompressed-layers docker-archive:app.tar oci:new:app:1",
    );
    let blob = |digest: &Value| format!("blobs/sha256/{}", digest.as_str().unwrap().trim_start_matches("sha256:"));
    let read = |path: &str| -> Value {
        serde_json::from_slice(&fs::read(work.path().join("new").join(path)).unwrap()).unwrap()
    };
    let oci = read(&blob(&read("index.json")["manifests"][0]["digest"]));
    let layers: Vec<String> = oci["layers"].as_array().unwrap().iter().map(|layer| blob(&layer["digest"])).collect();
    let manifest = json!([{"Config": blob(&oci["config"]["digest"]), "RepoTags": ["app:1"], "Layers": layers}]);
    fs::write(work.path().join("new/manifest.json"), manifest.to_string()).unwrap();
    tool(work.path(), "tar -C new --sort=name -cf new.tar blobs index.json manifest.json oci-layout");
    comes_back(work.path(), &archive, "new.tar");
    comes_back(work.path(), &archive, "new");
}

#[test]
fn skopeo_reads_every_form_that_save_writes() {
    if !is_here("skopeo") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    app(work.path());
    let expected = diff_ids(work.path());
    let root = work.path().join("app");
    for (format, out, transport) in [
        ("docker-archive", "a.tar", "docker-archive:a.tar"),
        ("oci-archive", "a.oci", "oci-archive:a.oci"),
        ("oci-dir", "a.dir", "oci:a.dir"),
    ] {
        let out = work.path().join(out);
        done(&root, "save", &["--format", format, "-o", out.to_str().unwrap(), "app:1"], b"");
        let config = tool(work.path(), &format!("skopeo --insecure-policy inspect --config {transport}"));
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], expected, "{format}");
        // Copying reads every layer and compares its digest.
        tool(work.path(), &format!("rm -rf copy; skopeo --insecure-policy copy -q {transport} dir:copy"));
    }
}

#[test]
fn podman_loads_what_save_writes_and_we_load_what_podman_saves() {
    if !is_here("podman") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let archive = app(work.path());
    let root = work.path().join("app");
    let podman = "podman --root $PWD/storage --runroot $PWD/run --storage-driver vfs --cgroup-manager cgroupfs";
    for format in ["docker-archive", "oci-archive"] {
        let out = work.path().join(format);
        done(&root, "save", &["--format", format, "-o", out.to_str().unwrap(), "app:1"], b"");
        let said = tool(work.path(), &format!("{podman} load -q -i {format}"));
        assert!(said.contains("app:1"), "{format}: {said}");
        for (made, folder) in [("docker-archive", false), ("oci-archive", false), ("oci-dir", true)] {
            let to = if folder { "saved.d" } else { "saved" };
            tool(work.path(), &format!("rm -rf {to}; {podman} save -q --format {made} -o {to} app:1"));
            comes_back(work.path(), &archive, to);
        }
        tool(work.path(), &format!("{podman} rmi -f app:1"));
    }
}
