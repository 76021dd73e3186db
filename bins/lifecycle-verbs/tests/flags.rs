//! Every flag of docker's client is one of ours, with its letter.

use std::collections::BTreeSet;
use std::process::Command;

use testkit::engine::is_here;

const PROGRAMS: [&str; 17] = [
    "attach", "commit", "cp", "events", "exec", "kill", "logs", "pause", "restart", "rm", "run", "start", "stats",
    "stop", "top", "unpause", "wait",
];

fn help(mut command: Command) -> String {
    let out = command.arg("--help").output().expect("it starts");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// `-f, --force` and `--force` of a help text.
fn flags(text: &str) -> BTreeSet<String> {
    let lines =
        text.lines().map(str::trim_start).filter(|line| line.starts_with("--") || line.get(2..5) == Some(", -"));
    let flag = |line: &str| {
        let words: Vec<&str> = line.split([' ', '[', '=']).collect();
        match words[..] {
            [short, long, ..] if short.ends_with(',') => format!("{short} {long}"),
            [long, ..] => long.to_string(),
            [] => String::new(),
        }
    };
    lines.map(flag).collect()
}

/// Whether a help text has a flag, perhaps under another name: clients before 28 call `--timeout` `--time`.
fn has(text: &str, flag: &str) -> bool {
    let known = flags(text);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (letter, long) = flag.split_once(' ').map_or((None, flag), |(letter, long)| (Some(letter), long));
    known.contains(flag)
        || words.contains(&format!("[alias: {long}]"))
            && letter.is_none_or(|letter| known.iter().any(|flag| flag.starts_with(letter)))
}

#[test]
fn every_flag_of_dockers_client_is_here() {
    if !is_here("docker") {
        return;
    }
    let place = testkit::programs::built();
    for program in PROGRAMS {
        let mut docker = Command::new("docker");
        docker.arg(program);
        let dockers = flags(&help(docker));
        let ours = help(Command::new(place.join(program)));
        assert!(program != "run" || dockers.len() > 90, "docker's help is read wrongly: {dockers:?}");
        let missing: Vec<&String> = dockers.iter().filter(|flag| *flag != "--help" && !has(&ours, flag)).collect();
        assert_eq!(missing, Vec::<&String>::new(), "{program}");
    }
}
