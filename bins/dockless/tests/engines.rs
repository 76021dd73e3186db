//! What engines themselves said of testdata's hosts, beside what `inspect` says of them: `testdata/inspect/`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use testkit::hosts::Hosts;

/// One line a container: host, id, and what was said. The answers to `template` must be those.
fn check(hosts: &Hosts, file: &str, flags: &[&str], template: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/inspect");
    let said = std::fs::read_to_string(folder.join(file)).expect("testdata is there");
    let mut of_host: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in said.lines() {
        let (host, rest) = line.split_once(' ').expect("host and what was said");
        of_host.entry(host).or_default().push(rest);
    }
    for (host, expected) in of_host {
        let ids = expected.iter().map(|line| line.split(' ').next().expect("an id"));
        let out = Command::new(testkit::programs::built().join("inspect"))
            .args(["--format", template])
            .args(flags)
            .arg("--root")
            .arg(hosts.path().join(host))
            .args(ids)
            .output()
            .expect("inspect runs");
        let came = String::from_utf8(out.stdout).expect("it is text").replace("sha256:", "");
        let came: Vec<String> = came
            .lines()
            .map(|line| line.split_once(' ').map(|(id, rest)| format!("{} {rest}", &id[..12])).unwrap_or_default())
            .collect();
        assert_eq!(came, expected, "{host}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn sizes_and_lower_layers_are_what_the_engines_said() {
    let hosts = Hosts::unpack();
    check(&hosts, "sizes.txt", &["--size"], "{{.Id}} {{.SizeRw}} {{.SizeRootFs}}");
    let lower = "{{.Id}} {{with .GraphDriver.Data.LowerDir}}{{.}}{{else}}{{.GraphDriver.Data.RootDir}}{{end}}";
    check(&hosts, "lower-dirs.txt", &[], lower);
}

#[test]
fn a_name_that_several_stores_have_is_answered_by_one_and_said() {
    let hosts = Hosts::unpack();
    let to = tempfile::tempdir().expect("a folder is made");
    let to = to.path().join("hosts").display().to_string();
    for words in [
        &["inspect", "web"][..],
        &["logs", "web"],
        &["port", "web"],
        &["export", "--format", "sha256sum", "web"],
        &["cp", "web:/etc/hosts", &to],
    ] {
        let (program, words) = words.split_first().expect("a program is named");
        let mut command = Command::new(testkit::programs::built().join(program));
        let out = command.args(words).arg("--root").arg(hosts.path()).output().expect("the program runs");
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(3), "{program}: {said}");
        assert!(said.contains("has the name 'web' too"), "{program}: {said}");
    }
}
