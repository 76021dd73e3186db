//! What was typed: a program's name, or one of docker's groups and a verb in it.

use std::ffi::{OsStr, OsString};

/// A verb of a group: what docker calls it, the program that does it, and what is put before its arguments.
pub struct Verb {
    /// Docker's word: `ls` in `docker image ls`.
    pub word: &'static str,
    /// The program.
    pub program: &'static str,
    /// Arguments that make the program do just this.
    pub args: &'static [&'static str],
}

/// One of docker's groups.
pub struct Group {
    /// Docker's word: `image`.
    pub word: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Its verbs, in the order that help shows them.
    pub verbs: &'static [Verb],
}

const fn verb(word: &'static str, program: &'static str) -> Verb {
    Verb { word, program, args: &[] }
}

const fn typed(word: &'static str, program: &'static str, args: &'static [&'static str]) -> Verb {
    Verb { word, program, args }
}

/// Docker's groups (docker/cli, cli/command/commands), with those of their verbs that a program here does.
pub const GROUPS: &[Group] = &[
    Group {
        word: "container",
        about: "Containers: ls, inspect, logs, …",
        verbs: &[
            verb("ls", "ps"),
            verb("list", "ps"),
            verb("ps", "ps"),
            typed("inspect", "inspect", &["--type", "container"]),
            verb("logs", "logs"),
            verb("diff", "diff"),
            verb("port", "port"),
            verb("export", "export"),
            verb("commit", "commit"),
            verb("run", "run"),
            verb("rm", "rm"),
            verb("remove", "rm"),
        ],
    },
    Group {
        word: "image",
        about: "Images: ls, inspect, save, load, …",
        verbs: &[
            verb("ls", "images"),
            verb("list", "images"),
            typed("inspect", "inspect", &["--type", "image"]),
            verb("history", "history"),
            verb("import", "import"),
            verb("load", "load"),
            verb("save", "save"),
            verb("tag", "tag"),
            verb("rm", "rmi"),
            verb("remove", "rmi"),
        ],
    },
    Group {
        word: "network",
        about: "Networks: ls, inspect",
        verbs: &[verb("ls", "networks"), verb("list", "networks"), typed("inspect", "inspect", &["--type", "network"])],
    },
    Group { word: "system", about: "The data root as a whole: df", verbs: &[verb("df", "df")] },
    Group {
        word: "volume",
        about: "Volumes: ls, inspect",
        verbs: &[verb("ls", "volumes"), verb("list", "volumes"), typed("inspect", "inspect", &["--type", "volume"])],
    },
];

/// What a command line asks the front for.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// To start a program.
    Program {
        /// Its name.
        name: OsString,
        /// Its arguments.
        args: Vec<OsString>,
    },
    /// To say what there is, in all or in one group.
    Help {
        /// The group's word.
        group: Option<&'static str>,
    },
    /// To say its version.
    Version,
    /// To print a man page or completions.
    Spec {
        /// Which.
        kind: OsString,
    },
    /// Nothing that is known.
    Wrong {
        /// What is wrong with it.
        text: String,
    },
}

/// Reads the arguments. Flags before the program's name (`dockless --root DIR ps`) are handed to the program.
pub fn meaning(args: &[OsString]) -> Meaning {
    let at = name_at(args);
    let (before, rest) = args.split_at(at);
    let Some(name) = rest.first() else { return flags_only(before) };
    let mut args = before.to_vec();
    args.extend_from_slice(&rest[1..]);
    match (name.to_str(), rest.get(1)) {
        (Some("help"), next) => help_for(next),
        (Some(word), _) if group(word).is_some() => in_group(word, before, &rest[1..]),
        _ => Meaning::Program { name: name.clone(), args },
    }
}

