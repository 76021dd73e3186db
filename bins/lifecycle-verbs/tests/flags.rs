//! Every flag of docker's client is one of ours, with its letter.

use std::collections::BTreeSet;
use std::process::Command;

use testkit::engine::is_here;
use testkit::home::built;

const PROGRAMS: [&str; 17] = [
    "attach", "commit", "cp", "events", "exec", "kill", "logs", "pause", "restart", "rm", "run", "start", "stats",
    "stop", "top", "unpause", "wait",
];

/// `-f, --force` and `--force` of a help text.
fn flags(command: &mut Command) -> BTreeSet<String> {
    let out = command.arg("--help").output().expect("it starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
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

#[test]
fn every_flag_of_dockers_client_is_here() {
    if !is_here("docker") {
        return;
    }
    // Those that the test's own package has are built with it.
    let place = built(&["attach", "commit", "cp", "events", "exec", "logs", "stats", "top"]);
    for program in PROGRAMS {
        let dockers = flags(Command::new("docker").arg(program));
        let ours = flags(&mut Command::new(place.join(program)));
        assert!(program != "run" || dockers.len() > 90, "docker's help is read wrongly: {dockers:?}");
        let missing: Vec<&String> = dockers.difference(&ours).filter(|flag| *flag != "--help").collect();
        assert_eq!(missing, Vec::<&String>::new(), "{program}");
    }
}
