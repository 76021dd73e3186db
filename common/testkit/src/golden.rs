//! What programs answered, kept as files that people read, and held against what they answer now.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set to anything, it makes [`Goldens::check`] write the files instead of comparing them.
pub const UPDATE: &str = "UPDATE_GOLDEN";

/// Lines of one answer that are kept word by word. The rest is kept as the digest of the whole.
const KEPT: usize = 12;

/// Columns of a kept line; what is longer ends in `…`, and the digest covers it.
const WIDTH: usize = 300;

/// Answers in one folder, and what did not fit them.
pub struct Goldens {
    folder: PathBuf,
    came: PathBuf,
    differences: Vec<String>,
}

impl Goldens {
    /// Golden files in `folder`; whole answers that differ are left in `came` to look at.
    pub fn new(folder: PathBuf, came: PathBuf) -> Goldens {
        Goldens { folder, came, differences: Vec::new() }
    }

    /// Holds an answer against the file of that name, or writes the file where [`UPDATE`] is set.
    pub fn check(&mut self, name: &str, answer: &str) {
        let golden = self.folder.join(name);
        if std::env::var_os(UPDATE).is_some() {
            write(&golden, answer);
        } else if std::fs::read_to_string(&golden).ok().as_deref() != Some(answer) {
            let came = self.came.join(name);
            write(&came, answer);
            self.differences.push(difference(&golden, &came));
        }
    }

    /// Fails with all differences, as `diff -u` shows them.
    pub fn finish(self) {
        assert!(
            self.differences.is_empty(),
            "{} answers changed; if they are right, run again with {UPDATE}=1\n{}",
            self.differences.len(),
            self.differences.join("\n")
        );
    }
}

/// One run in words: the command, what came on stdout, the status, and the complaints.
pub fn answer(command: &str, out: &std::process::Output) -> String {
    let status = out.status.code().map_or("killed".to_string(), |code| format!("exit {code}"));
    format!("$ {command}\n{}{}-- {status}\n", kept("", &out.stdout), kept("! ", &out.stderr))
}

/// The first lines, and the digest of the whole where they do not say it all.
fn kept(before: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut said = String::new();
    for line in text.lines().take(KEPT) {
        let short: String = line.trim_end().chars().take(WIDTH).collect();
        said.push_str(&format!("{before}{short}{}\n", if line.chars().count() > WIDTH { "…" } else { "" }));
    }
    let lines = text.lines().count();
    if lines > KEPT || text.lines().any(|line| line.chars().count() > WIDTH) {
        said.push_str(&format!("{before}… {lines} lines, sha256 {}\n", sha256(bytes)));
    }
    said
}

/// The digest of a whole answer, for one that is no text.
pub fn sha256(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file is made");
    std::fs::write(file.path(), bytes).expect("it is written");
    let out = Command::new("sha256sum").arg(file.path()).output().expect("this test needs the program sha256sum");
    String::from_utf8_lossy(&out.stdout).chars().take(64).collect()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("its folder is made");
    std::fs::write(path, text).expect("it is written");
}

fn difference(golden: &Path, came: &Path) -> String {
    let out = Command::new("diff").args(["-uN"]).arg(golden).arg(came).output();
    String::from_utf8_lossy(&out.expect("this test needs the program diff").stdout).into_owned()
}
