//! The data roots in `testdata/hosts`, unpacked as they lay on their hosts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How far back the stream of real roots refers: it was made with `zstd --long=31`.
const LONG: &str = "--long=31";

/// All hosts, one folder each; they go with this value.
pub struct Hosts {
    place: TempDir,
}

impl Hosts {
    /// Unpacks the real roots and copies the seeds beside them. Owners, devices and `trusted.*` attributes are part of
    /// what is read, so without root this is a failure, never a smaller test.
    pub fn unpack() -> Hosts {
        assert!(is_root(), "data roots cannot be unpacked without root: run this test as root");
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts");
        let place = tempfile::tempdir().expect("a folder is made");
        untar(&packed.join("real.tar.zst"), place.path());
        for name in names_in(place.path()) {
            let tar = place.path().join(&name).join("root.tar");
            let aside = place.path().join("root.tar");
            std::fs::rename(&tar, &aside).expect("a root's tar is there");
            std::fs::remove_dir(place.path().join(&name)).expect("nothing else is beside it");
            std::fs::create_dir(place.path().join(&name)).expect("its place is free");
            untar(&aside, &place.path().join(&name));
            std::fs::remove_file(&aside).expect("the tar is ours");
        }
        for seed in names_in(&packed).into_iter().filter(|name| name.starts_with("seed-")) {
            let copied = Command::new("cp").arg("-a").arg(packed.join(seed)).arg(place.path()).status();
            assert!(copied.expect("cp starts").success());
        }
        for name in names_in(place.path()).into_iter().filter(|name| name.starts_with("seed-")) {
            as_on_any_machine(&place.path().join(name));
        }
        Hosts { place }
    }

    /// The folder that holds one folder a host.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// The hosts' names, sorted.
    pub fn names(&self) -> Vec<String> {
        names_in(self.path())
    }
}

/// Gives a copied seed the times and modes that every checkout has, since git keeps neither.
fn as_on_any_machine(seed: &Path) {
    let run = |program: &str, words: &[&str]| {
        let done = Command::new(program).args(words).arg(seed).status();
        assert!(done.expect("the program starts").success(), "{program} on a seed");
    };
    run("chmod", &["-R", "u=rwX,go=rX"]);
    let set =
        Command::new("find").arg(seed).args(["-exec", "touch", "-h", "-d", "2014-09-06T12:00:00Z", "{}", "+"]).status();
    assert!(set.expect("find starts").success());
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it is read").file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

fn untar(archive: &PathBuf, into: &Path) {
    let mut zstd = Command::new("zstd")
        .args(["-dcqf", LONG])
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs the program zstd");
    let tar = Command::new("tar")
        .args(["-x", "--numeric-owner", "--warning=no-timestamp", "--xattrs", "--xattrs-include=*", "-C"])
        .arg(into)
        .stdin(zstd.stdout.take().expect("it is piped"))
        .status()
        .expect("this test needs the program tar");
    assert!(zstd.wait().expect("zstd ends").success() && tar.success(), "cannot unpack '{}'", archive.display());
}
