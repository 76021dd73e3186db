//! Containers from what an engine's own inspect says of them.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::roots::{self, Ended};

fn piped(root: &str, words: &[&str], text: &str) -> Ended {
    let mut command = roots::command(root, &[words, &["-"]].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it is read");
    let out = child.wait_with_output().expect("it ends");
    let text = |raw: Vec<u8>| String::from_utf8_lossy(&raw).into_owned();
    Ended { status: out.status.code(), stdout: text(out.stdout), stderr: text(out.stderr) }
}

fn said_by_engine(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/inspect").join(name);
    std::fs::read_to_string(path).expect("it is there")
}

/// Starts the container that fails with 3.
fn check(root: &str, text: &str) {
    let ended = piped(root, &["--ephemeral", "--net", "none"], text);
    let own: String = ended.stderr.split_inclusive('\n').filter(|line| !line.starts_with("WARNING: ")).collect();
    assert_eq!(ended.status, Some(3), "{root}: {}", ended.stderr);
    assert_eq!(ended.stdout + &own, "exit three\n", "{root}");
}

#[test]
fn a_container_is_started_from_what_inspect_says_of_it() {
    let Some(hosts) = roots::all() else { return };
    check("docker-0.6.4-aufs-emulated", &said_by_engine("docker-0.6.4-exit3.json"));
    check("podman-4.3.1-overlay", &said_by_engine("podman-4.3.1-exit3.json"));
    let names = hosts.names().into_iter().filter(|name| name.starts_with("docker-") || name.starts_with("podman-"));
    for root in names {
        let all = roots::containers(&root);
        let script = |inspect: &Value| inspect["Args"][1] == "echo exit three >&2; exit 3";
        let (_, inspect) = all.iter().find(|(_, inspect)| script(inspect)).expect("every root has one");
        check(&root, &json!([inspect]).to_string());
    }
}

/// Values of the plan by their places.
fn planned(root: &str, file: &str, values: &[(&str, Value)]) {
    let ended = piped(root, &["--ephemeral", "--plan=json"], &said_by_engine(file));
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{file}: {}", ended.stderr));
    for (place, value) in values {
        assert_eq!(plan.pointer(place), Some(value), "{file}: {place}");
    }
}

#[test]
fn old_and_other_shapes_mean_the_same() {
    if roots::all().is_none() {
        return;
    }
    planned(
        "docker-0.6.4-aufs-emulated",
        "docker-0.6.4-web.json",
        &[
            ("/process/user/uid", json!(1000)),
            ("/hostname", json!("web")),
            ("/domainname", json!("example.org")),
            ("/from/hostname", json!(["stdin: Config.Hostname"])),
            ("/mounts/5/source/bind/path", json!("/srv/host-files/bind")),
            ("/mounts/5/read_only", json!(true)),
        ],
    );
    planned(
        "podman-4.3.1-overlay",
        "podman-4.3.1-flags.json",
        &[
            ("/process/args", json!(["/sbin/docker-init", "--", "/bin/sleep", "1000000"])),
            ("/process/stop_signal", json!(10)),
            ("/process/rlimits/0", json!({"name": "nofile", "soft": 100, "hard": 200})),
            ("/limits/memory", json!(64 << 20)),
            ("/namespaces/pid", json!("new")),
            ("/namespaces/cgroup", json!("host")),
        ],
    );
}
