//! What the front says.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use cli::table::Table;
use model::path::shown;

use crate::groups::{self, GROUPS};
use crate::programs::{self, PROGRAMS};

/// What the help begins with.
pub const BEGIN: &str = "\
dockless works on a Docker data root with no daemon: this host's, a stopped one's, a disk's, or one from 2013.

Usage:  dockless [--root DIR] PROGRAM [OPTIONS] [ARGUMENTS]

To begin:
  dockless ps -a                                      this host's containers
  dockless --root /mnt/disk/var/lib/docker images     the images of a mounted disk
  tar -C / --one-file-system -c . | dockless import --host - myhost:today
                                                      this host becomes an image
  dockless save myhost:today | ssh other dockless load
                                                      and moves to another
";

const END: &str = "
The data root is --root DIR, else $DOCKLESS_ROOT, else /var/lib/docker (for an ordinary user $XDG_DATA_HOME/docker).
'dockless PROGRAM --help' says more about each.
";

/// Lists the programs that are there.
pub fn all(folder: &Path) -> ExitCode {
    let there = |name: &&(&str, &str)| programs::is_there(folder, OsStr::new(name.0));
    let mut text = String::from(BEGIN);
    text.push_str("\nPrograms:\n");
    text.push_str(&listed(PROGRAMS.iter().filter(there).copied()));
    text.push_str("\nDocker's groups:\n");
    text.push_str(&listed(GROUPS.iter().map(|group| (group.word, group.about))));
    text.push_str(END);
    print(&text)
}

/// Lists the verbs of a group.
pub fn group(folder: &Path, word: &str) -> ExitCode {
    let Some(group) = groups::group(word) else { return unknown(folder, OsStr::new(word)) };
    let about = |program: &str| PROGRAMS.iter().find(|(name, _)| *name == program).map_or("", |(_, about)| *about);
    let there = group.verbs.iter().filter(|verb| programs::is_there(folder, OsStr::new(verb.program)));
    let verbs = listed(there.map(|verb| (verb.word, about(verb.program))));
    print(&format!(
        "Usage:  dockless {word} COMMAND\n\nCommands:\n{verbs}\n'dockless {word} COMMAND --help' says more about each.\n"
    ))
}

fn listed<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut table = Table::bare();
    lines.for_each(|(name, about)| table.row([format!("  {name}"), about.to_string()]));
    table.text()
}

/// Says the version.
pub fn version() -> ExitCode {
    print(concat!("dockless ", env!("CARGO_PKG_VERSION"), "\n"))
}

/// Answers a name that no program has: docker's sentence, and status 2 as all wrong usage.
pub fn unknown(folder: &Path, name: &OsStr) -> ExitCode {
    let typed = shown(name.as_encoded_bytes());
    say(&format!("dockless: unknown command: dockless {typed}"));
    let is_known = PROGRAMS.iter().any(|(known, _)| name == *known);
    match programs::nearest(folder, &typed) {
        _ if is_known => {
            say(&format!("hint: '{typed}' is not installed in '{}'", shown(folder.as_os_str().as_encoded_bytes())))
        }
        Some(near) => say(&format!("hint: did you mean 'dockless {near}'?")),
        None => say("hint: see 'dockless --help'"),
    }
    ExitCode::from(2)
}

/// Answers a wrong command line.
pub fn wrong(text: &str) -> ExitCode {
    say(&format!("dockless: {text}"));
    say("hint: see 'dockless --help'");
    ExitCode::from(2)
}

/// Answers a program that is there and cannot be started, with a shell's status for it.
pub fn not_started(path: &Path, error: &io::Error) -> ExitCode {
    let path = shown(path.as_os_str().as_encoded_bytes());
    say(&format!("dockless: cannot start '{path}': {}", cli::message::causes(error)));
    ExitCode::from(126)
}

fn print(text: &str) -> ExitCode {
    // A reader that has gone has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn say(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
