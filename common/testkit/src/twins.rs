//! Two copies of one data root: docker works on one, a program of ours on the other, and both must do the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::engine::Dockerd;

/// A root under a daemon, and its twin under none.
pub struct Twins {
    daemon: Option<Dockerd>,
    place: TempDir,
}

impl Twins {
    /// A root on which `setup` was run by docker, then copied. Each line is a command of docker's without the word
    /// docker, split at spaces; `import NAME` makes an image of one small layer.
    pub fn new(setup: &str) -> Twins {
        let place = tempfile::tempdir().expect("a folder is made");
        let (root, twin) = (place.path().join("root"), place.path().join("twin"));
        {
            let daemon = Dockerd::start(&root, Some("overlay2"));
            for line in setup.lines().map(str::trim).filter(|line| !line.is_empty()) {
                run(&daemon, line, place.path());
            }
        }
        let copied = Command::new("cp").arg("-a").arg(&root).arg(&twin).status().expect("cp starts");
        assert!(copied.success());
        Twins { daemon: Some(Dockerd::start(&root, Some("overlay2"))), place }
    }

    /// The root that is ours to change.
    pub fn twin(&self) -> PathBuf {
        self.place.path().join("twin")
    }

    /// The daemon of the other.
    pub fn daemon(&self) -> &Dockerd {
        self.daemon.as_ref().expect("it is there until the end")
    }

    /// Runs `docker NAME ARGS` on one and the program on the other: status, output and complaint must be the same, but
    /// for who complains, and for hints.
    pub fn check(&self, program: &Path, args: &[&str]) {
        let name = program.file_name().and_then(|name| name.to_str()).expect("a program has a name");
        let mut line = vec![name];
        line.extend(args);
        let theirs = self.daemon().command(&line).output().expect("docker starts");
        let ours =
            Command::new(program).args(args).env("DOCKLESS_ROOT", self.twin()).output().expect("the program starts");
        let words = if is_old(self.daemon()) { before_23 } else { |line: String| line };
        assert_eq!(spoken(&ours, name, words), spoken(&theirs, name, words), "{line:?}");
    }

    /// Ends the daemon and compares the two roots: the same images, layers, containers and files of theirs; and a daemon
    /// shows the same of both.
    pub fn finish(mut self) {
        let theirs = shown(self.daemon());
        drop(self.daemon.take());
        let trees = ["root", "twin"].map(|name| tree(&self.place.path().join(name)));
        assert_eq!(trees[1], trees[0]);
        assert_eq!(shown(&Dockerd::start(&self.twin(), Some("overlay2"))), theirs);
    }
}

/// What a daemon lists.
fn shown(daemon: &Dockerd) -> [String; 3] {
    [
        daemon.docker(&["images", "-a", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}"]),
        daemon.docker(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Image}}"]),
        daemon.docker(&["volume", "ls", "-q"]),
    ]
    .map(|text| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    })
}

fn run(daemon: &Dockerd, line: &str, place: &Path) {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["import", name] => {
            let script = "mkdir -p files && echo \"$0\" > files/content && tar -cf layer.tar files";
            assert!(
                Command::new("sh")
                    .args(["-ec", script, name])
                    .current_dir(place)
                    .status()
                    .expect("sh starts")
                    .success()
            );
            daemon.docker(&["import", place.join("layer.tar").to_str().expect("a path in words"), name]);
        }
        _ => drop(daemon.docker(&words)),
    }
}

/// Whether docker's client is older than 23, which gave some complaints other words; ours are today's.
fn is_old(daemon: &Dockerd) -> bool {
    let version = daemon.docker(&["version", "--format", "{{.Client.Version}}"]);
    version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 23)
}

/// A complaint in the words that clients before 23 had.
fn before_23(line: String) -> String {
    let line = line.replace("container name cannot be empty", "Container name cannot be empty");
    let line = match (line.find("repository name ("), line.find(") must be lowercase")) {
        (Some(from), Some(to)) if from < to => format!("{}repository name{}", &line[..from], &line[to + 1..]),
        _ => line,
    };
    match line.strip_prefix("No such image: ").and_then(|name| name.strip_suffix(":latest")) {
        Some(name) => format!("No such image: {name}"),
        None => line,
    }
}

/// Exit status, output, and complaints as lines, without who complains.
fn spoken(out: &Output, name: &str, words: fn(String) -> String) -> (Option<i32>, String, Vec<String>) {
    let own = format!("{name}: ");
    let bare = |line: &str| {
        let prefixes = [own.as_str(), "note: ", "Error response from daemon: ", "Error: "];
        prefixes.iter().fold(line.to_string(), |line, prefix| line.strip_prefix(prefix).unwrap_or(&line).to_string())
    };
    let complaints = String::from_utf8_lossy(&out.stderr)
        .lines()
        .filter(|line| !line.starts_with("hint: "))
        .map(bare)
        .map(words)
        .collect();
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned(), complaints)
}

/// What counts of a root: names of all, and the texts of the image store.
fn tree(root: &Path) -> String {
    let script = "find image overlay2 containers volumes \\( -path image/overlay2/distribution -o -name 'lastUpdated' -o -path '*/work/work' -o -name '*.db' \
                  -o -name backingFsBlockDev \\) -prune -o \\( -type f -path 'image/*' ! -name '*.gz' \\) -printf '%p ' -exec sh -c 'tr -d \"\\n\" < \"$1\"; echo' sh {} \\; -o -print | sort";
    let out = Command::new("sh").args(["-ec", script]).current_dir(root).output().expect("sh starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