// Only the flags that every program has take a value here; the first other word is the program's name.
fn name_at(args: &[OsString]) -> usize {
    let mut at = 0;
    while let Some(arg) = args.get(at).filter(|arg| arg.as_encoded_bytes().starts_with(b"-")) {
        let takes_value = ["--root", "--data-root", "--graph", "-g", "--host-root"].iter().any(|flag| arg == flag);
        let is_spec = arg == cli::spec::FLAG;
        at += 1 + usize::from(takes_value || is_spec);
    }
    at.min(args.len())
}

fn flags_only(flags: &[OsString]) -> Meaning {
    match flags.first().and_then(|flag| flag.to_str()) {
        None | Some("-h" | "--help") => Meaning::Help { group: None },
        Some("-v" | "-V" | "--version") => Meaning::Version,
        Some(flag) if flag == cli::spec::FLAG => Meaning::Spec { kind: flags.get(1).cloned().unwrap_or_default() },
        Some(flag) if flag.starts_with("--root") || flag.starts_with("-g") => {
            Meaning::Wrong { text: "a program's name is missing".into() }
        }
        Some(flag) => Meaning::Wrong { text: format!("unknown flag: {flag}") },
    }
}

fn help_for(name: Option<&OsString>) -> Meaning {
    match name {
        None => Meaning::Help { group: None },
        Some(name) => match name.to_str().and_then(group) {
            Some(group) => Meaning::Help { group: Some(group.word) },
            None => Meaning::Program { name: name.clone(), args: vec!["--help".into()] },
        },
    }
}

fn in_group(word: &str, before: &[OsString], rest: &[OsString]) -> Meaning {
    let group = group(word).expect("the caller looked");
    let Some(word) = rest.first() else { return Meaning::Help { group: Some(group.word) } };
    if word == "--help" || word == "-h" || word == "help" {
        return Meaning::Help { group: Some(group.word) };
    }
    let Some(verb) = group.verbs.iter().find(|verb| word == OsStr::new(verb.word)) else {
        let shown = model::path::shown(word.as_encoded_bytes()).into_owned();
        return Meaning::Wrong { text: format!("unknown command: dockless {} {shown}", group.word) };
    };
    let mut args: Vec<OsString> = before.to_vec();
    args.extend(verb.args.iter().map(OsString::from));
    args.extend_from_slice(&rest[1..]);
    Meaning::Program { name: verb.program.into(), args }
}

/// The group of that name.
pub fn group(word: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.word == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, meant: &str) {
        let args: Vec<OsString> = typed.split_whitespace().map(OsString::from).collect();
        let said = match meaning(&args) {
            Meaning::Program { name, args } => [vec![name], args].concat().join(OsStr::new(" ")).into_string().unwrap(),
            Meaning::Help { group } => format!("help {}", group.unwrap_or("all")),
            Meaning::Version => "version".into(),
            Meaning::Spec { kind } => format!("spec {}", kind.to_string_lossy()),
            Meaning::Wrong { text } => text,
        };
        assert_eq!(said, meant, "dockless {typed}");
    }

    #[test]
    fn what_is_typed_starts_the_right_program() {
        check("ps -a", "ps -a");
        check("--root /r ps -a", "ps --root /r -a");
        check("-g /r image ls -q", "images -g /r -q");
        check("container inspect web", "inspect --type container web");
        check("image rm x", "rmi x");
        check("volume ls", "volumes");
        check("system df -v", "df -v");
    }

    #[test]
    fn help_is_found_by_every_way_that_docker_has() {
        check("", "help all");
        check("--help", "help all");
        check("help", "help all");
        check("help ps", "ps --help");
        check("ps --help", "ps --help");
        check("image", "help image");
        check("image --help", "help image");
        check("help image", "help image");
        check("--version", "version");
        check("--dockless-spec bash", "spec bash");
    }

    #[test]
    fn mistakes_are_told() {
        check("image frob", "unknown command: dockless image frob");
        check("--frob", "unknown flag: --frob");
        check("--root /x", "a program's name is missing");
    }
}
