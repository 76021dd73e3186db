//! What would be done with each container of each root: `testdata/golden/HOST/run.txt`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p run --test old` writes the files anew; read their diff before committing it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use testkit::golden::Goldens;

use crate::roots;

/// Long values that most plans have alike: the golden keeps their digests.
const LONG: &[&str] =
    &["/devices", "/device_rules", "/masked", "/read_only_paths", "/process/capabilities", "/defaultMounts"];

#[test]
fn every_container_of_every_root_is_planned_as_before() {
    let Some(hosts) = roots::all() else { return };
    let names = hosts.names();
    let planned = |name: &String| {
        let before = roots::state(&hosts.path().join(name));
        let text: String = roots::containers(name)
            .iter()
            .map(|(container, _)| plan(name, container.id.as_str(), hosts.path()))
            .collect();
        assert_eq!(roots::state(&hosts.path().join(name)), before, "{name}");
        (format!("{name}/run.txt"), text)
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let mut goldens = Goldens::new(folder, Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden"));
    let (early, late) = names.split_at(names.len() / 2);
    let all = std::thread::scope(|scope| {
        let late = scope.spawn(|| late.iter().map(planned).collect::<Vec<_>>());
        let early: Vec<_> = early.iter().map(planned).collect();
        [early, late.join().expect("a root failed")].concat()
    });
    all.iter().for_each(|(name, text)| goldens.check(name, text));
    goldens.finish();
}

/// One plan in short: a line a value, and what was complained of.
fn plan(root: &str, id: &str, hosts: &Path) -> String {
    let words = ["--ephemeral", "--plan=json", "--container", id];
    let ended = roots::run(root, &words);
    let mut said = format!("$ run {}\n", words.join(" "));
    if !ended.stdout.is_empty() {
        let mut plan: Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
        let own = plan["id"].as_str().unwrap_or_default().to_string();
        assert!(
            plan["process"]["env"]
                .as_array()
                .is_some_and(|all| all.iter().all(|pair| pair.as_str().is_some_and(|pair| pair.contains('='))))
        );
        for file in plan["files"].as_array_mut().into_iter().flatten() {
            // This machine's own servers.
            if file["destination"] == "/etc/resolv.conf" {
                file["content"] = "…".into();
            }
        }
        let mounts = plan["mounts"].as_array().cloned().unwrap_or_default();
        let (usual, others): (Vec<Value>, _) =
            mounts.into_iter().partition(|mount| mount["from"] == "docker's default");
        plan["mounts"] = others.into();
        plan["defaultMounts"] =
            serde_json::from_str(&Value::from(usual).to_string().replace(&own, "ID")).expect("JSON");
        for value in LONG {
            let value = plan.pointer_mut(value).expect("every plan has it");
            let digest = tarball::Sha256::of(value.to_string().as_bytes()).to_string();
            *value = format!("{} of them, {}", value.as_array().map_or(0, Vec::len), &digest[..19]).into();
        }
        // One without a name of its own is called by the id of this run.
        let text = lines(&plan)
            .replace(&own, "ID")
            .replace(own.get(..12).unwrap_or(&own), "ID")
            .replace(&format!("{}/", hosts.display()), "");
        said.push_str(&text.replace(id, id.get(..12).unwrap_or(id)));
    }
    for line in ended.stderr.lines() {
        writeln!(said, "! {}", line.replace(&format!("{}/", hosts.display()), "")).expect("it is memory");
    }
    writeln!(said, "-- exit {}\n", ended.status.unwrap_or(-1)).expect("it is memory");
    said
}

/// A line a value; objects that are no mounts are taken apart, and what says nothing is left out.
fn lines(plan: &Value) -> String {
    let mut text = String::new();
    for (key, value) in plan.as_object().into_iter().flatten() {
        match value {
            Value::Object(map) => {
                for (inner, value) in map.iter().filter(|(_, value)| says(value)) {
                    writeln!(text, "{key}.{inner} {value}").expect("it is memory");
                }
            }
            Value::Array(list) => list.iter().for_each(|value| writeln!(text, "{key} {value}").expect("it is memory")),
            value if says(value) => writeln!(text, "{key} {value}").expect("it is memory"),
            _ => {}
        }
    }
    text
}

fn says(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty() && value[0] != "docker's default",
        _ => true,
    }
}
