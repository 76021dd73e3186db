//! Where the programs are, and starting one.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::help;

/// All programs of the suite in the order that help shows them, with one line each for where a program is not built.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("ps", "List containers"),
    ("images", "List images"),
    ("inspect", "Show everything about containers, images, volumes, networks, or the host, as docker's JSON"),
    ("history", "Show how an image was made"),
    ("logs", "Show what a container wrote"),
    ("diff", "Show what a container changed in its image's files"),
    ("port", "Show a container's published ports"),
    ("volumes", "List volumes"),
    ("networks", "List networks"),
    ("df", "Show what takes how much room"),
    ("whose", "Tell which object a path, address or process belongs to"),
    ("import", "Make an image of a root filesystem's tar"),
    ("export", "Write a container's, image's or volume's files as a tar"),
    ("save", "Write images as an archive"),
    ("load", "Read images from an archive"),
    ("tag", "Give an image a name"),
    ("rmi", "Remove images"),
    ("rm", "Remove containers"),
    ("commit", "Make an image of a container"),
    ("run", "Run a command in a container"),
    ("exec", "Execute a command in a running container"),
    ("attach", "Attach to a running container"),
    ("cp", "Copy files out of a container, or into it"),
    ("start", "Start stopped containers"),
    ("stop", "Stop running containers"),
    ("restart", "Restart containers"),
    ("kill", "Kill running containers"),
    ("pause", "Halt all processes of containers"),
    ("unpause", "Let halted containers go on"),
    ("wait", "Wait until containers stop, and print their exit codes"),
    ("top", "Show the running processes of a container"),
    ("stats", "Show what running containers use"),
    ("events", "Show what happened to containers"),
    ("net", "Plan, make and remove the network rules that containers need"),
    ("version", "Show versions of dockless and of the engines that wrote the root"),
];

/// The folder of the programs: `../libexec/dockless` beside the front, else the front's own folder.
pub fn folder() -> PathBuf {
    let own = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)).unwrap_or_default();
    let installed = own.join("../libexec/dockless");
    if installed.is_dir() { installed } else { own }
}

/// Whether a program of that name is in the folder.
pub fn is_there(folder: &Path, name: &OsStr) -> bool {
    let is_bare = !name.is_empty() && !name.as_encoded_bytes().contains(&b'/') && name != "." && name != "..";
    let file = |path: &Path| path.metadata().is_ok_and(|stat| stat.is_file() && stat.permissions().mode() & 0o111 != 0);
    is_bare && name != "dockless" && file(&folder.join(name)) && is_ours(folder, name)
}

// In the front's own folder, which may be a `bin` with anything in it, only our own names count.
fn is_ours(folder: &Path, name: &OsStr) -> bool {
    folder.ends_with("libexec/dockless") || PROGRAMS.iter().any(|(ours, _)| name == *ours)
}

/// Becomes the program. Comes back only where that cannot be.
pub fn start(folder: &Path, name: &OsStr, args: &[OsString]) -> ExitCode {
    if !is_there(folder, name) {
        return help::unknown(folder, name);
    }
    let path = folder.join(name);
    let error = Command::new(&path).arg0(name).args(args).exec();
    help::not_started(&path, &error)
}

/// The known program whose name is nearest to what was typed, where one is near.
pub fn nearest(folder: &Path, typed: &str) -> Option<&'static str> {
    let near = |name: &str| distance(typed, name);
    let groups = crate::groups::GROUPS.iter().map(|group| group.word);
    let there = PROGRAMS.iter().map(|(name, _)| *name).filter(|name| is_there(folder, OsStr::new(name)));
    there.chain(groups).min_by_key(|name| near(name)).filter(|name| near(name) <= 1 + typed.len() / 4)
}

/// How many letters differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_near() {
        for (a, b, letters) in [("ps", "ps", 0), ("psa", "ps", 1), ("iamges", "images", 2), ("", "ps", 2)] {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["", ".", "..", "../bin/sh", "/bin/sh", "dockless"] {
            assert!(!is_there(Path::new("/bin"), OsStr::new(name)), "{name}");
        }
        assert!(!is_there(Path::new("/bin"), OsStr::new("sh")), "what is not ours is not started");
    }
}
