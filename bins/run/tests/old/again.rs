//! Containers of every generation brought back: the same program ends as it ended then, and says what it said then.

use model::Container;
use serde_json::Value;

use crate::roots;

/// What these scripts of the roots write, on stdout and on stderr.
const STREAMS: &[(&str, &str, &str)] = &[
    ("echo exit zero; exit 0", "exit zero\n", ""),
    ("echo exit three >&2; exit 3", "", "exit three\n"),
    ("echo three; exit 3", "three\n", ""),
    ("echo f; exit 7", "f\n", ""),
    ("echo again; exit 1", "again\n", ""),
    ("echo host; exit 0", "host\n", ""),
];

/// The status that a container must end with again; `None` where it would not end, or nobody wrote it down.
fn status(container: &Container, inspect: &Value) -> Option<i64> {
    let script = script(inspect);
    if inspect["Path"] == "/no/such/binary" {
        // Engines before 1.10 wrote down others.
        return Some(127);
    }
    if script.contains("sleep") || inspect["Path"] == "/bin/sleep" || inspect["State"]["Running"] == true {
        return None;
    }
    // Its image is gone; a pod's waits for ever.
    if container.names.iter().any(|name| name == "orphan" || name.ends_with("-infra")) {
        return None;
    }
    // containerd keeps no status.
    let said = script.rsplit_once("exit ").and_then(|(_, number)| number.parse().ok());
    said.or(inspect["State"]["ExitCode"].as_i64().filter(|status| *status >= 0))
}

fn script(inspect: &Value) -> &str {
    inspect["Args"][1].as_str().unwrap_or_default()
}

/// Brings the containers of one root back that end by themselves. Returns how many.
fn check(root: &str) -> usize {
    let hosts = roots::all().expect("the caller asked");
    let before = roots::state(&hosts.path().join(root));
    let mut count = 0;
    for (container, inspect) in roots::containers(root) {
        let Some(status) = status(&container, &inspect) else { continue };
        let ended = roots::run(root, &["--ephemeral", "--container", container.id.as_str()]);
        let why = format!("{root} {} {:?}: {}", container.id.short(), container.names, ended.stderr);
        assert_eq!(ended.status.map(i64::from), Some(status), "{why}");
        if let Some((_, stdout, stderr)) = STREAMS.iter().find(|(text, _, _)| *text == script(&inspect)) {
            let own: String =
                ended.stderr.split_inclusive('\n').filter(|line| !line.starts_with("WARNING: ")).collect();
            assert_eq!((ended.stdout.as_str(), own.as_str()), (*stdout, *stderr), "{why}");
        }
        count += 1;
    }
    assert_eq!(roots::state(&hosts.path().join(root)), before, "{root}");
    count
}

#[test]
fn containers_of_every_generation_end_as_they_ended_then() {
    let Some(hosts) = roots::all() else { return };
    // The seeds' files are few, and none of them is a program.
    let names: Vec<String> = hosts.names().into_iter().filter(|name| !name.starts_with("seed-")).collect();
    assert!(names.len() >= 9, "{names:?}");
    let counts = |names: &[String]| names.iter().map(|name| (name.clone(), check(name))).collect::<Vec<_>>();
    let (early, late) = names.split_at(names.len() / 2);
    let all = std::thread::scope(|scope| {
        let late = scope.spawn(|| counts(late));
        [counts(early), late.join().expect("a root failed")].concat()
    });
    assert!(all.iter().all(|(name, count)| *count >= if name.starts_with("containerd") { 1 } else { 5 }), "{all:?}");
}
