//! Containers from described ones, and by their folder.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::image::{Place, ended};

#[test]
fn a_described_container_is_made_anew_with_what_is_typed_over_it() {
    let Some(place) = Place::new() else { return };
    let described = json!([{
        "Id": "f".repeat(64), "Name": "/web", "Path": "sh", "Args": ["-c", "echo $A $B; id -u"], "Image": "img",
        "Config": {"Image": "img", "Hostname": "ffffffffffff", "Env": ["A=1", "B=2"], "User": "web", "Cmd": ["sh", "-c", "echo $A $B; id -u"]},
        "HostConfig": {"NetworkMode": "none", "Memory": 0},
    }]);
    let piped = |words: &[&str]| {
        let mut child =
            place.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), described.to_string().as_bytes()).unwrap();
        ended(child.wait_with_output().unwrap())
    };
    let said = |words: &[&str]| {
        let ended = piped(words);
        (ended.stdout, ended.stderr)
    };
    assert_eq!(said(&["-"]), ("1 2\n1000\n".into(), String::new()));
    let taken = "WARNING: the name 'web' is taken: it gets another one\n";
    assert_eq!(said(&["--rm", "-e", "B=3", "-u", "0", "-"]), ("1 3\n0\n".into(), taken.into()));
    assert_eq!(said(&["--rm", "--name", "other", "-", "sh", "-c", "echo else"]), ("else\n".into(), String::new()));
    assert_eq!(said(&["--ephemeral", "--container", "web"]).0, "1 2\n1000\n");
}

#[test]
fn a_folder_says_which_root_and_which_container() {
    let Some(place) = Place::new() else { return };
    assert_eq!(place.run(&["--name", "kept", "--net", "none", "img", "sh", "-c", "echo again"]).stdout, "again\n");
    let folder = std::fs::read_dir(place.root().join("containers")).unwrap().next().unwrap().unwrap().path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_run"));
    command.args(["--ephemeral", "--container"]).arg(&folder).env_remove("DOCKLESS_ROOT");
    assert_eq!(ended(command.output().unwrap()).stdout, "again\n");
}
