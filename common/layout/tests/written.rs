//! What the writer makes, judged by a real dockerd: listed, shown, saved with the same digests, run, and removed; and
//! the other way round, what dockerd made, changed by the writer.

#[path = "written/layer.rs"]
mod layer;

use std::path::Path;

use hostfs::Wait;
use layer::{put, sh, sha256, tar};
use layout::docker_content::write::{EditError, Removed, Writer};
use model::{Digest, Reference};
use testkit::engine::{Dockerd, is_here};

const BASE: &str = "mkdir -p bin etc && cp /bin/cat bin/ && for f in $(ldd /bin/cat | grep -o '/[^ ]*'); do mkdir -p .$(dirname $f); cp $f .$f; done; echo old > etc/old";
const UPPER: &str = "mkdir etc && echo new > etc/new && touch etc/.wh.old";

fn config(layers: &[&[u8]], label: &str) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|tar| format!("\"{}\"", sha256(tar))).collect();
    let steps: Vec<String> =
        layers.iter().map(|_| r#"{"created":"2020-01-01T00:00:00Z","created_by":"by hand"}"#.to_string()).collect();
    format!(
        r#"{{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":{{"Cmd":["/bin/cat","/etc/new"],"Labels":{{"x":"{label}"}}}},"history":[{}],"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        steps.join(","),
        ids.join(",")
    )
    .into()
}

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

fn open(root: &Path) -> Writer {
    Writer::create(root, Wait::No).unwrap()
}

/// An image of two layers under a name.
fn write_image(root: &Path, name: &str, label: &str, tars: &[&[u8]]) -> Digest {
    let mut writer = open(root);
    let mut parent = None;
    for tar in tars {
        parent = Some(put(&mut writer, parent.as_ref(), tar));
    }
    let id = writer.put_image(&config(tars, label)).unwrap();
    writer.tag(&reference(name), &id).unwrap();
    id
}

/// What `save` gives of an image: the digests of its layers' tars, and its config.
fn saved(daemon: &Dockerd, name: &str) -> (Vec<Digest>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    daemon.docker(&["save", "-o", dir.path().join("saved.tar").to_str().unwrap(), name]);
    sh("tar -xf saved.tar", dir.path());
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("manifest.json")).unwrap()).unwrap();
    let file = |value: &serde_json::Value| std::fs::read(dir.path().join(value.as_str().unwrap())).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap().iter().map(|layer| sha256(&file(layer))).collect();
    (layers, file(&manifest[0]["Config"]))
}

fn tree(root: &Path) -> String {
    // What both leave apart: scratch, our lock, and what dockerd keeps for itself.
    let script = "find . -mindepth 1 \\( -path ./tmp -o -path ./dockless.lock \\) -prune -o -print | sort";
    String::from_utf8(sh(script, root)).unwrap()
}

fn check_with_dockerd(driver: &str) {
    if !is_here("dockerd") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    if driver == "vfs" {
        std::fs::create_dir_all(root.join("image/vfs/imagedb")).unwrap();
    }
    let (base, upper) = (tar(BASE), tar(UPPER));
    let id = write_image(root, "team/hand:1", "one", &[&base, &upper]);
    assert_eq!(sh("ls tmp", root), b"", "the writer leaves nothing in its stage");
    {
        let daemon = Dockerd::start(root, (driver == "vfs").then_some("vfs"));
        assert_eq!(daemon.docker(&["info", "-f", "{{.Driver}}"]).trim(), driver);
        assert_eq!(
            daemon.docker(&["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]).trim(),
            format!("team/hand:1 {id}")
        );
        assert_eq!(daemon.docker(&["history", "-q", "--no-trunc", "team/hand:1"]).lines().count(), 2);
        assert_eq!(
            saved(&daemon, "team/hand:1"),
            (vec![sha256(&base), sha256(&upper)], config(&[&base, &upper], "one"))
        );
        assert_eq!(daemon.docker(&["run", "--rm", "--net", "none", "team/hand:1"]), "new\n");
        assert!(
            daemon
                .refusal(&["run", "--rm", "--net", "none", "team/hand:1", "/bin/cat", "/etc/old"])
                .contains("No such file")
        );
        daemon.docker(&["create", "--name", "user", "--net", "none", "team/hand:1"]);
        let refused = Writer::open(root, Wait::No).map(drop).unwrap_err();
        assert!(
            matches!(&refused, EditError::Owned { daemon: said, .. } if *said == format!("process {} (dockerd)", daemon.pid())),
            "{refused}"
        );
    }
    removed_as_dockerd_does(root, id);
    let id = write_image(root, "again", "two", &[&base, &upper]);
    let daemon = Dockerd::start(root, (driver == "vfs").then_some("vfs"));
    assert_eq!(daemon.docker(&["ps", "-aq"]), "");
    assert_eq!(daemon.docker(&["run", "--rm", "--net", "none", "again"]), "new\n");
    let gone = daemon.docker(&["rmi", "again"]);
    assert_eq!(gone.lines().nth(1), Some(&*format!("Deleted: {id}")), "{gone}");
    assert_eq!(gone.lines().count(), 4, "{gone}");
    drop(daemon);
    let left = tree(root);
    assert!(!left.contains("/etc/new") && !left.contains("cache-id"), "{left}");
}

/// A container that uses the image stands against its removal; both go, and with them all their files.
fn removed_as_dockerd_does(root: &Path, id: Digest) {
    let mut writer = open(root);
    let user = writer.find_container("user").unwrap();
    let refused = writer.remove_image("team/hand:1", false, true).unwrap_err().to_string();
    let text = "conflict: unable to remove repository reference \"team/hand:1\" (must force) - container";
    assert_eq!(refused, format!("{text} {} is using its referenced image {}", user.short(), id.short()));
    let refused = writer.remove_image(&id.short(), false, true).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!(
            "conflict: unable to delete {} (must be forced) - image is being used by stopped container {}",
            id.short(),
            user.short()
        )
    );
    writer.remove_container("user", true).unwrap();
    let removed = writer.remove_image("team/hand:1", false, true).unwrap();
    assert_eq!(removed[..2], [Removed::Untagged("team/hand:1".into()), Removed::Deleted(id)]);
    assert_eq!(removed.len(), 4);
    drop(writer);
    let left = tree(root);
    assert!(
        !left.contains("/etc/new")
            && !left.contains("cache-id")
            && !left.contains("mount-id")
            && !left.contains("overlay2/l/"),
        "{left}"
    );
}

#[test]
fn dockerd_takes_what_is_written_with_overlay2() {
    check_with_dockerd("overlay2");
}

#[test]
fn dockerd_takes_what_is_written_with_vfs() {
    check_with_dockerd("vfs");
}
